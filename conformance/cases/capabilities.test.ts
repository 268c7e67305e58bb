/** process.capabilities: the five sets as the program has them, and names that the kernel does not know. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type CapabilitySet, defaultCapabilities } from "../harness/bundle.ts";
import { container, runReport } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { runtimePath } from "../harness/environment.ts";
import { parseReport } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";
import { scratchDirectory } from "../harness/scratch.ts";

type Sets = Partial<Record<CapabilitySet, string[]>>;

function capsWith(sets: Sets | undefined, uid = 0): ReturnType<typeof runReport>["caps"] {
  return runReport((config) => {
    if (sets === undefined) delete config.process.capabilities;
    else config.process.capabilities = sets;
    config.process.user = { uid, gid: uid };
  }).caps;
}

describe("process.capabilities", () => {
  it("gives exactly the listed ones", () => {
    const caps = capsWith({
      bounding: defaultCapabilities,
      effective: defaultCapabilities,
      permitted: defaultCapabilities,
    });
    for (const set of ["bounding", "effective", "permitted"] as const)
      expect(caps[set], set).to.have.members(defaultCapabilities);
    expect(caps.inheritable).to.deep.equal([]);
    expect(caps.ambient).to.deep.equal([]);
  });

  it("gives none without the object", () => {
    const caps = capsWith(undefined);
    expect(caps).to.deep.equal({
      effective: [],
      permitted: [],
      inheritable: [],
      bounding: [],
      ambient: [],
    });
  });

  it("gives none with empty sets, and the container still has its mounts and devices", () => {
    const report = runReport((config) => {
      config.process.capabilities = { bounding: [], effective: [], permitted: [] };
    });
    expect(report.caps.bounding).to.deep.equal([]);
    expect(report.mounts.length).to.be.greaterThan(8);
    expect(report.dev.map(({ name }) => name)).to.include("null");
  });

  it("keeps the bounding set apart: root gains it at execve", () => {
    const { caps } = runReport((config) => {
      config.process.capabilities = { bounding: ["CAP_CHOWN", "CAP_KILL"] };
      config.process.noNewPrivileges = false;
    });
    expect(caps.bounding).to.have.members(["CAP_CHOWN", "CAP_KILL"]);
    // capabilities(7): a root user's execve gives P'(permitted) = P(inheritable) | P(bounding).
    expect(caps.permitted).to.have.members(["CAP_CHOWN", "CAP_KILL"]);
  });

  it("sets inheritable", () => {
    const all = ["CAP_CHOWN", "CAP_NET_RAW"];
    const caps = capsWith({ bounding: all, permitted: all, inheritable: ["CAP_NET_RAW"] });
    expect(caps.inheritable).to.deep.equal(["CAP_NET_RAW"]);
  });

  it("loses them at execve for another user", () => {
    const all = ["CAP_CHOWN", "CAP_NET_RAW"];
    const caps = capsWith({ bounding: all, permitted: all, effective: all }, 1000);
    expect(caps.bounding).to.have.members(all);
    expect([caps.permitted, caps.effective]).to.deep.equal([[], []]);
  });

  it("keeps ambient ones for another user", () => {
    const all = ["CAP_CHOWN", "CAP_NET_RAW"];
    const ambient = ["CAP_NET_RAW"];
    const sets = { bounding: all, permitted: all, effective: all, inheritable: all, ambient };
    const caps = capsWith(sets, 1000);
    for (const set of ["ambient", "effective", "permitted"] as const)
      expect(caps[set], set).to.deep.equal(ambient);
    expect(caps.inheritable).to.have.members(all);
  });

  it("never makes ambient what is not inheritable", () => {
    const sets = { bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], ambient: ["CAP_KILL"] };
    const c = container((config) => {
      config.process.capabilities = sets;
      config.process.user = { uid: 1000, gid: 1000 };
    });
    const result = c.run();
    if (result.status === 0) expect(parseReport(result.stdout).caps.ambient).to.deep.equal([]);
    else result.fails(/ambient|cap/i);
  });
});

describe("capabilities that the kernel does not know", () => {
  it("are left out with a warning", () => {
    const names = ["CAP_CHOWN", "CAP_FROM_THE_FUTURE"];
    const c = container((config) => {
      config.process.capabilities = { bounding: names, effective: names, permitted: names };
    });
    const result = c.run().ok();
    expect(parseReport(result.stdout).caps.bounding).to.deep.equal(["CAP_CHOWN"]);
    const warnings = result.log.filter(({ level }) => level.startsWith("warn"));
    expect(warnings.some(({ msg }) => msg.includes("CAP_FROM_THE_FUTURE"))).to.equal(true);
  });

  it("are no reason to print anything on stderr", () => {
    const c = container((config) => {
      config.process.capabilities = { bounding: ["CAP_FROM_THE_FUTURE"] };
    });
    expect(c.run().ok().stderr).to.equal("");
  });

  for (const value of ["", "7", "CAP_", "CAP_CHOWN\0CAP_SYS_ADMIN"]) {
    it(`${JSON.stringify(value)} never turns into a capability`, () => {
      const c = container((config) => {
        config.process.capabilities = { bounding: [value], permitted: [value] };
      });
      const result = c.run();
      if (result.status === 0) expect(parseReport(result.stdout).caps.bounding).to.deep.equal([]);
    });
  }

  it(
    "a set that is no list of texts is refused",
    known("crun", "its parser takes what it can", () => {
      const c = container((config) => {
        config.process.capabilities = { bounding: "CAP_SYS_ADMIN" as unknown as string[] };
      });
      c.run().fails();
    }),
  );
});

/** config.md, process.capabilities: what cannot be granted MUST be logged as a warning and SHOULD NOT fail. */
describe("capabilities that the runtime itself does not have", () => {
  before(requires({ root: true, program: "setpriv" }));

  it(
    "are left out with a warning each",
    known("runc", "fails with EPERM", () => {
      const wanted = ["CAP_CHOWN", "CAP_SYS_TIME"];
      const c = container((config) => {
        config.process.capabilities = { bounding: wanted, effective: wanted, permitted: wanted };
      });
      const log = join(scratchDirectory("log"), "log");
      const root = ["--root", scratchDirectory("state")];
      const run = [...root, "--log", log, "run", "--bundle", c.bundle.path, c.id];
      const bounded = ["--bounding-set", "-sys_time", runtimePath, ...run];
      const { status, stdout, stderr } = spawnSync("setpriv", bounded, { encoding: "utf8" });
      expect(status, stderr).to.equal(0);
      expect(parseReport(stdout).caps.effective).to.deep.equal(["CAP_CHOWN"]);
      const warnings = readFileSync(log, "utf8").match(/level=warning.*/g) ?? [];
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.include("CAP_SYS_TIME");
    }),
  );
});
