/** Privileges: capabilities, seccomp, no_new_privs, privileged containers, masked paths, sysctls, namespaces of others. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { known } from "../../harness/differences.ts";
import { namespaceOf } from "../../harness/processes.ts";
import { requires } from "../../harness/requires.ts";
import { output, run, shell, up } from "./container.ts";
import { workFile } from "./daemon.ts";
import { needsAll } from "./subject.ts";

async function status(flags: readonly string[], name: string): Promise<string> {
  const text = await output(flags, ["grep", `^${name}:`, "/proc/self/status"]);
  return text.split(/\s+/)[1] ?? "";
}

const bits = (hex: string): bigint => BigInt(`0x${hex}`);
/** Docker's default set: 14 capabilities. */
const usual = 0xa80425fbn;

describe("capabilities", () => {
  it("the default set, in effect and as bound", async () => {
    for (const name of ["CapEff", "CapPrm", "CapBnd"])
      expect(bits(await status([], name)), name).to.equal(usual);
    expect(bits(await status([], "CapAmb"))).to.equal(0n);
  });

  it(
    "adds, drops, drops all, adds all",
    known(
      "runc",
      needsAll,
      async () => {
        expect(bits(await status(["--cap-add", "SYS_PTRACE"], "CapEff"))).to.equal(
          usual | (1n << 19n),
        );
        expect(bits(await status(["--cap-drop", "NET_RAW"], "CapBnd"))).to.equal(
          usual & ~(1n << 13n),
        );
        expect(bits(await status(["--cap-drop", "ALL"], "CapBnd"))).to.equal(0n);
        const some = ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "KILL"];
        expect(bits(await status(some, "CapEff"))).to.equal(1n | (1n << 5n));
        const all = bits(await status(["--cap-add", "ALL"], "CapEff"));
        expect(all & (1n << 21n)).to.equal(1n << 21n);
      },
      "sometimes",
    ),
  );

  it("a user who is not root has none in effect", async () => {
    expect(bits(await status(["--user", "1000"], "CapEff"))).to.equal(0n);
    expect(bits(await status(["--user", "1000"], "CapBnd"))).to.equal(usual);
  });
});

describe("privileged containers", () => {
  it(
    "have all capabilities, the host's devices and writable cgroups",
    known(
      "runc",
      needsAll,
      async () => {
        const c = await up(["--privileged"]);
        const own = /^CapBnd:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
        const text = await c.says(
          shell("grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; ls /dev"),
        );
        expect(bits(/CapEff:\s*(\w+)/.exec(text)?.[1] ?? "0") & ~bits(own)).to.equal(0n);
        expect(text)
          .to.match(/Seccomp:\s*0/)
          .and.match(/^kmsg$/m);
        (await c.exec(shell("mount -t tmpfs t /mnt && umount /mnt"))).ok();
        (await c.exec(shell("echo 1 >/proc/sys/kernel/domainname; true"))).ok();
      },
      "sometimes",
    ),
  );

  it(
    "can run a container's work inside: mounts, namespaces, loop devices",
    known(
      "runc",
      needsAll,
      async () => {
        const script =
          "unshare -m -p -f -n sh -c 'mount -t proc proc /proc && ls /proc | grep -c ^[0-9]'";
        expect(Number(await output(["--privileged"], shell(script)))).to.be.below(5);
      },
      "sometimes",
    ),
  );
});

