/** `ctr run`: output, exit codes, flags that become config, what is left when it fails. */

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import {
  cgroupDirectory,
  cgroupValue,
  isAlive,
  namespaceOf,
  readOrEmpty,
} from "../../harness/processes.ts";
import { hostFacts } from "../../harness/requires.ts";
import { sharedRootfs } from "../../harness/scratch.ts";
import { eventually, until } from "../../harness/wait.ts";
import { Container, ctr, otherNamespace, tasks } from "./ctr.ts";
import { workDirectory } from "./daemon.ts";
import { lasting } from "./leaks.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

/** A limit, on either version of cgroups. */
async function limits(c: Container): Promise<{ memory: string; cpu: string }> {
  const pid = await c.pid();
  if (hostFacts().cgroup === "v2") {
    return {
      memory: cgroupValue(pid, "memory", "memory.max"),
      cpu: cgroupValue(pid, "cpu", "cpu.max"),
    };
  }
  const quota = cgroupValue(pid, "cpu", "cpu.cfs_quota_us");
  return {
    memory: cgroupValue(pid, "memory", "memory.limit_in_bytes"),
    cpu: `${quota} ${cgroupValue(pid, "cpu", "cpu.cfs_period_us")}`,
  };
}

describe("ctr run", () => {
  it("passes both outputs and the exit code on, and leaves nothing", async () => {
    const c = new Container();
    const result = await c.run(["--rm"], shell("echo out; echo err >&2; exit 7"));
    result.ended(7);
    expect(result.stdout).to.equal("out\n");
    expect(result.stderr).to.equal("err\n");
    expect(await c.row()).to.equal(undefined);
    expect(await lasting()).to.deep.equal([]);
  });

  it("reports a death by signal as 128 + n", async () => {
    (await new Container().run(["--rm"], shell("kill -USR1 $$"))).ended(0);
    const c = await new Container().up();
    await c.stop();
    expect(await c.remove()).to.equal(137);
  });

  it("ends a container that has no output at all", async () => {
    (await new Container().run(["--rm"], ["true"])).ok();
  });

  it("forwards input and its end", async () => {
    const input = "x".repeat(300_000);
    const result = (await new Container().run(["--rm"], ["cat"], { input })).ok();
    expect(result.stdout).to.equal(input);
  });

  it("moves 32 MiB without losing a byte", async () => {
    const count = 32 << 20;
    const result = await new Container().run(["--rm"], shell(`yes abcdefg | head -c ${count}`));
    expect(result.ok().bytes.length).to.equal(count);
    expect(result.bytes.equals(Buffer.alloc(count, "abcdefg\n"))).to.equal(true);
  });

  it("runs with null-io", async () => {
    const result = (await new Container().run(["--rm", "--null-io"], shell("echo lost"))).ok();
    expect(result.stdout).to.equal("");
  });

  it("detached: lists, tells pids, kills, deletes with the exit code", async () => {
    const pidFile = join(workDirectory("pid"), "pid");
    const c = await new Container().up(
      ["--pid-file", pidFile],
      shell("sleep 1000 & sleep 1000; true"),
    );
    const row = await c.row();
    expect(row?.status).to.equal("RUNNING");
    expect(readFileSync(pidFile, "utf8")).to.equal(String(row?.pid));
    const expected = "sh\0-c\0sleep 1000 & sleep 1000; true\0";
    await until("the program", () => readOrEmpty(`/proc/${row?.pid}/cmdline`) === expected);
    let pids: number[] = [];
    await eventually("three processes", async () => {
      const listing = (await c.task("ps")).ok().stdout.trim().split("\n").slice(1);
      pids = listing.map((line) => Number(line.trim().split(/\s+/)[0]));
      return pids.length === 3;
    });
    expect(pids).to.include(row?.pid);
    await c.kill("SIGKILL", ["--all"]);
    await c.reaches("STOPPED");
    expect(pids.filter(isAlive)).to.deep.equal([]);
    expect(await c.remove()).to.equal(137);
  });

  it("kills by name and number, and what has ended is not found", async () => {
    const script = 'trap "exit 11" USR1; trap "exit 12" TERM; while :; do sleep 0.1; done';
    for (const [signal, status] of [
      ["SIGUSR1", 11],
      ["15", 12],
    ] as const) {
      const c = await new Container().up([], shell(script));
      const caught = (1n << 9n) | (1n << 14n);
      const pid = await c.pid();
      await until("both handlers", () => {
        const mask = /SigCgt:\s+(\w+)/.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? "0";
        return (BigInt(`0x${mask}`) & caught) === caught;
      });
      await c.kill(signal);
      await c.reaches("STOPPED");
      (await c.task("kill")).fails(/not found/);
      expect(await c.remove()).to.equal(status);
    }
  });

  it("refuses to delete what runs, and deletes it by force", async () => {
    const c = await new Container().up();
    const pid = await c.pid();
    (await c.task("delete")).fails(/must be stopped|failed precondition/);
    await c.task("delete", ["--force"]);
    expect(isAlive(pid)).to.equal(false);
    expect(await c.row()).to.equal(undefined);
  });

  it("gives a task that was deleted a new start", async () => {
    const c = await new Container().up();
    await c.stop();
    await c.task("delete");
    (await c.task("start", ["--detach"])).ok();
    expect(await c.status()).to.equal("RUNNING");
  });
});

