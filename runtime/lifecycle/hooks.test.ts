import { expect } from "chai";
import { hookState, runHooks, runHooksWarning, runPoststart } from "./hooks.ts";
import { sampleState } from "./sample-state.ts";
import { hasAddon, type TestRuntime, testRuntime } from "./test-runtime.ts";

const shell = (command: string, more: object = {}) => ({
  path: "/bin/sh",
  args: ["sh", "-c", command],
  ...more,
});

describe("hooks", function () {
  this.slow(1000);
  let rt: TestRuntime;
  const state = hookState(sampleState({ annotations: { a: "b" } }), "creating", 7);

  before(function () {
    if (!hasAddon()) this.skip();
  });
  beforeEach(() => {
    rt = testRuntime();
  });
  afterEach(() => rt.remove());

  async function problemOf(...hooks: { path: string }[]): Promise<string> {
    try {
      await runHooks(rt, "prestart", hooks, state);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  }

  it("read the state from stdin", async () => {
    const document = JSON.stringify(state);
    expect(document).to.equal(
      '{"ociVersion":"1.2.0","id":"c1","status":"creating","pid":7,"bundle":"/bundle","annotations":{"a":"b"}}',
    );
    expect(await problemOf(shell(`test "$(cat)" = '${document}'`))).to.equal("");
  });

  it("get the environment of the config and nothing else", async () => {
    const command = 'test "$A" = 1 && test -z "$HOME" && test -z "$TSRUNC_LIBEXEC"';
    expect(await problemOf(shell(command, { env: ["A=1"] }))).to.equal("");
  });

  it("stop at the first that fails, and say which, how and what it said", async () => {
    const text = await problemOf(shell("true"), shell("echo out; echo err >&2; exit 3"));
    expect(text).to.equal(
      "error running prestart hook #1: /bin/sh: exit status 3, output: out\nerr",
    );
  });

  it("that cannot be executed are named with the reason", async () => {
    expect(await problemOf({ path: "/nope" })).to.equal(
      "error running prestart hook #0: execute /nope: ENOENT (no such file or directory)",
    );
  });

  it("are killed when their time is over", async () => {
    const begun = Date.now();
    expect(await problemOf(shell("exec sleep 60", { timeout: 1 }))).to.match(/timed out after 1 s/);
    expect(Date.now() - begun).to.be.within(900, 10_000);
  });

  it("do not have to take along what they leave behind", async () => {
    expect(
      await problemOf(shell("sleep 3 & while :; do echo x; done & sleep 0.1; kill $!")),
    ).to.equal("");
  });

  it("with any amount of output end, and leave no fd", async () => {
    const { readdirSync } = await import("node:fs");
    await problemOf(shell("true"));
    const before = readdirSync("/proc/self/fd").length;
    expect(await problemOf(shell("head -c 300000 /dev/zero; exit 1"))).to.have.length.below(9000);
    expect(readdirSync("/proc/self/fd")).to.have.length(before);
  });

  it("after the start fail it or only warn, by the bundle's version", async () => {
    const started = (ociVersion: string) =>
      runPoststart(rt, sampleState({ ociVersion, poststart: [shell("exit 1"), shell("exit 2")] }));
    const seen = rt.warnings.length;
    await started("1.2.1");
    expect(rt.warnings.slice(seen)).to.have.length(2);
    const problem = await started("1.3.0").catch((error: unknown) => error);
    expect(problem)
      .to.have.property("message")
      .match(/poststart hook #0.*exit status 1/);
  });

  it("whose failure is a warning all run", async () => {
    await runHooksWarning(rt, "poststop", [shell("exit 1"), shell("exit 2")], state);
    expect(rt.warnings).to.have.length(2);
    expect(rt.warnings[1]).to.match(/poststop.*exit status 2/);
  });
});
