import { expect } from "chai";
import { lastCapability } from "../host/kernel.ts";
import { features } from "./features.ts";

describe("features", () => {
  const document = features();

  it("names the specification's first and latest version", () => {
    expect(document.ociVersionMin).to.equal("1.0.0");
    expect(document.ociVersionMax).to.equal("1.3.0");
  });
  it("lists the six hooks", () => {
    expect(document.hooks).to.have.length(6);
  });
  it("lists the kernel's capabilities by number", () => {
    const names = document.linux?.capabilities ?? [];
    expect(names[0]).to.equal("CAP_CHOWN");
    expect(names).to.have.length(Math.min(lastCapability() + 1, 41));
  });
  it("does not claim what is not there yet", () => {
    expect(document.linux?.cgroup?.systemd).to.equal(false);
  });
  it("has every namespace and the mount extensions", () => {
    const { namespaces, mountExtensions, memoryPolicy } = document.linux ?? {};
    expect(namespaces).to.deep.equal([
      ...["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
    ]);
    expect(document.mountOptions).to.include.members(["idmap", "ridmap"]);
    expect(mountExtensions?.idmap?.enabled).to.equal(true);
    expect(document.linux?.netDevices?.enabled).to.equal(true);
    expect(document.linux?.intelRdt).to.deep.equal({
      enabled: true,
      schemata: true,
      monitoring: true,
    });
    expect(document.potentiallyUnsafeConfigAnnotations).to.include("run.oci.keep_original_groups");
    expect(memoryPolicy?.modes).to.include("MPOL_BIND").and.have.length(7);
    expect(memoryPolicy?.flags).to.have.length(3);
  });
  it("lists mount options once, in order", () => {
    const options = document.mountOptions ?? [];
    expect(options).to.include.members(["bind", "rbind", "ro", "rro", "nosuid", "tmpcopyup"]);
    expect(options).to.deep.equal([...new Set(options)].sort());
  });
  it("is plain JSON", () => {
    expect(JSON.parse(JSON.stringify(document))).to.deep.equal(document);
  });
});
