/** File systems in a user namespace: whose proc and sysfs are seen, and flags that have to stay. */
import { expect } from "chai";
import { type Config, withoutNamespace } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { tmpfsOnHost, unmountAll } from "../harness/host-mounts.ts";
import type { MountEntry, Report } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";
import { scratchDirectory } from "../harness/scratch.ts";

function addUserNamespace(config: Config): void {
  config.linux.namespaces.push({ type: "user" });
  for (const key of ["uidMappings", "gidMappings"])
    config.linux[key] = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
}

function mountAt(report: Report, target: string): MountEntry | undefined {
  return report.mounts.findLast((mount) => mount.target === target);
}

describe("mounts in a user namespace", () => {
  before(requires({ root: true, userns: true }));
  afterEach(unmountAll);

  it("proc, sysfs, devpts, mqueue and tmpfs are the container's own", () => {
    const report = runReport(addUserNamespace);
    for (const [target, type] of [
      ["/proc", "proc"],
      ["/sys", "sysfs"],
      ["/dev/pts", "devpts"],
      ["/dev/mqueue", "mqueue"],
      ["/tmp", "tmpfs"],
    ] as const) {
      expect(mountAt(report, target)?.type, target).to.equal(type);
    }
  });

  it(
    "sysfs of the host's network namespace is bound, read-only throughout",
    known("runc", "the kernel's EPERM; crun binds it, too", () => {
      const report = runReport((config) => {
        addUserNamespace(config);
        withoutNamespace(config, "network");
      });
      const sys = mountAt(report, "/sys");
      expect(sys?.type).to.equal("sysfs");
      expect(sys?.options.split(",")).to.include.members(["ro", "nosuid", "nodev", "noexec"]);
    }),
  );

  it(
    "proc of the host's pid namespace is bound",
    known("runc", "the kernel's EPERM; crun binds it, too", () => {
      const c = container((config) => {
        addUserNamespace(config);
        withoutNamespace(config, "pid");
        config.linux.maskedPaths = [];
        config.linux.readonlyPaths = [];
        config.process.args = ["/probe", "report", "mounts", "identity"];
      });
      expect(c.run().ok().stdout).to.include('"target":"/proc"');
    }),
  );

  it(
    "a read-only bind keeps the flags that its source has locked",
    known("runc <1.2", "it tries to clear them: EPERM", () => {
      const source = scratchDirectory("locked");
      tmpfsOnHost(source, "nosuid,nodev,noexec");
      const report = runReport((config) => {
        addUserNamespace(config);
        config.mounts.push({ destination: "/mnt", source, options: ["bind", "ro"] });
      });
      expect(mountAt(report, "/mnt")?.options.split(",")).to.include.members([
        ...["ro", "nosuid", "nodev", "noexec"],
      ]);
    }),
  );

  it(
    "the same in a joined user namespace",
    known("runc <1.2", "it cannot open the source from there", () => {
      const first = sleeper(addUserNamespace).up();
      const source = scratchDirectory("locked");
      tmpfsOnHost(source, "nosuid,nodev,noexec");
      const report = runReport((config) => {
        config.linux.namespaces.push({ type: "user", path: `/proc/${first.state().pid}/ns/user` });
        config.mounts.push({ destination: "/mnt", source, options: ["bind", "ro"] });
      });
      expect(mountAt(report, "/mnt")?.options.split(",")).to.include.members([
        ...["ro", "nosuid", "nodev", "noexec"],
      ]);
    }),
  );

  it("readonlyPaths and maskedPaths work on what is below", () => {
    const report = runReport(addUserNamespace);
    const options = mountAt(report, "/proc/sys")?.options.split(",");
    expect(options).to.include.members(["ro", "nosuid", "nodev", "noexec"]);
  });
});
