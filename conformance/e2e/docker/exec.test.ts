/** `docker exec`, `top`, `stats`, `cp`, `diff`, `commit`, `export`: looking into and reaching into a container. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { known } from "../../harness/differences.ts";
import { commandOf, namespaceOf } from "../../harness/processes.ts";
import { eventually } from "../../harness/wait.ts";
import { created, docker, output, run, shell, up } from "./container.ts";
import { workDirectory, workFile } from "./daemon.ts";
import { needsAll } from "./subject.ts";

describe("docker exec", () => {
  it("passes outputs, input and the exit code on", async () => {
    const c = await up();
    const result = await c.exec(shell("cat; echo err >&2; exit 9"), ["-i"], { input: "in" });
    result.ended(9);
    expect(result.stdout).to.equal("in");
    expect(result.stderr).to.equal("err\n");
  });

  it(
    "takes user, working directory, environment and privileges",
    known(
      "runc",
      needsAll,
      async () => {
        const c = await up(["--user", "guest", "--env", "A=1"]);
        const flags = ["--user", "12:34", "--workdir", "/tmp", "--env", "B=2"];
        const text = await c.says(shell("id -u; id -g; pwd; echo $A$B"), flags);
        expect(text).to.equal("12\n34\n/tmp\n12");
        const capabilities = shell("grep CapEff /proc/self/status");
        const all = await c.says(capabilities, ["--privileged", "--user", "root"]);
        // CAP_SYS_ADMIN is 21
        expect((BigInt(`0x${all.split(/\s+/)[1]}`) >> 21n) & 1n).to.equal(1n);
        expect(await c.says(capabilities)).to.match(/CapEff:\s*0+$/);
      },
      "sometimes",
    ),
  );

  it("ends with 127 and 126 for what cannot be run, and the container stays", async () => {
    const c = await up();
    const missing = await c.exec(["no-such-program"]);
    const where = missing.stdout + missing.stderr;
    expect(where).to.match(/executable file not found in \$PATH|no such file or directory/);
    expect(missing.status).to.be.oneOf([126, 127]);
    (await c.exec(["/etc/passwd"])).fails(/permission denied/, 126);
    (await c.exec(["true"], ["--workdir", "/no/such/dir"])).fails(/no such file or directory/);
    (await c.exec(["true"], ["--user", "nobody-of-this-name"])).fails(/unable to find user/);
    expect(await c.says(["echo", "well"])).to.equal("well");
  });

  it("detached goes on alone", async () => {
    const c = await up();
    (await c.exec(shell("sleep 0.2; echo done >/tmp/mark"), ["--detach"])).ok();
    await eventually("the mark", async () => (await c.exec(["cat", "/tmp/mark"])).status === 0);
  });

  it("is refused in a container that has ended or is paused", async () => {
    const c = await up([], ["true"]);
    await c.reaches("exited");
    (await c.exec(["true"])).fails(/is not running/);
    const paused = await up();
    (await paused.verb("pause")).ok();
    (await paused.exec(["true"])).fails(/is paused/);
    (await paused.verb("unpause")).ok();
    (await paused.exec(["true"])).ok();
  });

  it("ends with the container", async () => {
    const c = await up();
    const running = c.launchExec(["sleep", "1000"]);
    await eventually("the second process", async () =>
      /sleep.*sleep/s.test((await c.verb("top")).stdout),
    );
    (await c.verb("kill")).ok();
    expect((await running.done).status).to.equal(137);
  });

  it("runs twenty at once, each with its own status", async () => {
    const c = await up();
    const all = Array.from({ length: 20 }, (_, i) => c.exec(shell(`echo ${i}; exit ${i}`)));
    for (const [i, result] of (await Promise.all(all)).entries())
      expect(result.ended(i).stdout).to.equal(`${i}\n`);
  });

  it("moves 16 MiB through input and output", async () => {
    const c = await up();
    const input = Buffer.alloc(16 << 20, "0123456789abcdef");
    const result = (await c.exec(["cat"], ["-i"], { input })).ok();
    expect(result.bytes.equals(input)).to.equal(true);
  });

  it("joins the namespaces and the cgroup of the container", async () => {
    const c = await up();
    const running = c.launchExec(["sleep", "77"]);
    const pid = await eventually("the process", async () => {
      const { stdout } = await c.verb("top", [], ["-o", "pid,args"]);
      return Number(/(\d+)\s+sleep 77/.exec(stdout)?.[1]);
    });
    const first = await c.pid();
    for (const name of ["mnt", "pid", "net", "ipc", "uts", "cgroup"])
      expect(namespaceOf(pid, name), name).to.equal(namespaceOf(first, name));
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).to.equal(
      readFileSync(`/proc/${first}/cgroup`, "utf8"),
    );
    running.kill("SIGKILL");
  });

  it("leaves no descriptors of the host to the process", async () => {
    const c = await up();
    const text = await c.says(shell("ls -l /proc/self/fd | grep -c -e '->'; ls /proc/self/fd"));
    expect(text.split("\n").filter((line) => /^\d+$/.test(line)).length).to.be.at.most(5);
  });
});

describe("docker top, stats, inspect", () => {
  it("top lists host pids of all processes", async () => {
    const c = await up([], shell("sleep 301 & sleep 302 & wait"));
    const rows = (await c.verb("top", [], ["-o", "pid,args"])).ok().lines.slice(1);
    expect(rows).to.have.length(3);
    for (const row of rows) {
      const [, pid, args] = /^\s*(\d+)\s+(.*)$/.exec(row) ?? [];
      expect(commandOf(Number(pid))).to.equal(args);
    }
  });

  it("stats reports memory, CPU time and pids", async () => {
    const c = await up(["-m", "64m"], shell("sleep 1000 & while :; do :; done"));
    const format = "{{.PIDs}} {{.MemUsage}} {{.CPUPerc}}";
    const { text } = (await c.verb("stats", ["--no-stream", "--format", format])).ok();
    const [, pids, memory, limit, cpu] =
      /^(\d+) ([\d.]+\w+) \/ ([\d.]+MiB) ([\d.]+)%$/.exec(text) ?? [];
    expect(Number(pids), text).to.equal(2);
    expect(memory, text).to.match(/KiB|MiB/);
    expect(limit).to.equal("64MiB");
    expect(Number(cpu)).to.be.above(1);
  });

  it("inspect tells the host pid, which nsenter can enter", async () => {
    const c = await up(["--hostname", "inside"]);
    const pid = await c.pid();
    const enter = ["--target", String(pid), "--mount", "--uts", "--pid", "--net", "--ipc"];
    const text = execFileSync("nsenter", [
      ...enter,
      "/bin/sh",
      "-c",
      "hostname; cat /proc/1/cmdline",
    ]);
    expect(text.toString()).to.match(/^inside\nsleep/);
  });
});

describe("docker cp, diff, commit, export", () => {
  it("copies files in and out, of running and stopped containers", async () => {
    const c = await up();
    const source = workFile("source", "content\n", 0o640);
    (await docker(["cp", source, `${c.id}:/tmp/in`])).ok();
    expect(await c.says(shell("cat /tmp/in; stat -c %a /tmp/in"))).to.equal("content\n640");
    (await c.exec(shell("mkdir -p /d/e; echo 1 >/d/e/f; ln -s f /d/e/l"))).ok();
    await c.verb("kill");
    const target = workDirectory("out");
    (await docker(["cp", `${c.id}:/d`, target])).ok();
    expect(readFileSync(join(target, "d", "e", "l"), "utf8")).to.equal("1\n");
    const { bytes } = (await docker(["cp", `${c.id}:/tmp/in`, "-"])).ok();
    expect(bytes.includes("content\n")).to.equal(true);
  });

  it("copies through volumes of a running container", async () => {
    const shared = workDirectory("shared");
    const c = await up(["--volume", `${shared}:/shared`]);
    const source = workFile("x", "there");
    (await docker(["cp", source, `${c.id}:/shared/x`])).ok();
    expect(readFileSync(join(shared, "x"), "utf8")).to.equal("there");
    expect(await c.says(["cat", "/shared/x"])).to.equal("there");
  });

  it("diff tells what was added, changed and deleted, and nothing of the runtime's", async () => {
    const c = await up([], shell("echo >/added; echo x >>/etc/passwd; rm /etc/group; sleep 1000"));
    await eventually("the changes", async () => (await c.verb("diff")).lines.length >= 4);
    expect((await c.verb("diff")).ok().lines.sort()).to.deep.equal([
      "A /added",
      "C /etc",
      "C /etc/passwd",
      "D /etc/group",
    ]);
  });

  it("diff of an untouched container is empty", async () => {
    const c = await created([], ["true"]);
    await c.start();
    await c.wait();
    expect((await c.verb("diff")).ok().text).to.equal("");
  });

  it("commits a container as an image", async () => {
    const c = await up([], shell("echo kept >/kept; sleep 1000"));
    await eventually("the file", async () => (await c.exec(["test", "-s", "/kept"])).status === 0);
    const image = "e2e/committed";
    (await c.verb("commit", ["--change", 'CMD ["cat", "/kept"]'], [image])).ok();
    expect((await docker(["run", "--rm", image])).ok().text).to.equal("kept");
    (await docker(["rmi", image])).ok();
  });

  it("exports a file system and imports it again", async () => {
    const c = await up([], shell("echo kept >/kept; sleep 1000"));
    await eventually("the file", async () => (await c.exec(["test", "-s", "/kept"])).status === 0);
    const tar = join(workDirectory("export"), "rootfs.tar");
    (await docker(["export", "--output", tar, c.id])).ok();
    (await docker(["import", tar, "e2e/imported"])).ok();
    const again = await docker(["run", "--rm", "e2e/imported", "/bin/cat", "/kept"]);
    expect(again.ok().text).to.equal("kept");
    (await docker(["rmi", "e2e/imported"])).ok();
    expect(existsSync(tar)).to.equal(true);
  });

  it("saves and loads an image", async () => {
    const c = await created([], ["true"]);
    (await c.verb("commit", [], ["e2e/saved"])).ok();
    const tar = join(workDirectory("save"), "image.tar");
    (await docker(["save", "--output", tar, "e2e/saved"])).ok();
    await c.remove();
    (await docker(["rmi", "e2e/saved"])).ok();
    (await docker(["load", "--input", tar])).ok();
    expect((await docker(["run", "--rm", "e2e/saved", "echo", "back"])).ok().text).to.equal("back");
    (await docker(["rmi", "e2e/saved"])).ok();
  });

  it("mounts a file of the host read-only", async () => {
    const file = workFile("conf", "one");
    const script = "cat /conf; (echo two >/conf) 2>&1; true";
    const text = await output(["--volume", `${file}:/conf:ro`], shell(script));
    expect(text).to.match(/^one.*Read-only file system/s);
    writeFileSync(file, "three");
    expect((await run(["-v", `${file}:/conf`], ["cat", "/conf"])).ok().stdout).to.equal("three");
  });
});
