import { expect } from "chai";
import type { Process } from "../../schemas/generated/config.ts";
import type { Op } from "../../schemas/generated/plan.ts";
import { buildCreatePlan, type CreatePlanInput } from "./create.ts";
import { newPlanBuilder } from "./plan.ts";
import {
  addCredentials,
  addExecution,
  addHome,
  addLookUp,
  addOomScore,
  capabilitySets,
  lastOfEach,
  type ProcessInput,
} from "./process.ts";
import { names, sampleInput, sampleProcess, sampleSpec } from "./sample-input.ts";

const seccomp = { filter: new Uint8Array(8), flags: 0, notify: false };

function inputOf(more: Partial<Process>, rest: Partial<ProcessInput> = {}): ProcessInput {
  return {
    process: { ...sampleProcess, ...more },
    seccomp,
    setGroupsDenied: false,
    inherited: { fds: [], env: [] },
    keyring: undefined,
    ...rest,
  };
}

function opsFrom(add: (builder: ReturnType<typeof newPlanBuilder>) => void): Op[] {
  const builder = newPlanBuilder();
  add(builder);
  return builder.ops;
}

/** The operations of a whole create plan for this process. */
function planOf(more: Partial<Process>, rest: Partial<CreatePlanInput> = {}) {
  const process = { ...sampleProcess, ...more };
  return buildCreatePlan(sampleInput(sampleSpec({ process }), { seccomp, ...rest }));
}

const only = (list: readonly string[], ...wanted: string[]) =>
  list.filter((op) => wanted.includes(op));

describe("credentials", () => {
  it("keep CAP_SYS_ADMIN for the filter, and nothing of it after that", () => {
    const sets = planOf({}).ops.flatMap((op) => (op.op === "setCapabilities" ? [op] : []));
    expect(sets.map(({ effective }) => effective)).to.deep.equal([1n << 21n, 0n]);
    expect(sets.map(({ permitted }) => permitted)).to.deep.equal([1n << 21n, 0n]);
    expect(only(names(planOf({})), "setCapabilities", "seccomp", "execute")).to.deep.equal([
      ...["setCapabilities", "seccomp", "setCapabilities", "execute"],
    ]);
  });

  it("keep nothing where noNewPrivileges is enough for the filter", () => {
    const plan = planOf({ noNewPrivileges: true });
    expect(only(names(plan), "noNewPrivileges", "setCapabilities", "seccomp")).to.deep.equal([
      ...["noNewPrivileges", "setCapabilities", "seccomp"],
    ]);
    expect(plan.ops.find(({ op }) => op === "setCapabilities")).to.include({ effective: 0n });
  });

  it("load the filter behind the gate, but one that notifies while the parent is there", () => {
    const wanted = ["sync", "startGate", "seccomp", "execute"];
    expect(only(names(planOf({}, { gateFd: 8 })), ...wanted)).to.deep.equal(wanted);
    const notifying = planOf({}, { gateFd: 8, seccomp: { ...seccomp, notify: true } });
    expect(only(names(notifying), ...wanted)).to.deep.equal([
      ...["seccomp", "sync", "startGate", "execute"],
    ]);
  });

  it("seal all fds before the image's program is looked up (CVE-2024-21626)", () => {
    expect(only(names(planOf({})), "sealFds", "findExecutable")).to.deep.equal([
      ...["sealFds", "findExecutable"],
    ]);
    const inherited = { fds: [3, 4], env: [] };
    const seal = planOf({}, { inherited, gateFd: 8 }).ops.find(({ op }) => op === "sealFds");
    expect(seal).to.include({ first: 5, keep: 8 });
  });

  it("drop the bounding set while that is allowed, and set the others as the user", () => {
    const list = names(planOf({ user: { uid: 5, gid: 6 } }, { seccomp: undefined }));
    const wanted = ["dropBounding", "keepCapabilities", "setIds", "setCapabilities", "umask"];
    expect(list.filter((op) => wanted.includes(op))).to.deep.equal(wanted);
  });

  it("enter the directory before the ids change, and again after that", () => {
    const list = names(planOf({ user: { uid: 5, gid: 6 }, cwd: "/data" }));
    const around = list.filter((op) => op === "changeDirectory" || op === "setIds");
    expect(around).to.deep.equal(["changeDirectory", "setIds", "changeDirectory"]);
  });

  it("leave the groups alone where setgroups is denied (CVE-2014-8989)", () => {
    const ops = opsFrom((builder) =>
      addCredentials(builder, inputOf({}, { setGroupsDenied: true })),
    );
    expect(ops.find(({ op }) => op === "setIds")).to.include({ setGroups: 0 });
  });

  it("pass groups on as 32-bit numbers and have 0022 for a umask", () => {
    const user = { uid: 1, gid: 2, additionalGids: [3, 4_000_000_000] };
    const ops = opsFrom((builder) => addCredentials(builder, inputOf({ user })));
    const setIds = ops.find((op) => op.op === "setIds");
    expect(setIds).to.include({ uid: 1, gid: 2, setGroups: 1 });
    const groups = setIds?.op === "setIds" ? setIds.groups : new Uint8Array();
    expect([...new Uint32Array(groups.slice().buffer)]).to.deep.equal([3, 4_000_000_000]);
    expect(ops.find(({ op }) => op === "umask")).to.include({ mask: 0o022 });
  });
});

