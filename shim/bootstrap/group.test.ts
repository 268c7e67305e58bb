import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { groupOf, socketPath } from "./group.ts";

describe("shim groups", () => {
  let bundle = "";
  before(() => {
    bundle = mkdtempSync(`${tmpdir()}/group-`);
  });
  after(() => rmSync(bundle, { recursive: true }));

  function group(config: unknown): string {
    writeFileSync(`${bundle}/config.json`, JSON.stringify(config));
    return groupOf(bundle, "own");
  }

  it("are the container's own without annotations or config", () => {
    expect(groupOf(bundle, "own")).to.equal("own");
    expect(group({})).to.equal("own");
    expect(group({ annotations: null })).to.equal("own");
    expect(group({ annotations: { "io.kubernetes.cri.sandbox-id": "" } })).to.equal("own");
  });
  it("come from annotations, runc's own first", () => {
    expect(group({ annotations: { "io.kubernetes.cri.sandbox-id": "pod" } })).to.equal("pod");
    const both = { "io.kubernetes.cri.sandbox-id": "pod", "io.containerd.runc.v2.group": "g" };
    expect(group({ annotations: both })).to.equal("g");
  });
  it("need a config that is JSON", () => {
    writeFileSync(`${bundle}/config.json`, "{");
    expect(() => groupOf(bundle, "own")).to.throw(`read ${bundle}/config.json`);
  });
});

describe("shim sockets", () => {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");

  it("are named as those of containerd's own shims", () => {
    expect(socketPath("", "/run/containerd/containerd.sock", "ns", "g")).to.equal(
      `/run/containerd/s/${hash("/run/containerd/containerd.sock/ns/g")}`,
    );
    expect(socketPath("/d", "/run//x/", "ns", "g")).to.equal(`/d/${hash("/run/x/ns/g")}`);
  });
  it("are one for a whole namespace, which no id can name", () => {
    const all = socketPath("", "/run/c", "ns", undefined);
    expect(all).to.equal(`/run/containerd/s/${hash("/run/c/ns")}`);
  });
  it("are never those of another namespace", () => {
    const other = socketPath("", "/run/c", "other", "g");
    expect(socketPath("", "/run/c", "ns", "../other/g")).to.not.equal(other);
  });
  it("have room for a directory of 41 bytes", () => {
    const dir = `/${"d".repeat(40)}`;
    expect(socketPath(dir, "/a", "n", "g")).to.have.length(106);
    expect(() => socketPath(`${dir}d`, "/a", "n", "g")).to.throw("socket path of 107 bytes");
  });
});
