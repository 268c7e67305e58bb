/** Terminals and attached clients: run -it, exec -it, attach, detach keys, logs. */
import { expect } from "chai";
import { sleep } from "../../harness/wait.ts";
import { created, docker, mainDaemon, shell, up } from "./container.ts";
import { imageName } from "./image.ts";

const onPty = (args: readonly string[], rows?: number, cols?: number) =>
  mainDaemon().onPty(args, rows, cols);

describe("terminals", () => {
  it("run -it: a shell with size, echo and exit code", async () => {
    const terminal = onPty(["run", "-it", "--rm", imageName], 33, 111);
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
    const terminal = onPty(["run", "-it", "--rm", imageName]);
    await terminal.prints(/# /);
    terminal.type("sleep 1000\n");
    await sleep(300);
    terminal.type("\x03");
    terminal.type("echo st=$?\n");
    await terminal.prints(/st=130/);
    terminal.type("cat\n");
    await terminal.prints(/cat\r\n/);
    await sleep(300);
    terminal.type("hello\n");
    await terminal.prints(/hello\r\nhello/);
    terminal.type("\x04");
    await sleep(300);
    terminal.type("exit\n");
    expect(await terminal.exit()).to.equal(0);
  });

  it("run -t: output is a terminal for the program, and one stream", async () => {
    const result = await docker([
      "run",
      "--rm",
      "-t",
      imageName,
      ...shell("echo a; echo b >&2; test -t 1"),
    ]);
    expect(result.ok().stdout).to.equal("a\r\nb\r\n");
  });

  it("exec -it: a terminal of its own", async () => {
    const c = await up();
    const terminal = onPty(["exec", "-it", c.id, "sh"], 20, 70);
    await terminal.prints(/# /);
    terminal.type("stty size; tty\n");
    await terminal.prints(/20 70\r\n\/dev\/pts\/0/);
    terminal.type("exit 5\n");
    expect(await terminal.exit()).to.equal(5);
    expect((await c.state()).Running).to.equal(true);
  });

  it("detaches with the keys, attaches again, and sees what comes", async () => {
    const terminal = onPty(["run", "-it", "--name", "keys", imageName]);
    await terminal.prints(/# /);
    terminal.type("A=kept\n");
    await terminal.prints(/A=kept\r\n/);
    terminal.type("\x10\x11");
    expect(await terminal.exit()).to.equal(0);
    const again = onPty(["attach", "--detach-keys", "ctrl-x,x", "keys"]);
    await sleep(300);
    again.type("echo =$A=\n");
    await again.prints(/=kept=/);
    again.type("\x18x");
    await again.exit();
    const last = onPty(["attach", "keys"]);
    await sleep(300);
    last.type("exit 8\n");
    expect(await last.exit()).to.equal(8);
  });

  it("attach forwards signals to the program", async () => {
    const c = await up(
      [],
      shell("trap 'echo got; exit 4' USR1; echo up; while :; do sleep 0.1; done"),
    );
    const attached = mainDaemon().launch(["attach", c.id]);
    await sleep(700);
    attached.kill("SIGUSR1");
    const result = await attached.done;
    expect(result.ended(4).stdout).to.contain("got");
  });

  it("attach with input: two clients write, one sees the end", async () => {
    const c = await created(["-i"], ["cat"]);
    await c.start();
    const first = mainDaemon().launch(["attach", c.id], { keepOpen: true });
    await sleep(500);
    first.write("one\n");
    await sleep(500);
    expect(first.stdout()).to.equal("one\n");
    first.end();
    (await first.done).ok();
    await c.reaches("exited");
  });
});

describe("docker logs", () => {
  it("keeps both streams apart, in order, with times, tail and since", async () => {
    const c = await up([], shell("for i in 1 2 3; do echo o$i; echo e$i >&2; sleep 0.05; done"));
    await c.reaches("exited");
    const both = (await c.verb("logs")).ok();
    expect(both.stdout).to.equal("o1\no2\no3\n");
    expect(both.stderr).to.equal("e1\ne2\ne3\n");
    const tail = (await c.verb("logs", ["--tail", "2", "--timestamps"])).ok();
    expect(tail.stdout + tail.stderr).to.match(/^\d{4}-\d\d-\d\dT\S+ o3\n\d{4}\S+ e3\n$/);
  });

  it("follows until the end", async () => {
    const c = await up([], shell("for i in 1 2 3 4 5; do echo $i; sleep 0.2; done"));
    const result = await mainDaemon().launch(["logs", "--follow", c.id]).done;
    expect(result.ok().stdout).to.equal("1\n2\n3\n4\n5\n");
  });

  it("keeps lines of a megabyte and lines without an end", async () => {
    const script = "head -c 1048576 /dev/zero | tr '\\0' x; echo; printf end";
    const c = await up([], shell(script));
    await c.reaches("exited");
    const { stdout } = (await c.verb("logs")).ok();
    expect(stdout.length).to.equal(1048576 + 4);
    expect(stdout.endsWith("x\nend")).to.equal(true);
  });

  it("rotates json files and keeps the newest lines", async () => {
    const flags = ["--log-opt", "max-size=10k", "--log-opt", "max-file=2"];
    const c = await up(flags, shell("seq 1 2000"));
    await c.reaches("exited");
    const { lines } = (await c.verb("logs")).ok();
    expect(lines.at(-1)).to.equal("2000");
    expect(lines.length).to.be.below(1000);
  });
});
