/** Security contexts of pods and containers: what Kubernetes' fields become inside. */
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { compareVersions } from "../../harness/environment.ts";
import { namespaceOf, readOrEmpty } from "../../harness/processes.ts";
import { hostFacts, requires, skips } from "../../harness/requires.ts";
import { workDirectory } from "../containerd/daemon.ts";
import { containerdVersion, known } from "../containerd/subject.ts";
import { runOnNode } from "./node.ts";
import {
  type Container,
  type ContainerConfig,
  mode,
  Pod,
  type PodConfig,
  profile,
} from "./pods.ts";

/** Skips a case, with the reason for the summary. */
function lack(context: Mocha.Context, what: string): void {
  skips.push(`${context.test?.fullTitle()}: needs ${what}`);
  context.skip();
}

/** Adds members to a container's security context. */
function secured(members: Record<string, unknown>): (config: ContainerConfig) => void {
  return (config) => void Object.assign(config.linux.security_context, members);
}

/** Adds members to a pod's security context. */
function securedPod(members: Record<string, unknown>): (config: PodConfig) => void {
  return (config) => void Object.assign(config.linux.security_context, members);
}

/** A capability mask of a container's own process. */
function mask(status: string, name: string): bigint {
  return BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)`, "m").exec(status)?.[1] ?? ""}`);
}

const bit = { chown: 1n << 0n, netAdmin: 1n << 12n, netRaw: 1n << 13n, sysTime: 1n << 25n };

describe("capabilities", () => {
  const statusWith = async (capabilities: Record<string, string[]>) =>
    (await Pod.run()).output("cat /proc/self/status", secured({ capabilities }));

  it("are the default ones, without inheritable and ambient ones", async () => {
    const status = await statusWith({});
    expect(mask(status, "CapEff").toString(16)).to.equal("a80425fb");
    expect(mask(status, "CapBnd").toString(16)).to.equal("a80425fb");
    expect(mask(status, "CapAmb")).to.equal(0n);
  });

  it("are added and dropped one by one", async () => {
    const status = await statusWith({
      add_capabilities: ["NET_ADMIN", "SYS_TIME"],
      drop_capabilities: ["CHOWN"],
    });
    for (const name of ["CapEff", "CapPrm", "CapBnd"]) {
      expect(mask(status, name) & bit.netAdmin, name).to.equal(bit.netAdmin);
      expect(mask(status, name) & bit.sysTime, name).to.equal(bit.sysTime);
      expect(mask(status, name) & bit.chown, name).to.equal(0n);
      expect(mask(status, name) & bit.netRaw, name).to.equal(bit.netRaw);
    }
  });

  it("are all dropped, but for one", async () => {
    const status = await statusWith({
      add_capabilities: ["NET_ADMIN"],
      drop_capabilities: ["ALL"],
    });
    expect(mask(status, "CapEff")).to.equal(bit.netAdmin);
    expect(mask(status, "CapBnd")).to.equal(bit.netAdmin);
  });

  it("are all added", async () => {
    const status = await statusWith({ add_capabilities: ["ALL"] });
    expect(mask(status, "CapEff")).to.equal(hostFacts().capabilities);
  });

  it("are none for a user who is not root", async () => {
    const pod = await Pod.run();
    const status = await pod.output(
      "cat /proc/self/status",
      secured({ run_as_user: { value: 1000 } }),
    );
    expect(mask(status, "CapEff")).to.equal(0n);
  });
});

describe("the user", () => {
  it("is a number, with a group and more groups", async () => {
    const pod = await Pod.run();
    const ids = await pod.output(
      "id -u; id -g; id -G",
      secured({
        run_as_user: { value: 1000 },
        run_as_group: { value: 3000 },
        supplemental_groups: [4000, 5000],
      }),
    );
    expect(ids).to.match(/^1000\n3000\n3000 (\d+ )*4000 5000\n$/);
  });

  it("is a name of the image's own passwd", async () => {
    const pod = await Pod.run();
    const ids = await pod.output("id -un; echo $HOME", secured({ run_as_username: "guest" }));
    expect(ids).to.equal("guest\n/home/guest\n");
  });

  it("is refused when the image does not know it", async () => {
    const pod = await Pod.run();
    const { result } = await pod.attempt(["true"], secured({ run_as_username: "nobody-here" }));
    result.fails(/unable to find user|no users found|nobody-here/);
  });

  it("is also that of what is executed later", async () => {
    const container = await (await Pod.run()).start(
      undefined,
      secured({ run_as_user: { value: 1000 } }),
    );
    expect(await container.says("id -u")).to.equal("1000\n");
  });
});

