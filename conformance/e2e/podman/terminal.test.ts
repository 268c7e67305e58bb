/** Terminals and attached clients: run -it, attach, detach keys, logs. */
import { expect } from "chai";
import { sleep } from "../../harness/wait.ts";
import { Container, run, shell, up } from "./container.ts";
import { cgroupParent, imageName, launch, onPty } from "./engine.ts";

const interactive = ["run", "-it", "--cgroup-parent", cgroupParent];

describe("terminals", () => {
  it("run -it: a shell with size, echo and exit code", async () => {
    const terminal = onPty([...interactive, "--rm", imageName], 33, 111);
    await terminal.prints(/# /);
    terminal.type("stty size; tty; echo $TERM\n");
    await terminal.prints(/33 111\r\n\/dev\/(pts\/0|console)\r\nxterm\r\n/);
    terminal.resize(44, 122);
    await sleep(300);
    terminal.type("stty size\n");
    await terminal.prints(/44 122/);
    terminal.type("exit 6\n");
    expect(await terminal.exit()).to.equal(6);
  });

  it("run -it: control characters reach the program", async () => {
    const terminal = onPty([...interactive, "--rm", imageName]);
    await terminal.prints(/# /);
    terminal.type("sleep 1000\n");
    await sleep(300);
    terminal.type("\x03");
    terminal.type("echo st=$?\n");
    await terminal.prints(/st=130/);
    terminal.type("exit\n");
    expect(await terminal.exit()).to.equal(0);
  });

  it("run -t: output is a terminal for the program, and one stream", async () => {
    const result = await run(["-t"], shell("echo a; echo b >&2; test -t 1"));
    expect(result.ok().stdout).to.equal("a\r\nb\r\n");
  });

  it("detaches with the keys, attaches again, and sees what comes", async () => {
    const terminal = onPty([...interactive, "--name", "keys", imageName]);
    await terminal.prints(/# /);
    terminal.type("A=kept\n");
    await terminal.prints(/A=kept\r\n/);
    terminal.type("\x10");
    await sleep(300);
    terminal.type("\x11");
    expect(await terminal.exit()).to.equal(0);
    const again = onPty(["attach", "--detach-keys", "ctrl-x,x", "keys"]);
    await sleep(500);
    again.type("echo =$A=; exit 8\n");
    await again.prints(/=kept=/);
    await again.exit();
    expect(await new Container("keys").wait()).to.equal(8);
  });

  it("attach forwards signals to the program", async () => {
    const c = await up(
      [],
      shell("trap 'echo got; exit 4' USR1; echo up; while :; do sleep 0.1; done"),
    );
    const attached = launch(["attach", c.id]);
    await sleep(1000);
    attached.kill("SIGUSR1");
    expect((await attached.done).stdout).to.contain("got");
    expect(await c.wait()).to.equal(4);
  });
});

describe("podman logs", () => {
  it("keeps both streams apart, in order, with times and tail", async () => {
    const c = await up([], shell("for i in 1 2 3; do echo o$i; echo e$i >&2; sleep 0.05; done"));
    await c.wait();
    const both = (await c.verb("logs")).ok();
    expect(both.stdout).to.equal("o1\no2\no3\n");
    expect(both.stderr).to.equal("e1\ne2\ne3\n");
    const tail = (await c.verb("logs", ["--tail", "2", "--timestamps"])).ok();
    expect(tail.stdout + tail.stderr).to.match(/^\d{4}-\d\d-\d\dT\S+ o3\n\d{4}\S+ e3\n$/);
  });

  it("follows until the end", async () => {
    const c = await up([], shell("for i in 1 2 3 4 5; do echo $i; sleep 0.2; done"));
    const result = await c.verb("logs", ["--follow"]);
    expect(result.ok().stdout).to.equal("1\n2\n3\n4\n5\n");
  });

  it("keeps a long line and one without an end", async () => {
    const c = await up([], shell("head -c 100000 /dev/zero | tr '\\0' x; echo; printf end"));
    await c.wait();
    const { stdout } = (await c.verb("logs")).ok();
    expect(stdout.trimEnd()).to.equal(`${"x".repeat(100_000)}\nend`);
  });
});
