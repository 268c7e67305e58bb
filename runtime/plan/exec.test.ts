import { expect } from "chai";
import { buildExecPlan, type ExecPlanInput } from "./exec.ts";
import { names, readable, sampleProcess } from "./sample-input.ts";

function planOf(more: Partial<ExecPlanInput> = {}) {
  return buildExecPlan({
    process: sampleProcess,
    linux: {},
    containerId: "c1",
    initPidfd: 7,
    namespaceFlags: 0x20000,
    inUserNamespace: false,
    setGroupsDenied: false,
    labels: {},
    privileged: true,
    initRoot: "/proc/7/root",
    cgroupFds: [{ fd: 9, path: "of the container" }],
    seccomp: undefined,
    joinKeyring: true,
    inherited: { fds: [], env: [] },
    ...more,
  });
}

describe("exec plan", () => {
  it("joins cgroups and namespaces before it forks, and forks before anything else", () => {
    const wanted = [
      "setDumpable: set dumpable",
      "joinCgroup: join cgroup of the container",
      "joinProcess: join the container's namespaces",
      "fork: make namespaces",
      "newSession: new session",
    ];
    expect(readable(planOf()).filter((line) => wanted.includes(line))).to.deep.equal(wanted);
    expect(planOf()).to.include({ forks: true, cloneFlags: 0 });
  });

  it("is hidden from its first operation on, before it is near the container (CVE-2016-9962)", () => {
    expect(planOf().ops[0]).to.deep.equal({ op: "setDumpable", value: 0 });
  });

  it("joins the container's keyring and makes none", () => {
    const ring = planOf().ops.find(({ op }) => op === "joinKeyring");
    expect(ring).to.include({ name: "_ses.c1", create: 0 });
    expect(names(planOf({ joinKeyring: false }))).to.not.include("joinKeyring");
  });

  it("becomes the container's root in its user namespace", () => {
    const list = names(planOf({ inUserNamespace: true }));
    expect(list[list.indexOf("fork") + 1]).to.equal("setIds");
  });

  it("opens init's root outside, where no image has a say, and enters it after the join", () => {
    const wanted = ["openRoot", "joinProcess", "fork", "chroot"];
    expect(names(planOf()).filter((op) => wanted.includes(op))).to.deep.equal(wanted);
  });

  it("takes the mount namespace's root where it may not open init's", () => {
    const plan = planOf({ initRoot: undefined });
    expect(names(plan)).to.not.include("chroot");
    expect(readable(plan)).to.include("openRoot: open root /");
  });

  it("joins nothing that it is in already", () => {
    expect(names(planOf({ namespaceFlags: 0 }))).to.not.include("joinProcess");
  });

  it("reports ready right before it executes, and never waits at a gate", () => {
    const list = names(planOf());
    expect(list).to.include("sync").and.to.not.include("startGate");
    expect(list.at(-1)).to.equal("execute");
  });
});
