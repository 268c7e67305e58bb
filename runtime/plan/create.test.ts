import { readFileSync } from "node:fs";
import { expect } from "chai";
import { decodePlan, encodePlan } from "../../schemas/generated/plan.ts";
import { parseSpec } from "../spec/load.ts";
import { buildCreatePlan } from "./create.ts";
import { names, readable, sampleInput, sampleSpec } from "./sample-input.ts";

/** What dockerd writes, with the paths of a v1 host. */
function dockerPlan() {
  const spec = parseSpec(readFileSync("schemas/fixtures/dockerd.json", "utf8"));
  return buildCreatePlan(
    sampleInput(spec, {
      cgroupFds: [{ fd: 9, path: "of the container" }],
      cgroupMounts: {
        mode: "v1",
        hierarchies: [
          { name: "cpu,cpuacct", controllers: ["cpu", "cpuacct"], path: "/sys/fs/cgroup/cpu/c1" },
        ],
        namespaced: false,
      },
      labels: { apparmor: { file: "attr/exec", profile: "docker-default" } },
      newKeyring: true,
      gateFd: 8,
      hasKcore: true,
    }),
  );
}

const inOrder = (list: readonly string[], ...wanted: string[]) => {
  const places = wanted.map((name) => list.indexOf(name));
  expect(places, `${wanted} in ${list}`).to.not.include(-1);
  expect(places, wanted.join(", ")).to.deep.equal([...places].sort((a, b) => a - b));
};

