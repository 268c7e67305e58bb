/** Containers with a terminal, and attaching to containers. */
import { expect } from "chai";
import { sleep, until } from "../../harness/wait.ts";
import { Container, ctrOnPty, launch, runArgs } from "./ctr.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

describe("ctr run --tty", () => {
  it("gives a terminal of the caller's size, which follows the caller's", async () => {
    const c = new Container();
    const script =
      'tty; stty size; trap "stty size; exit 5" WINCH; echo ready; while :; do sleep 0.05; done';
    const terminal = ctrOnPty(runArgs(["--rm", "--tty"], c.id, shell(script)), 31, 97);
    await terminal.prints(/\/dev\/pts\/0\r+\n/);
    await terminal.prints(/ready\r+\n/);
    terminal.resize(40, 120);
    await terminal.prints(/40 120\r+\n/);
    expect(await terminal.exit()).to.equal(5);
  });

  it("types, echoes and interrupts", async () => {
    const c = new Container();
    const script =
      'trap "echo interrupted; exit 9" INT; read x; echo "<$x>"; while :; do sleep 0.05; done';
    const terminal = ctrOnPty(runArgs(["--rm", "--tty"], c.id, shell(script)));
    terminal.type("hello\n");
    await terminal.prints(/<hello>\r+\n/);
    terminal.type("\u0003");
    await terminal.prints(/interrupted\r+\n/);
    expect(await terminal.exit()).to.equal(9);
  });

  it("loses nothing of a long output", async () => {
    const c = new Container();
    const terminal = ctrOnPty(runArgs(["--rm", "--tty"], c.id, shell("seq 1 20000; echo end")));
    expect(await terminal.exit()).to.equal(0);
    const lines = terminal.output.trim().split(/\r*\n/);
    expect(lines.length).to.equal(20001);
    expect(lines.at(-2)).to.equal("20000");
  });

  it("detached: attach, detach, attach again", async () => {
    const c = await new Container().upOnTerminal(["sh"]);
    const first = ctrOnPty(["task", "attach", c.id], 25, 90);
    first.type("echo first $((1+1))\n");
    await first.prints(/first 2\r+\n/);
    // A hangup would be forwarded to the container.
    first.signal(9);
    await first.exit();
    expect(await c.status()).to.equal("RUNNING");
    const second = ctrOnPty(["task", "attach", c.id], 30, 95);
    second.type("stty size; echo second $((2+2))\n");
    await second.prints(/second 4\r+\n/);
    second.type("exit 6\n");
    expect(await second.exit()).to.equal(6);
  });
});

describe("ctr task attach without a terminal", () => {
  it("gets what was written before and after, and hands input over, again and again", async () => {
    const script = 'while read x; do echo "got $x"; done; echo "no more"';
    const waiting = shell(`until test -e /go; do sleep 0.01; done; echo early; ${script}`);
    const c = await new Container().up([], waiting);
    // Not before: the ctr that starts a container still copies its output until it ends.
    (await c.exec(["touch", "/go"])).ok();
    const first = launch(["task", "attach", c.id], { keepOpen: true });
    await until("what was written before", () => first.stdout().includes("early\n"));
    first.write("one\n");
    await until("an answer", () => first.stdout().includes("got one\n"));
    first.kill("SIGKILL");
    await first.done;
    await sleep(50);
    // The container sees no end of input: somebody may attach again.
    expect(await c.status()).to.equal("RUNNING");
    const second = launch(["task", "attach", c.id], { keepOpen: true });
    second.write("two\n");
    await until("an answer", () => second.stdout().includes("got two\n"));
    await c.kill();
    (await second.done).ended(137);
  });
});
