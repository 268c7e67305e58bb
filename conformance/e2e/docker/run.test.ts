/** `docker run`, `create`, `start`: output, exit codes, what flags become inside, what a failure says. */
import { expect } from "chai";
import { isAlive, readOrEmpty } from "../../harness/processes.ts";
import { created, docker, output, run, shell, up } from "./container.ts";
import { workDirectory, workFile } from "./daemon.ts";
import { lasting } from "./leaks.ts";
import { runtimeName } from "./subject.ts";

describe("docker run", () => {
  it("uses the runtime under test by default", async () => {
    const { text } = (await docker(["info", "--format", "{{.DefaultRuntime}}"])).ok();
    expect(text).to.equal(runtimeName);
    const c = await up();
    expect(await c.inspect(".HostConfig.Runtime")).to.equal(runtimeName);
  });

  it("passes both outputs and the exit code on, and leaves nothing", async () => {
    const result = await run([], shell("echo out; echo err >&2; exit 7"));
    result.ended(7);
    expect(result.stdout).to.equal("out\n");
    expect(result.stderr).to.equal("err\n");
    expect(await lasting()).to.deep.equal([]);
  });

  it("reports a death by signal as 128 + n", async () => {
    const c = await up([], shell("sleep 1000"));
    (await c.verb("kill", ["--signal", "KILL"])).ok();
    expect(await c.wait()).to.equal(137);
    // PID 1 gets no signals from inside that it does not handle, but its child does.
    (await run([], shell("sh -c 'kill -SEGV $$'; exit $?"))).ended(139);
  });

  it("forwards input and its end", async () => {
    const input = "x".repeat(300_000);
    expect((await run(["-i"], ["cat"], { input })).ok().stdout).to.equal(input);
  });

  it("moves 32 MiB without losing a byte", async () => {
    const count = 32 << 20;
    const result = await run(["--log-driver", "none"], shell(`yes abcdefg | head -c ${count}`));
    expect(result.ok().bytes.equals(Buffer.alloc(count, "abcdefg\n"))).to.equal(true);
  });

  it("ends with 127 for a program that is missing and 126 for one that cannot be run", async () => {
    const missing = await run([], ["no-such-program"]);
    missing.fails(/executable file not found in \$PATH|no such file or directory/, 127);
    expect(missing.stderr).to.contain("no-such-program");
    (await run([], ["/no/such/program"])).fails(/no such file or directory/, 127);
    (await run([], ["/etc/passwd"])).fails(/permission denied/, 126);
    (await run([], ["/etc"])).fails(/is a directory|permission denied/);
    expect(await lasting()).to.deep.equal([]);
  });

  it("says what is wrong with a working directory or a user", async () => {
    (await run(["--workdir", "/etc/passwd"], ["true"])).fails(/not a directory/);
    (await run(["--user", "nobody-of-this-name"], ["true"])).fails(/unable to find user/);
    expect(await lasting()).to.deep.equal([]);
  });

  it("makes a working directory that is missing", async () => {
    expect(await output(["--workdir", "/a/b/c"], ["pwd"])).to.equal("/a/b/c");
  });

  it("sets variables by flag, file and image", async () => {
    const file = workFile("env", "FROM_FILE=1\n# a comment\nEMPTY=\nTWO=a b  c\n");
    const flags = ["--env", "A=b c", "--env", "INHERITED", "--env-file", file];
    const c = await run(flags, ["env"], { env: { INHERITED: "yes" } });
    const lines = c.ok().lines;
    expect(lines).to.include.members(["A=b c", "INHERITED=yes", "FROM_FILE=1", "EMPTY="]);
    expect(lines).to.include.members(["TWO=a b  c", "IMAGE=e2e", "HOME=/root"]);
    expect(lines).to.include("PATH=/bin:/usr/bin");
  });

  it("runs as a user by number and by name, with extra groups", async () => {
    expect(await output(["--user", "1234:2345"], ["id"])).to.match(/^uid=1234 gid=2345/);
    const named = await output(["--user", "guest", "--group-add", "77"], shell("id; echo $HOME"));
    expect(named).to.match(/^uid=1000\(guest\) gid=1000\(guest\) groups=.*2000\(extra\)/);
    expect(named).to.contain("77").and.contain("/home/guest");
  });

  it("overrides the entry point and passes arguments byte by byte", async () => {
    const args = ["a b", "", "*", "ä", "$X"];
    const flags = ["--entrypoint", "/bin/printf"];
    expect(await output(flags, ["[%s]", ...args])).to.equal("[a b][][*][ä][$X]");
  });

  it("sets host name, domain name, hosts and resolver", async () => {
    const flags = ["--hostname", "box", "--domainname", "example.org"];
    const more = ["--add-host", "other:10.9.8.7", "--dns", "10.1.1.1", "--dns-search", "a.example"];
    const script = "hostname; cat /proc/sys/kernel/domainname /etc/hosts /etc/resolv.conf";
    const text = await output([...flags, ...more], shell(script));
    expect(text).to.match(/^box\nexample\.org\n/);
    expect(text)
      .to.match(/10\.9\.8\.7\s+other/)
      .and.match(/box\.example\.org box/);
    expect(text).to.contain("nameserver 10.1.1.1").and.contain("search a.example");
  });

  it("runs an init that reaps and forwards signals", async () => {
    const c = await up(["--init"], shell("(sleep 0.1 &) ; trap 'exit 3' TERM; sleep 1000 & wait"));
    expect(readOrEmpty(`/proc/${await c.pid()}/cmdline`)).to.match(/^\/(sbin|dev)\/(docker-)?init/);
    (await c.verb("stop")).ok();
    expect((await c.state()).ExitCode).to.equal(3);
  });

  it("refuses a name that is taken", async () => {
    await up(["--name", "taken"]);
    (await run(["--name", "taken"], ["true"])).fails(/already in use/, 125);
  });

  it("writes the id to --cidfile and labels what it makes", async () => {
    const file = `${workDirectory("cid")}/id`;
    const c = await up(["--cidfile", file, "--label", "a=b"]);
    expect(readOrEmpty(file)).to.equal(c.id);
    const listed = (await docker(["ps", "-q", "--no-trunc", "--filter", "label=a=b"])).ok().text;
    expect(listed).to.equal(c.id);
  });

  it("runs twelve at once", async () => {
    const all = Array.from({ length: 12 }, (_, i) => run([], shell(`echo ${i}; exit ${i}`)));
    for (const [i, result] of (await Promise.all(all)).entries())
      expect(result.ended(i).stdout).to.equal(`${i}\n`);
  });
});