describe("create plan", () => {
  it("of a docker container, from hiding to execve", () => {
    expect(readable(dockerPlan())).to.deep.equal([
      "setDumpable: set dumpable",
      "joinCgroup: join cgroup of the container",
      "affinity: affinity",
      "writeProc: write 0 to /proc/self/oom_score_adj",
      "newSession: new session",
      "loopbackUp: loopback up",
      "setPropagation: set propagation of /",
      "openTree: mount root file system /bundle/rootfs",
      "setMountAttributes: mount root file system /bundle/rootfs",
      "attachRoot: mount root file system /bundle/rootfs",
      "unshare: make namespaces",
      "openDetached: mount proc on /proc",
      "attach: mount proc on /proc",
      "openDetached: mount tmpfs on /dev",
      "attach: mount tmpfs on /dev",
      "openDetached: mount devpts on /dev/pts",
      "attach: mount devpts on /dev/pts",
      "openDetached: mount sysfs on /sys",
      "attach: mount sysfs on /sys",
      "openDetached: mount tmpfs on /sys/fs/cgroup",
      "attach: mount tmpfs on /sys/fs/cgroup",
      "openTree: mount cgroup cpu,cpuacct on /sys/fs/cgroup/cpu,cpuacct",
      "setMountAttributes: mount cgroup cpu,cpuacct on /sys/fs/cgroup/cpu,cpuacct",
      "attach: mount cgroup cpu,cpuacct on /sys/fs/cgroup/cpu,cpuacct",
      "makeSymlink: make /sys/fs/cgroup/cpu",
      "makeSymlink: make /sys/fs/cgroup/cpuacct",
      "setMountAttributes: mount tmpfs on /sys/fs/cgroup",
      "openTree: mount /var/lib/docker/containers/0a1b/hosts on /etc/hosts",
      "attach: mount /var/lib/docker/containers/0a1b/hosts on /etc/hosts",
      "setMountAttributes: mount /var/lib/docker/containers/0a1b/hosts on /etc/hosts",
      ...["null", "random", "full", "tty", "zero", "urandom"].map(
        (name) => `makeDevice: make /dev/${name}`,
      ),
      ...["fd", "stdin", "stdout", "stderr", "core", "ptmx"].map(
        (name) => `makeSymlink: make /dev/${name}`,
      ),
      "makeDirectory: make /data",
      "sync: sync",
      "readonlyPath: make /proc/bus read-only",
      "readonlyPath: make /proc/sys read-only",
      "maskPath: mask /proc/asound",
      "maskPath: mask /proc/acpi",
      "maskPath: mask /sys/firmware",
      "hostname: set hostname 0a1b2c3d4e5f",
      "writeProc: write 0 to /proc/sys/net/ipv4/ip_unprivileged_port_start",
      "writeProc: write 0 2147483647 to /proc/sys/net/ipv4/ping_group_range",
      "pivotRoot: pivot root",
      "joinKeyring: join keyring",
      "writeProc: write exec docker-default to /proc/thread-self/attr/exec",
      "findHome: find home",
      "setRlimit: set RLIMIT_MEMLOCK to 18446744073709551615:18446744073709551615",
      "dropBounding: drop bounding",
      "fixStdio: fix stdio",
      'changeDirectory: chdir to cwd ("/data") set in config.json failed',
      "setIds: set user 0, group 0",
      'changeDirectory: chdir to cwd ("/data") set in config.json failed',
      "setCapabilities: set capabilities",
      "umask: umask",
      "sealFds: seal fds",
      "findExecutable: find executable",
      "sync: sync",
      "startGate: start gate",
      "execute: execute",
    ]);
  });

  it("survives its own wire format", () => {
    const { ops } = dockerPlan();
    expect(decodePlan(encodePlan(ops))).to.deep.equal(ops);
  });

  it("makes all new namespaces by the first clone, without a fork", () => {
    const plan = buildCreatePlan(sampleInput(sampleSpec()));
    expect(plan.forks).to.equal(false);
    expect(plan.cloneFlags).to.equal(0x20000000 | 0x00020000 | 0x04000000);
  });

  it("opens trees before the fork into a user namespace", () => {
    const namespaces = [{ type: "user" as const }, { type: "mount" as const }];
    const mounts = [{ destination: "/data", source: "/srv", options: ["rbind"] }];
    const ids = [{ containerID: 0, hostID: 100000, size: 65536 }];
    const linux = { namespaces, uidMappings: ids, gidMappings: ids };
    const plan = buildCreatePlan(sampleInput(sampleSpec({ mounts }, linux)));
    const list = readable(plan);
    expect(plan.forks).to.equal(true);
    expect(plan.cloneFlags).to.equal(0);
    inOrder(
      list,
      "openTree: mount root file system /bundle/rootfs",
      "openTree: mount /srv on /data",
      "openTree: bind device /dev/null",
      "fork: make namespaces",
      "attachRoot: mount root file system /bundle/rootfs",
      "attach: mount /srv on /data",
      "attachDevice: bind device /dev/null",
    );
    expect(names(plan)).to.not.include("makeDevice");
  });

  it("makes the cgroup namespace after the cgroups are joined", () => {
    const namespaces = [{ type: "mount" as const }, { type: "cgroup" as const }];
    const cgroupFds = [{ fd: 9, path: "of the container" }];
    const list = names(buildCreatePlan(sampleInput(sampleSpec({}, { namespaces }), { cgroupFds })));
    inOrder(list, "joinCgroup", "unshare", "pivotRoot");
  });

  it("is hidden from its first operation on", () => {
    expect(buildCreatePlan(sampleInput(sampleSpec())).ops[0]).to.deep.equal({
      op: "setDumpable",
      value: 0,
    });
  });

  it("says ready before it waits at the gate, and runs startContainer hooks behind it", () => {
    const hooks = { startContainer: [{ path: "/hook" }], createContainer: [{ path: "/early" }] };
    const plan = buildCreatePlan(sampleInput(sampleSpec({ hooks }), { gateFd: 5 }));
    const list = readable(plan);
    inOrder(list, "hook: run hook /early", "pivotRoot: pivot root");
    expect(list.slice(-4).map((line) => line.split(":")[0])).to.deep.equal([
      "sync",
      "startGate",
      "hook",
      "execute",
    ]);
  });

  it("has no gate in run", () => {
    expect(names(buildCreatePlan(sampleInput(sampleSpec())))).to.not.include("startGate");
  });

  it("masks only in a mount namespace of its own, and changes root by chroot without one", () => {
    const linux = { namespaces: [{ type: "pid" as const }], maskedPaths: ["/proc/kcore"] };
    const list = names(buildCreatePlan(sampleInput(sampleSpec({}, linux))));
    expect(list).to.include("chroot").and.to.not.include("maskPath");
    expect(list).to.not.include("pivotRoot");
  });

  it("moves the root with --no-pivot", () => {
    const list = names(buildCreatePlan(sampleInput(sampleSpec(), { noPivot: true })));
    expect(list).to.include("moveRoot").and.to.not.include("pivotRoot");
  });

  it("makes the root read-only after the pivot, when nothing more is made in it", () => {
    const root = { path: "rootfs", readonly: true };
    inOrder(
      names(buildCreatePlan(sampleInput(sampleSpec({ root })))),
      "makeDevice",
      "pivotRoot",
      "setRootAttributes",
    );
  });

  it("opens the terminal before the pivot, from the container's own devpts", () => {
    const process = { cwd: "/", args: ["sh"], terminal: true };
    inOrder(names(buildCreatePlan(sampleInput(sampleSpec({ process })))), "console", "pivotRoot");
  });

  it("leaves a /dev bound from outside alone", () => {
    const mounts = [{ destination: "/dev", source: "/dev", options: ["rbind"] }];
    const list = names(buildCreatePlan(sampleInput(sampleSpec({ mounts }))));
    expect(list).to.not.include("makeDevice").and.to.not.include("makeSymlink");
  });
});
