import { expect } from "chai";
import type { NativeBinding } from "../native/binding.ts";
import { inheritedFds } from "./preserved-fds.ts";
import { testRuntime } from "./test-runtime.ts";

/** All fds of node are close-on-exec, so that only a fake can have inherited some; conformance cases do it for real. */
function inherited(open: readonly number[], preserve: number, env: Record<string, string> = {}) {
  const rt = testRuntime(env);
  const native = { isInherited: (fd: number) => open.includes(fd) } as NativeBinding;
  try {
    return inheritedFds({ ...rt, native: () => native }, preserve);
  } finally {
    rt.remove();
  }
}

describe("inherited fds", () => {
  it("are none by default", () => {
    expect(inherited([3, 4], 0)).to.deep.equal({ fds: [], env: [] });
  });

  it("are numbered from 3 without a gap", () => {
    expect(inherited([3, 4, 5], 2).fds).to.deep.equal([3, 4]);
    expect(() => inherited([3, 5], 3)).to.throw(/^unable to preserve fd 4: it is not open$/);
  });

  it("begin with those of socket activation, if they are meant for us", () => {
    const env = { LISTEN_FDS: "1", LISTEN_PID: String(process.pid) };
    expect(inherited([3, 4], 1, env)).to.deep.equal({
      fds: [3, 4],
      env: ["LISTEN_FDS=1", "LISTEN_PID=1"],
    });
    expect(inherited([3], 0, { ...env, LISTEN_PID: "1" }).fds).to.deep.equal([]);
    expect(inherited([3], 0, { ...env, LISTEN_FDS: "x" }).fds).to.deep.equal([]);
  });
});