describe("a container's file systems", () => {
  it("readonly: its root cannot be written, its tmpfs can", async () => {
    const pod = await Pod.run();
    const text = await pod.output(
      "touch /x 2>&1; touch /dev/shm/x && echo shm; echo $?",
      secured({ readonly_rootfs: true }),
    );
    expect(text).to.equal("touch: /x: Read-only file system\nshm\n0\n");
  });

  it("masked and read-only paths", async () => {
    const pod = await Pod.run();
    const text = await pod.output(
      "wc -c </proc/keys; ls /proc/acpi 2>/dev/null | wc -l; echo 1 2>&1 >/proc/sys/vm/swappiness || echo refused",
      secured({ masked_paths: ["/proc/keys", "/proc/acpi"], readonly_paths: ["/proc/sys"] }),
    );
    expect(text).to.match(/^0\n0\n[\s\S]*refused\n$/);
  });

  it("propagation: a mount of the host appears in a running container, and the other way round", async () => {
    const pod = await Pod.run((config) => {
      config.linux.security_context["privileged"] = true;
    });
    const volume = workDirectory("volume");
    const mountWith = (propagation: number) => (config: ContainerConfig) => {
      config["mounts"] = [{ host_path: volume, container_path: "/data", propagation }];
      config.linux.security_context["privileged"] = true;
    };
    const [none, slave, shared] = [
      await pod.start(undefined, mountWith(0)),
      await pod.start(undefined, mountWith(1)),
      await pod.start(undefined, mountWith(2)),
    ] as [Container, Container, Container];
    const holds = (c: Container, name: string) => c.says(`ls /data/${name}`);
    runOnNode(["mkdir", join(volume, "down"), join(volume, "up")]);
    await shared.says("mount -t tmpfs up /data/up && touch /data/up/file");
    expect(existsSync(join(volume, "up", "file"))).to.equal(true);
    expect(await holds(slave, "up")).to.equal("file\n");
    expect(await holds(none, "up")).to.equal("");
    await shared.says("umount /data/up");
    await slave.says("mount -t tmpfs up /data/up && touch /data/up/file");
    expect(existsSync(join(volume, "up", "file"))).to.equal(false);
  });
});

describe("seccomp", () => {
  const modeWith = async (
    members: Record<string, unknown>,
    script = "grep Seccomp: /proc/self/status",
  ) => (await Pod.run()).output(script, secured(members));
  before(requires({ seccomp: true }));

  it("the runtime's default profile is a filter that refuses what it names", async () => {
    const seccomp = { profile_type: profile.runtimeDefault };
    expect(await modeWith({ seccomp })).to.match(/^Seccomp:\s+2$/m);
    const refused = await modeWith({ seccomp }, "unshare -U true 2>&1; echo $?");
    expect(refused).to.match(/Operation not permitted\n1\n$/);
  });

  it("unconfined is no filter", async () => {
    const seccomp = { profile_type: profile.unconfined };
    expect(await modeWith({ seccomp })).to.match(/^Seccomp:\s+0$/m);
  });

  it("a profile of the node's own", async () => {
    const path = join(workDirectory("profile"), "profile.json");
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 };
    writeFileSync(path, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
    const seccomp = { profile_type: profile.localhost, localhost_ref: path };
    expect(await modeWith({ seccomp }, "mkdir /x 2>&1; true")).to.contain(
      "No space left on device",
    );
  });
});

describe("no_new_privs", () => {
  it("is set when asked for", async () => {
    const pod = await Pod.run();
    const script = "grep NoNewPrivs /proc/self/status";
    expect(await pod.output(script, secured({ no_new_privs: true }))).to.match(/\t1\n/);
    expect(await pod.output(script)).to.match(/\t0\n/);
  });
});

