/** `podman run` and `create`: outputs, exit codes, what flags become inside. */
import { expect } from "chai";
import { created, output, run, shell, up } from "./container.ts";
import { workFile } from "./engine.ts";
import { lasting } from "./leaks.ts";
import { runtimeName } from "./subject.ts";

describe("podman run", () => {
  it("uses the runtime that containers.conf names", async () => {
    const c = await up();
    expect(await c.inspect(".OCIRuntime")).to.equal(runtimeName);
  });

  it("passes both outputs and the exit code on, and leaves nothing", async () => {
    const result = await run([], shell("echo out; echo err >&2; exit 7"));
    result.ended(7);
    expect(result.stdout).to.equal("out\n");
    expect(result.stderr).to.equal("err\n");
    expect(await lasting()).to.deep.equal([]);
  });

  it("reports a death by signal as 128 + n", async () => {
    const c = await up();
    (await c.verb("kill")).ok();
    expect(await c.wait()).to.equal(137);
  });

  it("forwards input and its end", async () => {
    const input = "x".repeat(300_000);
    expect((await run(["-i"], ["cat"], { input })).ok().stdout).to.equal(input);
  });

  it("moves 8 MiB without losing a byte", async () => {
    const count = 8 << 20;
    const result = await run(["--log-driver", "none"], shell(`yes abcdefg | head -c ${count}`));
    expect(result.ok().bytes.equals(Buffer.alloc(count, "abcdefg\n"))).to.equal(true);
  });

  it("sets variables by flag, file and image", async () => {
    const file = workFile("env", "FROM_FILE=1\n# a comment\nTWO=a b  c\n");
    const flags = ["--env", "A=b c", "--env", "INHERITED", "--env-file", file];
    const result = await run(flags, ["env"], { env: { INHERITED: "yes" } });
    const { lines } = result.ok();
    expect(lines).to.include.members(["A=b c", "INHERITED=yes", "FROM_FILE=1"]);
    expect(lines).to.include.members(["TWO=a b  c", "IMAGE=e2e", "HOME=/root", "container=podman"]);
  });

  it("sets user, groups, working directory, host name and hosts", async () => {
    const flags = ["--user", "guest", "--group-add", "2000", "--workdir", "/home/guest"];
    const names = ["--hostname", "box", "--add-host", "other:10.0.0.9"];
    const script = "id; pwd; hostname; grep other /etc/hosts";
    expect((await output([...flags, ...names], shell(script))).split("\n")).to.deep.equal([
      "uid=1000(guest) gid=1000(guest) groups=1000(guest),2000(extra)",
      "/home/guest",
      "box",
      "10.0.0.9\tother",
    ]);
  });

  it("sets sysctls, umask and the oom score", async () => {
    const flags = ["--sysctl", "kernel.shmmax=12345", "--umask", "0027", "--oom-score-adj", "500"];
    const script = "cat /proc/sys/kernel/shmmax; umask; cat /proc/self/oom_score_adj";
    expect(await output(flags, shell(script))).to.equal("12345\n0027\n500");
  });

  it("puts an init of the host before the program", async () => {
    const script = '#!/bin/sh\n[ "$1" = -- ] && shift\necho init $$\nexec "$@"\n';
    const init = workFile("init", script, 0o755);
    const flags = ["--init", "--init-path", init];
    expect(await output(flags, shell("echo program"))).to.equal("init 1\nprogram");
  });

  it("create, start --attach", async () => {
    const c = await created([], shell("echo out; exit 9"));
    expect((await c.state()).Status).to.equal("created");
    const result = await c.verb("start", ["--attach"]);
    expect(result.ended(9).stdout).to.equal("out\n");
  });

  it("keeps the id in a file, and gives labels and annotations back", async () => {
    const c = await up(["--label", "a=b", "--annotation", "io.example.c=d"]);
    expect(await c.inspect(".Config.Labels")).to.include({ a: "b" });
    expect(await c.inspect(".Config.Annotations")).to.include({ "io.example.c": "d" });
  });
});
