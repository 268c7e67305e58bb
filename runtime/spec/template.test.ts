/** The config that `spec` writes. */
import { expect } from "chai";
import { specVersion } from "../base/version.ts";
import { parseSpec } from "./load.ts";
import { specTemplate } from "./template.ts";

describe("the template", () => {
  it("passes our own checks without a warning, in each variant", () => {
    for (const cgroup2 of [false, true]) {
      for (const options of [{ cgroup2 }, { cgroup2, rootless: { uid: 1000, gid: 100 } }]) {
        const warnings: string[] = [];
        const text = JSON.stringify(specTemplate(options));
        expect(parseSpec(text, (warning) => warnings.push(warning)).ociVersion).to.equal(
          specVersion,
        );
        expect(warnings).to.deep.equal([]);
      }
    }
  });

  it("is a read-only root, a terminal and three capabilities, none inheritable (CVE-2022-29162)", () => {
    const spec = specTemplate({ cgroup2: false });
    expect(spec.root).to.deep.equal({ path: "rootfs", readonly: true });
    expect(spec.process?.terminal).to.equal(true);
    expect(spec.process?.noNewPrivileges).to.equal(true);
    const three = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    expect(spec.process?.capabilities).to.deep.equal({
      bounding: three,
      effective: three,
      permitted: three,
    });
    expect(Object.keys(spec)).to.deep.equal([
      "ociVersion",
      "process",
      "root",
      "hostname",
      "mounts",
      "linux",
    ]);
    expect(spec.mounts?.map(({ destination }) => destination)).to.deep.equal([
      "/proc",
      "/dev",
      "/dev/pts",
      "/dev/shm",
      "/dev/mqueue",
      "/sys",
      "/sys/fs/cgroup",
    ]);
  });

  it("has a cgroup namespace where cgroup v2 is alone", () => {
    const types = (cgroup2: boolean) =>
      specTemplate({ cgroup2 }).linux?.namespaces?.map(({ type }) => type);
    expect(types(false)).to.deep.equal(["pid", "network", "ipc", "uts", "mount"]);
    expect(types(true)).to.deep.equal(["pid", "network", "ipc", "uts", "mount", "cgroup"]);
  });

  it("maps the caller to root and drops what needs privileges when rootless", () => {
    const { linux, mounts } = specTemplate({ cgroup2: false, rootless: { uid: 1000, gid: 100 } });
    expect(linux?.uidMappings).to.deep.equal([{ containerID: 0, hostID: 1000, size: 1 }]);
    expect(linux?.gidMappings).to.deep.equal([{ containerID: 0, hostID: 100, size: 1 }]);
    expect(linux?.namespaces?.map(({ type }) => type)).to.deep.equal([
      "pid",
      "ipc",
      "uts",
      "mount",
      "user",
    ]);
    expect(linux?.resources).to.equal(undefined);
    const find = (path: string) => mounts?.find(({ destination }) => destination === path);
    expect(find("/sys")).to.deep.include({
      source: "/sys",
      options: ["rbind", "nosuid", "noexec", "nodev", "ro"],
    });
    expect(find("/dev/pts")?.options).not.to.include("gid=5");
  });
});
