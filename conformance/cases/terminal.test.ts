/** Terminals: run and exec with -t on a real pty, --console-socket, sizes, and the caller's settings restored afterwards. */
import { expect } from "chai";
import { type Container, container, type Flags, sleeper } from "../harness/container.ts";
import { runtimeFlags, runtimePath } from "../harness/environment.ts";
import { traces } from "../harness/leaks.ts";
import { jsonLines, type Report } from "../harness/probe.ts";
import { scratchPath, stateRoot } from "../harness/scratch.ts";
import {
  onPty,
  type Received,
  receiver,
  type Terminal,
  type Termios,
} from "../harness/terminal.ts";
import { until } from "../harness/wait.ts";

/** A container with process.terminal and this program. */
function withTerminal(args: string[], consoleSize?: { height: number; width: number }): Container {
  return container((config) => {
    config.process.terminal = true;
    config.process.args = args;
    if (consoleSize) config.process.consoleSize = consoleSize;
  });
}

function words(verb: string, flags: Flags, c: Container, rest: Flags = []): string[] {
  return [runtimePath, ...runtimeFlags, "--root", stateRoot(), verb, ...flags, c.id, ...rest];
}

function runOnPty(c: Container, rows = 24, cols = 80): Terminal {
  return onPty(words("run", ["--bundle", c.bundle.path], c), rows, cols);
}

async function reportOn(terminal: Terminal): Promise<Report> {
  return until("a report", () => jsonLines<Report>(terminal.output)[0]);
}

function sameSettings(terminal: Terminal): void {
  const settings = (kind: "before" | "after") => {
    const { iflag, oflag, cflag, lflag } = terminal.find(kind) as unknown as Termios;
    return { iflag, oflag, cflag, lflag };
  };
  expect(settings("after")).to.deep.equal(settings("before"));
}

