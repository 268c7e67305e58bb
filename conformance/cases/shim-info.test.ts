/** The shim's command line, `-v`, and what `-info` says of the runtime. */
import { expect } from "chai";
import { decode, textIn } from "../e2e/containerd/wire.ts";
import { invoke } from "../harness/runtime.ts";
import { describeShim, Task, toml } from "../harness/shim.ts";

describeShim("shim flags", () => {
  it("print the version", () => {
    const { status, stdout, stderr } = new Task().call(["-v"]);
    expect([status, stderr.toString()]).to.deep.equal([0, ""]);
    expect(stdout.toString()).to.match(/^containerd-shim-tsrunc-v2:\n {2}Version: {2}\d/);
  });

  for (const [name, flags, text] of [
    ["an unknown one", ["-bogus"], "flag provided but not defined: -bogus"],
    ["an empty namespace", ["-namespace", "", "-id", "x", "start"], "namespace cannot be empty"],
    ["no id", ["-namespace", "n", "start"], "id cannot be empty"],
    ["an id that is a path", ["-namespace", "n", "-id", "../x", "delete"], "invalid container ID"],
    ["an unknown action", ["-namespace", "n", "-id", "x", "restart"], "unknown action restart"],
  ] as const) {
    it(`refuse ${name} in one line`, () => {
      const { status, stdout, stderr } = new Task().call(flags);
      expect(status).to.equal(1);
      expect(stdout.toString()).to.equal("");
      expect(stderr.toString())
        .to.match(/^containerd-shim-tsrunc-v2: .*\n$/)
        .and.include(text);
    });
  }
});

describeShim("shim -info", () => {
  it("names the runtime and what it supports", () => {
    const { status, stdout } = new Task().call(["-info"]);
    expect(status).to.equal(0);
    const info = decode(stdout);
    expect(textIn(info, 1)).to.equal("io.containerd.tsrunc.v2");
    expect(textIn(decode(info.get(2) as Buffer), 1)).to.match(/^\d+\.\d+/);
    expect(info.has(3), "options").to.equal(false);
    const features = decode(info.get(4) as Buffer);
    expect(textIn(features, 1)).to.equal(
      "types.containerd.io/opencontainers/runtime-spec/1/features/Features",
    );
    const document = JSON.parse(textIn(features, 2));
    expect(document).to.deep.equal(JSON.parse(invoke(["features"]).ok().stdout));
    expect(document.mountOptions).to.include("rro");
    expect(document.linux.namespaces).to.include("user");
    expect(document.linux.mountExtensions.idmap.enabled).to.equal(true);
  });

  it("gives back the options, and refuses wrong ones", () => {
    const options = toml("SystemdCgroup = true");
    const { stdout } = new Task().call(["-info"], { input: options });
    expect(decode(stdout).get(3)).to.deep.equal(options);
    const wrong = new Task().call(["-info"], { input: toml("SystemdCgroup = 1") });
    expect(wrong.status).to.equal(1);
    expect(wrong.stderr.toString()).to.include("SystemdCgroup must be a boolean");
  });
});