describe("what ctr run's flags become", () => {
  it("environment and working directory", async () => {
    const flags = ["--rm", "--env", "ONE=1", "--env", "TWO=two words", "--cwd", "/usr"];
    const result = await new Container().run(flags, shell('echo "$ONE|$TWO|$IMAGE|$PWD"'));
    expect(result.ok().stdout).to.equal("1|two words|e2e|/usr\n");
  });

  it("mounts, for reading and for writing", async () => {
    const [source, target] = [workDirectory("ro"), workDirectory("rw")];
    writeFileSync(join(source, "file"), "from outside\n");
    const flags = [
      "--mount",
      `type=bind,src=${source},dst=/mnt,options=rbind:ro`,
      "--mount",
      `type=bind,src=${target},dst=/data,options=rbind:rw`,
      "--mount",
      "type=tmpfs,src=tmpfs,dst=/var,options=size=64k",
    ];
    const script =
      "cp /mnt/file /data/copy; touch /mnt/x 2>/dev/null || echo refused; df -k /var | tail -1";
    const result = (await new Container().run(["--rm", ...flags], shell(script))).ok();
    expect(result.stdout).to.match(/^refused\ntmpfs +64 /);
    expect(readFileSync(join(target, "copy"), "utf8")).to.equal("from outside\n");
  });

  it("a read-only root filesystem, and one that is writable and private otherwise", async () => {
    const script = "touch /new 2>/dev/null && echo written || echo refused";
    const readOnly = await new Container().run(["--rm", "--read-only"], shell(script));
    expect(readOnly.ok().stdout).to.equal("refused\n");
    const c = await new Container().up();
    expect((await c.exec(shell(script))).ok().stdout).to.equal("written\n");
    const other = await new Container().run(["--rm"], shell("ls /new 2>/dev/null || echo none"));
    expect(other.ok().stdout).to.equal("none\n");
  });

  it("memory and cpu limits", async () => {
    const c = await new Container().up(["--memory-limit", "33554432", "--cpus", "0.5"]);
    expect(await limits(c)).to.deep.equal({ memory: "33554432", cpu: "50000 100000" });
  });

  it("a cgroup by path, and none", async () => {
    const parent = new Container().namespace;
    const c = await new Container().up(["--cgroup", `/${parent}/chosen`]);
    expect(cgroupDirectory(await c.pid(), "memory")).to.match(new RegExp(`/${parent}/chosen$`));
  });

  it("privileges", async () => {
    const script =
      "grep CapEff /proc/self/status; mkdir /sys/fs/cgroup/x 2>/dev/null; mount | grep -c '^sysfs.*[(,]rw'";
    const plain = await new Container().run(["--rm"], shell(script));
    expect(plain.stdout).to.match(/00000000a80425fb\n0\n/);
    const all = await new Container().run(["--rm", "--privileged"], shell(script));
    const own = /CapEff:\s+(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    expect(all.stdout).to.equal(`CapEff:\t${own}\n1\n`);
  });

  it("seccomp", async () => {
    const script = shell("grep -h Seccomp: /proc/self/status; unshare -U true 2>&1; echo $?");
    const result = await new Container().run(["--rm", "--seccomp"], script);
    expect(result.stdout).to.match(/^Seccomp:\t2\n.*not permitted\n1\n$/);
  });

  it("namespaces of the host and of others", async () => {
    const c = await new Container().up(["--net-host"]);
    expect(namespaceOf(await c.pid(), "net")).to.equal(namespaceOf("self", "net"));
    const path = `/proc/${await c.pid()}/ns/pid`;
    const joined = await new Container().run(["--rm", "--with-ns", `pid:${path}`], ["ps"]);
    expect(joined.ok().stdout).to.match(/\n +1 .*sleep 1000\n/);
  });

  it("a root filesystem that is a directory", async () => {
    const script = "echo $PWD; grep -c ' / ' /proc/self/mounts";
    const result = await new Container().runRootfs(
      sharedRootfs(),
      ["--rm", "--env", "PATH=/bin"],
      shell(script),
    );
    expect(result.ok().stdout).to.equal("/\n1\n");
  });
});

describe("ctr run that fails", () => {
  it("names a missing executable and leaves nothing", async () => {
    const c = new Container();
    const result = await c.run(["--rm"], ["no-such-program"]);
    result.fails(/exec: "no-such-program": executable file not found in \$PATH/);
    expect(await c.row()).to.equal(undefined);
    expect(await lasting()).to.deep.equal([]);
  });

  it("names an executable without the permission, and one without its interpreter", async () => {
    const flags = ["--rm"];
    (await new Container().run(flags, ["/etc/passwd"])).fails(/permission denied/);
    const dir = workDirectory("bin");
    writeFileSync(join(dir, "x"), "#!/no/such/interpreter\n");
    chmodSync(join(dir, "x"), 0o755);
    const mount = ["--mount", `type=bind,src=${dir},dst=/mnt,options=rbind:ro`];
    (await new Container().run([...flags, ...mount], ["/mnt/x"])).fails(
      /no such file or directory/,
    );
  });

  it("names a mount source that is not there", async () => {
    const mount = ["--mount", "type=bind,src=/no/such/dir,dst=/mnt,options=rbind:ro"];
    (await new Container().run(["--rm", ...mount], ["true"])).fails(/no such file or directory/);
  });

  it("works with the next one", async () => {
    const c = new Container();
    (await c.run([], ["no-such-program"])).fails(/not found/);
    await ctr(["container", "delete", c.id]);
    (await c.run(["--rm"], ["true"])).ok();
  });
});

describe("namespaces of containerd", () => {
  it("hold containers of the same id apart", async () => {
    const one = await new Container().up([], ["sleep", "1001"]);
    const two = await new Container(otherNamespace, one.id).up([], ["sleep", "1002"]);
    expect(await one.shim()).to.not.equal(await two.shim());
    expect(await one.pid()).to.not.equal(await two.pid());
    await one.stop();
    expect(await one.remove()).to.equal(137);
    expect(await two.status()).to.equal("RUNNING");
    expect((await two.exec(["cat", "/proc/1/cmdline"])).ok().stdout).to.equal("sleep\x001002\0");
    expect(await tasks()).to.deep.equal([]);
  });
});