describe("capabilities", () => {
  it("are none without the member, as with runc", () => {
    expect(Object.values(capabilitySets(undefined))).to.deep.equal([0n, 0n, 0n, 0n, 0n]);
  });

  it("become masks, unknown names left out", () => {
    const sets = capabilitySets({ bounding: ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NONE"] });
    expect(sets.bounding).to.equal(1n | (1n << 21n));
    expect(sets.inheritable).to.equal(0n);
  });
});

describe("the environment", () => {
  it("keeps the last of duplicates in the place of the first", () => {
    expect(lastOfEach(["A=1", "B=2", "A=3"])).to.deep.equal(["A=3", "B=2"]);
  });

  it("has what the supervisor says after what the config says", () => {
    const inherited = { fds: [3], env: ["LISTEN_FDS=1", "LISTEN_PID=1"] };
    const input = inputOf({ env: ["A=1", "HOME="] }, { inherited });
    const ops = opsFrom((builder) => addExecution(builder, input));
    expect(ops.at(-1)).to.deep.include({ env: ["A=1", "LISTEN_FDS=1", "LISTEN_PID=1"] });
  });

  it("gets HOME from passwd when the config leaves it out or empty", () => {
    const homeOf = (env: string[]) =>
      opsFrom((builder) => addHome(builder, { ...sampleProcess, env, user: { uid: 7, gid: 7 } }));
    expect(homeOf(["HOME=/x"])).to.deep.equal([]);
    expect(homeOf(["HOME="])).to.deep.equal([{ op: "findHome", uid: 7 }]);
    expect(homeOf([])).to.have.length(1);
  });

  it("decides by its last PATH where the program is looked up", () => {
    const process = { ...sampleProcess, env: ["PATH=/a", "PATH=/b"] };
    const [lookUp] = opsFrom((builder) => addLookUp(builder, process));
    expect(lookUp).to.include({ name: "sh", searchPath: "/b" });
    const [without] = opsFrom((builder) => addLookUp(builder, { ...process, env: [] }));
    expect(without).to.include({
      searchPath: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    });
  });
});

describe("oomScoreAdj", () => {
  it("is written when the config says it, 0 too", () => {
    expect(opsFrom((builder) => addOomScore(builder, sampleProcess, true))).to.have.length(0);
    const scored = opsFrom((builder) =>
      addOomScore(builder, { ...sampleProcess, oomScoreAdj: 0 }, true),
    );
    expect(scored[0]).to.include({ path: "self/oom_score_adj", value: "0" });
  });

  it("is written by a process that owns its /proc files for that moment", () => {
    const process = { ...sampleProcess, oomScoreAdj: 5 };
    const ops = opsFrom((builder) => addOomScore(builder, process, false));
    expect(ops.map((op) => (op.op === "setDumpable" ? op.value : op.op))).to.deep.equal([
      1,
      "writeProc",
      0,
    ]);
  });
});