describe("run with a terminal in the foreground", () => {
  it("gives the program a controlling terminal of its own", async () => {
    const terminal = runOnPty(withTerminal(["/probe", "report", "tty", "fds", "identity"]));
    const report = await reportOn(terminal);
    expect(await terminal.exit()).to.equal(0);
    expect(report.tty.isatty).to.deep.equal([true, true, true]);
    expect(report.tty.controlling).to.equal(true);
    expect(report.tty.foreground).to.equal(report.pgid);
    expect(report.fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2]);
    for (const { target } of report.fds) expect(target).to.match(/^\/dev\/(pts\/\d+|console)$/);
  });

  it("passes keys, the exit status, and restores the caller's settings", async () => {
    const terminal = runOnPty(
      withTerminal(["/bin/sh", "-c", "echo ready; read line; echo got:$line; exit 5"]),
    );
    await terminal.prints(/ready/);
    terminal.type("hello\r");
    await terminal.prints(/got:hello/);
    expect(await terminal.exit()).to.equal(5);
    sameSettings(terminal);
  });

  it("puts the caller's terminal into raw mode meanwhile", async () => {
    const terminal = runOnPty(withTerminal(["/bin/sh", "-c", "echo ready; read line"]));
    await terminal.prints(/ready/);
    terminal.askTermios();
    const termios = await terminal.event<Termios>("termios");
    expect(termios.canonical).to.equal(false);
    expect(termios.echo).to.equal(false);
    terminal.type("\r");
    expect(await terminal.exit()).to.equal(0);
    sameSettings(terminal);
  });

  it("Ctrl-C goes to the program, not to the runtime", async () => {
    const terminal = runOnPty(
      withTerminal([
        "/bin/sh",
        "-c",
        "trap 'echo int; exit 9' INT; echo ready; while true; do usleep 1000; done",
      ]),
    );
    await terminal.prints(/ready/);
    terminal.type("\x03");
    await terminal.prints(/int/);
    expect(await terminal.exit()).to.equal(9);
  });

  it("passes the initial size and later changes", async () => {
    const c = withTerminal(["/probe", "size-changes", "1000"]);
    const terminal = runOnPty(c, 33, 101);
    await terminal.prints(/size/);
    terminal.resize(40, 120);
    await terminal.prints(/size 40 120/);
    terminal.resize(7, 9);
    await terminal.prints(/size 7 9/);
    c.kill("KILL").ok();
    await terminal.exit();
    // The size may be set after the program has begun: it then comes as a change of its own.
    expect(terminal.output).to.match(/size 33 101/);
  });

  it("restores the settings when it is terminated, and leaves nothing", async () => {
    const c = withTerminal([
      "/bin/sh",
      "-c",
      "trap 'exit 3' TERM; echo ready; while true; do usleep 1000; done",
    ]);
    const terminal = runOnPty(c);
    await terminal.prints(/ready/);
    terminal.signal(15);
    expect(await terminal.exit()).to.equal(3);
    sameSettings(terminal);
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("transports much output without loss", async () => {
    const terminal = runOnPty(
      withTerminal([
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done",
      ]),
    );
    expect(await terminal.exit()).to.equal(0);
    const lines = terminal.output.split("\r\n").filter((line) => line.startsWith("line "));
    expect(lines).to.have.length(5000);
    expect(lines.at(-1)).to.equal("line 4999");
  });

  it("has /dev/console on the same terminal", async () => {
    const terminal = runOnPty(withTerminal(["/bin/sh", "-c", "echo via-console > /dev/console"]));
    await terminal.prints(/via-console/);
    expect(await terminal.exit()).to.equal(0);
  });
});

describe("--console-socket", () => {
  it("receives the master, with the container's terminal behind it", async () => {
    const c = withTerminal(["/probe", "report", "tty", "+", "sleep"]);
    const { path, terminal } = await receiver();
    c.create(["--console-socket", path]).ok();
    const received = await terminal.event<Received>("received");
    expect(received.isatty).to.equal(true);
    expect(received.target).to.match(/ptmx$/);
    expect(received.name).to.match(/^\/dev\/(pts\/)?ptmx|^\/dev\/pts\/\d+|ptmx/);
    c.start().ok();
    const report = await reportOn(terminal);
    expect(report.tty.isatty).to.deep.equal([true, true, true]);
    expect(report.tty.controlling).to.equal(true);
    await terminal.close();
  });

  it("sets consoleSize before the program runs", async () => {
    const c = withTerminal(["/probe", "report", "tty"], { height: 30, width: 90 });
    const { path, terminal } = await receiver();
    c.run(["--detach", "--console-socket", path]).ok();
    const report = await reportOn(terminal);
    expect([report.tty.rows, report.tty.cols]).to.deep.equal([30, 90]);
    await terminal.close();
  });

  it("keys reach the program and sizes can be changed by the receiver", async () => {
    const c = withTerminal([
      "/bin/sh",
      "-c",
      "read line; echo got:$line; exec /probe size-changes 1",
    ]);
    const { path, terminal } = await receiver();
    c.run(["-d", "--console-socket", path]).ok();
    await terminal.event("received");
    terminal.type("hello\r");
    await terminal.prints(/got:hello/);
    await terminal.prints(/size \d+ \d+/);
    terminal.resize(11, 22);
    await terminal.prints(/size 11 22/);
    await c.reaches("stopped");
    await terminal.close();
  });

  it("onlcr is off on the container's side or output ends in one CR LF", async () => {
    const c = withTerminal(["/bin/echo", "text"]);
    const { path, terminal } = await receiver();
    c.run(["-d", "--console-socket", path]).ok();
    await terminal.prints(/text\r?\n/);
    expect(terminal.output).to.not.match(/\r\r\n/);
    await terminal.close();
  });

  it("is needed when create or run --detach has a terminal", () => {
    const c = withTerminal(["/bin/true"]);
    c.create().fails(/cannot allocate tty if .* will detach without setting console socket/, 1);
    c.run(["--detach"]).fails(
      /cannot allocate tty if .* will detach without setting console socket/,
      1,
    );
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("is refused without a terminal or in the foreground", () => {
    const c = sleeper();
    const path = scratchPath("sock");
    c.create(["--console-socket", path]).fails(
      /cannot use console socket if .* will not detach or allocate tty/,
      1,
    );
    const d = withTerminal(["/bin/true"]);
    d.run(["--console-socket", path]).fails(
      /cannot use console socket if .* will not detach or allocate tty/,
      1,
    );
    expect(traces(d.id)).to.deep.equal([]);
  });

  it("that nobody listens on fails create and leaves nothing", () => {
    const c = withTerminal(["/bin/true"]);
    c.create(["--console-socket", scratchPath("sock")]).fails(/no such file|console/, 1);
    expect(c.status()).to.equal("absent");
    expect(traces(c.id)).to.deep.equal([]);
  });
});

describe("exec with a terminal", () => {
  it("-t in the foreground gives a controlling terminal and the exit status", async () => {
    const c = sleeper().up();
    const terminal = onPty(
      words("exec", ["-t"], c, ["/bin/sh", "-c", "/probe report tty; read x; exit 6"]),
      20,
      70,
    );
    const report = await reportOn(terminal);
    expect(report.tty.isatty).to.deep.equal([true, true, true]);
    expect(report.tty.controlling).to.equal(true);
    terminal.type("\r");
    expect(await terminal.exit()).to.equal(6);
    sameSettings(terminal);
  });

  it("uses no terminal without -t although the container has one", async () => {
    const c = withTerminal(["/probe", "sleep"]);
    const { path, terminal } = await receiver();
    c.create(["--console-socket", path]).ok();
    c.start().ok();
    expect(c.execReport(["--tty=false"], "tty").tty.isatty).to.deep.equal([false, false, false]);
    await terminal.close();
  });

  it("--detach -t sends the master to --console-socket", async () => {
    const c = sleeper().up();
    const { path, terminal } = await receiver();
    c.exec(["/probe", "report", "tty"], ["-t", "-d", "--console-socket", path]).ok();
    const report = await reportOn(terminal);
    expect(report.tty.isatty).to.deep.equal([true, true, true]);
    await terminal.close();
  });

  it("--detach -t without a console socket is refused", () => {
    const c = sleeper().up();
    c.exec(["/bin/true"], ["-t", "-d"]).fails(/without setting console socket/);
  });

  it("--process with terminal and consoleSize", async () => {
    const c = sleeper().up();
    const file = scratchPath("process");
    const process = {
      terminal: true,
      consoleSize: { height: 12, width: 34 },
      args: ["/probe", "report", "tty"],
      cwd: "/",
      user: { uid: 0, gid: 0 },
    };
    const { writeFileSync } = await import("node:fs");
    writeFileSync(file, JSON.stringify(process));
    const { path, terminal } = await receiver();
    c.exec([], ["--detach", "--process", file, "--console-socket", path]).ok();
    const report = await reportOn(terminal);
    expect([report.tty.rows, report.tty.cols]).to.deep.equal([12, 34]);
    await terminal.close();
  });
});