describe("security options", () => {
  it("filters system calls by default, and not when unconfined", async () => {
    expect(await status([], "Seccomp")).to.equal("2");
    expect(await status(["--security-opt", "seccomp=unconfined"], "Seccomp")).to.equal("0");
    (await run([], ["unshare", "-U", "true"])).fails(/Operation not permitted/);
  });

  it("applies a profile from a file", async () => {
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
    };
    const file = workFile("profile.json", JSON.stringify(profile));
    const result = await run(["--security-opt", `seccomp=${file}`], ["mkdir", "/x"]);
    result.fails(/No space left on device|Operation not permitted/);
    (await run(["--security-opt", `seccomp=${file}`], ["touch", "/x"])).ok();
    const exec = await up(["--security-opt", `seccomp=${file}`]);
    (await exec.exec(["mkdir", "/x"])).fails(/No space left|not permitted/);
  });

  it("says what is wrong with a profile", async () => {
    const file = workFile("profile.json", '{"defaultAction": "SCMP_ACT_NONSENSE"}');
    (await run(["--security-opt", `seccomp=${file}`], ["true"])).fails(/SCMP_ACT_NONSENSE|action/i);
  });

  it("no-new-privileges", async () => {
    expect(await status(["--security-opt", "no-new-privileges"], "NoNewPrivs")).to.equal("1");
    expect(await status([], "NoNewPrivs")).to.equal("0");
    const c = await up(["--security-opt", "no-new-privileges", "--user", "1000"]);
    expect(await c.says(["grep", "NoNewPrivs", "/proc/self/status"])).to.match(/1$/);
  });

  it("AppArmor: Docker's profile by default", async function () {
    requires({ apparmor: true }).call(this);
    expect(await output([], ["cat", "/proc/self/attr/current"])).to.match(/^docker-default/);
    const free = ["--security-opt", "apparmor=unconfined"];
    expect(await output(free, ["cat", "/proc/self/attr/current"])).to.equal("unconfined");
  });

  it("masks and write-protects parts of /proc and /sys, unless asked not to", async () => {
    const script =
      "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -vc :; echo 1 >/proc/sys/kernel/printk";
    const text = await run([], shell(script));
    expect(text.stdout).to.match(/^0\n/);
    expect(text.stderr).to.match(/Read-only file system/);
    const open = ["--security-opt", "systempaths=unconfined"];
    expect(await output(open, shell("grep -c ' /proc/' /proc/mounts; true"))).to.equal("0");
  });
});

describe("kernel settings and namespaces", () => {
  it("sets sysctls of the container's namespaces", async () => {
    const flags = ["--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=9000"];
    const script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax";
    expect(await output(flags, shell(script))).to.equal("1\n9000");
    (await run(["--sysctl", "kernel.pid_max=1000"], ["true"])).fails(/kernel.pid_max|not allowed/);
  });

  it("shares the host's PID, IPC and UTS namespaces", async () => {
    const c = await up(["--pid", "host", "--ipc", "host", "--uts", "host"]);
    const pid = await c.pid();
    for (const name of ["pid", "ipc", "uts"])
      expect(namespaceOf(pid, name), name).to.equal(namespaceOf("self", name));
    for (const name of ["mnt", "net"])
      expect(namespaceOf(pid, name), name).to.not.equal(namespaceOf("self", name));
    expect(Number(await c.says(shell("echo $$")))).to.be.above(1);
    expect(await c.says(shell(`cat /proc/${pid}/comm`))).to.equal("sleep");
  });

  it("joins another container's PID, IPC and network namespaces", async () => {
    const first = await up(["--ipc", "shareable"]);
    const join = `container:${first.id}`;
    const second = await up(["--pid", join, "--ipc", join, "--network", join]);
    for (const name of ["pid", "ipc", "net"])
      expect(namespaceOf(await second.pid(), name), name).to.equal(
        namespaceOf(await first.pid(), name),
      );
    expect(await second.says(["ps", "-o", "args"])).to.match(/sleep.*sleep/s);
    const other = await second.pid();
    (await first.verb("kill")).ok();
    await second.reaches("exited");
    expect(other).to.be.above(0);
  });

  it("an IPC namespace that is none has no /dev/shm", async () => {
    expect(await output(["--ipc", "none"], shell("grep -c /dev/shm /proc/mounts; true"))).to.equal(
      "0",
    );
  });

  it("has a cgroup namespace of its own when asked, and the host's when asked", async () => {
    const own = await up(["--cgroupns", "private"]);
    expect(namespaceOf(await own.pid(), "cgroup")).to.not.equal(namespaceOf("self", "cgroup"));
    const host = await up(["--cgroupns", "host"]);
    expect(namespaceOf(await host.pid(), "cgroup")).to.equal(namespaceOf("self", "cgroup"));
  });
});