describe("docker create and start", () => {
  it("creates, starts, attaches, and starts again", async () => {
    const c = await created([], shell("echo ran; exit 4"));
    expect((await c.state()).Status).to.equal("created");
    for (let i = 0; i < 2; i++) {
      const result = await c.verb("start", ["--attach"]);
      expect(result.ended(4).stdout).to.equal("ran\n");
    }
    expect(await c.logs()).to.equal("ran\nran\n");
  });

  it("keeps what was written when it starts again", async () => {
    const c = await created([], shell("echo x >>/count; cat /count"));
    await c.verb("start", ["--attach"]);
    expect((await c.verb("start", ["--attach"])).ok().stdout).to.equal("x\nx\n");
  });

  it("removes by force what runs, with all its processes", async () => {
    const c = await up([], shell("sleep 1000 & sleep 1000 & wait"));
    const top = (await c.verb("top", [], ["-o", "pid"])).ok().lines.slice(1).map(Number);
    expect(top).to.have.length(3);
    (await c.verb("rm")).fails(/running container|container is running/);
    await c.remove();
    expect(top.filter(isAlive)).to.deep.equal([]);
  });

  it("fails to start with a device that is missing, and starts nothing", async () => {
    const c = await created(["--device", "/dev/no-such-device"]);
    (await c.verb("start")).fails(/no-such-device/);
    expect((await c.state()).Running).to.equal(false);
    await c.remove();
    (await docker(["inspect", c.id])).fails(/no such/i);
  });
});