describe("privileged", () => {
  const privileged = { privileged: true };

  it("has all capabilities and devices, and no filter", async () => {
    const pod = await Pod.run(securedPod(privileged));
    const status = await pod.output("cat /proc/self/status", secured(privileged));
    expect(mask(status, "CapEff")).to.equal(hostFacts().capabilities);
    expect(status).to.match(/^Seccomp:\s+0$/m);
    const script = "ls /dev | wc -l; head -c 0 /proc/keys && echo keys";
    const [devices, keys] = (await pod.output(script, secured(privileged))).split("\n");
    expect(Number(devices)).to.be.greaterThan(20);
    expect(keys).to.equal("keys");
  });

  it(
    "has /sys for writing",
    known(
      { shim: "runc" },
      "runc mounts the pause container's /sys read-only as a file system, not as a mount; the pod's network namespace has only one",
      async () => {
        const pod = await Pod.run(securedPod(privileged));
        const text = await pod.output("grep ' /sys ' /proc/self/mounts", secured(privileged));
        expect(text).to.match(/ \/sys sysfs rw,/);
      },
    ),
  );

  it("is refused in a pod that is not", async () => {
    const { result } = await (await Pod.run()).attempt(["true"], secured({ privileged: true }));
    result.fails(/no privileged container allowed in sandbox/);
  });
});

describe("namespaces", () => {
  const options = (members: Record<string, unknown>) => ({ namespace_options: members });

  it("of the host: network, processes, IPC", async () => {
    const host = options({ network: mode.node, pid: mode.node, ipc: mode.node });
    const pod = await Pod.run(securedPod(host));
    const container = await pod.start(undefined, secured(host));
    const pid = await container.pid();
    expect(namespaceOf(pid, "net")).to.equal(runOnNode(["readlink", "/proc/self/ns/net"]).trim());
    expect(namespaceOf(pid, "pid")).to.equal(namespaceOf("self", "pid"));
    expect(namespaceOf(pid, "ipc")).to.equal(namespaceOf("self", "ipc"));
    expect(namespaceOf(pid, "mnt")).to.not.equal(namespaceOf("self", "mnt"));
    const child = Number(await container.says("sleep 1000 >/dev/null 2>&1 & echo $!"));
    expect(readOrEmpty(`/proc/${child}/cmdline`)).to.equal("sleep\u00001000\u0000");
    (await container.stop()).ok();
    expect(readOrEmpty(`/proc/${child}/cmdline`)).to.equal("");
  });

  it("of the pod: its containers see each other's processes, and one's end ends only its own", async () => {
    const pod = await Pod.run(securedPod(options({ pid: mode.pod })));
    const shared = secured(options({ pid: mode.pod }));
    const one = await pod.start(["sleep", "1001"], shared);
    const two = await pod.start(["sleep", "1002"], shared);
    const find = (seconds: number) => `grep -l slee[p].${seconds} /proc/[0-9]*/cmdline`;
    expect(await two.says(find(1001))).to.match(/^\/proc\/\d+\/cmdline\n$/);
    expect(await two.says("cat /proc/1/cmdline")).to.contain("probe");
    await one.says("sleep 1003 >/dev/null 2>&1 &");
    (await one.stop()).ok();
    expect((await one.status()).exitCode).to.equal(137);
    expect(await two.says(`${find(1001)} || ${find(1003)} || echo none`)).to.equal("none\n");
    expect((await two.status()).state).to.equal("CONTAINER_RUNNING");
  });

  it("of another container: for debugging", async () => {
    const pod = await Pod.run();
    const target = await pod.start(["sleep", "1001"]);
    const debug = await pod.start(
      undefined,
      secured(options({ pid: mode.target, target_id: target.id })),
    );
    expect(await debug.says("cat /proc/1/cmdline")).to.equal("sleep\u00001001\u0000");
  });

  it("of users: root inside is nobody outside, and the image's files are still root's", async function () {
    if (compareVersions(containerdVersion(), "2.0") < 0) return lack(this, "containerd 2.0");
    requires({ userns: true, kernel: "6.3" }).call(this);
    const range = [{ host_id: 200_000, container_id: 0, length: 65_536 }];
    const users = options({
      pid: mode.container,
      userns_options: { mode: mode.pod, uids: range, gids: range },
    });
    const pod = await Pod.run(securedPod(users));
    const container = await pod.start(undefined, secured(users));
    expect(await container.says("id -u; stat -c %u /bin/busybox")).to.equal("0\n0\n");
    expect(await container.says("cat /proc/self/uid_map")).to.match(/^\s*0\s+200000\s+65536$/m);
    expect(statSync(`/proc/${await container.pid()}`).uid).to.equal(200_000);
  });
});
