import { expect } from "chai";
import type { Spec } from "../../schemas/generated/config.ts";
import { execProcess, type ProcessOptions } from "./exec-process.ts";

const spec: Spec = {
  ociVersion: "1.2.0",
  process: {
    cwd: "/work",
    args: ["init"],
    env: ["A=1"],
    terminal: true,
    noNewPrivileges: true,
    user: { uid: 5, gid: 6, additionalGids: [7] },
    capabilities: { bounding: ["CAP_CHOWN"], inheritable: ["CAP_KILL"] },
  },
};

function processOf(more: Partial<ProcessOptions> = {}) {
  const options = { args: ["ls"], env: [], additionalGids: [], caps: [], ...more };
  return execProcess(spec, options);
}

describe("the process of exec", () => {
  it("is the container's own but for program and terminal", () => {
    expect(processOf()).to.deep.equal({ ...spec.process, args: ["ls"], terminal: false });
  });

  it("has later variables after the container's", () => {
    expect(processOf({ env: ["A=2", "B=3"] }).env).to.deep.equal(["A=1", "A=2", "B=3"]);
  });

  it("keeps the group that --user leaves out", () => {
    expect(processOf({ user: "9" }).user).to.deep.equal({ uid: 9, gid: 6, additionalGids: [7] });
    expect(processOf({ user: "9:8", additionalGids: [3] }).user).to.deep.equal({
      ...{ uid: 9, gid: 8, additionalGids: [3] },
    });
  });

  it("never gets an inheritable capability, an ambient one only where it is that already (CVE-2022-29162)", () => {
    expect(processOf({ caps: ["CAP_SYS_ADMIN", "CAP_KILL"] }).capabilities).to.deep.equal({
      bounding: ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_KILL"],
      effective: ["CAP_SYS_ADMIN", "CAP_KILL"],
      permitted: ["CAP_SYS_ADMIN", "CAP_KILL"],
      inheritable: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
    });
  });

  it("can take privileges back, and only when told so", () => {
    expect(processOf().noNewPrivileges).to.equal(true);
    expect(processOf({ noNewPrivs: false }).noNewPrivileges).to.equal(false);
  });
});
