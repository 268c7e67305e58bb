/** Stdio with a terminal: real ptys, made by python3, whose master is taken out of it. */
import * as fs from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { openStdio, type ProcessIo, type StdioRequest } from "./stdio.ts";
import {
  addonIsBuilt,
  openFds,
  openReader,
  openWriter,
  owner,
  type Rig,
  read,
  readAll,
  startRig,
  until,
} from "./test-rig.ts";

/** Starts sh on a new pty, says "master pid" in a file, and leaves sh to its parent when it is killed. */
const helper = `
import os, pty, sys, time
pid, master = pty.fork()
if pid == 0:
    os.execv("/bin/sh", ["sh", "-c", sys.argv[2]])
with open(sys.argv[1] + ".new", "w") as said:
    said.write(f"{master} {pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
`;

const none = { stdin: "", stdout: "", stderr: "", terminal: true };

function hasPython(): boolean {
  return (process.env["PATH"] ?? "").split(":").some((dir) => fs.existsSync(`${dir}/python3`));
}

describe("shim/io/terminal", () => {
  let rig: Rig;
  let atStart: string[];
  let ios: ProcessIo[] = [];
  let shells: number[] = [];

  before(function () {
    if (!addonIsBuilt() || !hasPython()) this.skip();
  });

  beforeEach(() => {
    rig = startRig({ endOfFileGraceMs: 150, termGraceMs: 200 });
    rig.native.setSubreaper(true);
    atStart = openFds();
  });

  afterEach(async () => {
    for (const io of ios) io.close();
    for (const pid of shells) {
      try {
        rig.native.kill(pid, 9);
      } catch {
        // has ended
      }
    }
    ios = [];
    shells = [];
    const left = (): string[] => openFds().filter((fd) => !atStart.includes(fd));
    await until(() => left().length === 0);
    const leaked = left();
    rig.native.setSubreaper(false);
    rig.end();
    expect(leaked).to.deep.equal([]);
  });

  async function open(request: Partial<StdioRequest>): Promise<ProcessIo> {
    const io = await openStdio(rig.env, { ...none, ...request }, owner);
    ios.push(io);
    return io;
  }

  /** Runs `sh -c script` on a pty; returns the master, a status file tells how it ended. */
  async function onTerminal(script: string): Promise<number> {
    const said = join(rig.directory, `pty${shells.length}`);
    const python = rig.children.native.spawn({
      file: "/usr/bin/env",
      argv: ["env", "python3", "-c", helper, said, script],
      env: [`PATH=${process.env["PATH"]}`, "LC_ALL=C"],
      stdio: [-1, -1, 2],
      keepFds: [],
      cloneFlags: 0,
      cgroupFd: -1,
    });
    expect(await until(() => fs.existsSync(said))).to.equal(true);
    const [theirs = -1, pid = -1] = fs.readFileSync(said, "utf8").split(" ").map(Number);
    shells.push(pid);
    const master = rig.native.getFd(python.pidfd, theirs);
    fs.closeSync(python.pidfd);
    rig.native.kill(python.pid, 9);
    await rig.children.exit(python.pid);
    return master;
  }

  it("moves output to the last byte, input, and window sizes", async () => {
    const [stdin = "", stdout = ""] = rig.fifos("stdin", "stdout");
    const reader = openReader(stdout);
    const io = await open({ stdin, stdout, stderr: stdout });
    expect(io.stdio).to.deep.equal([-1, -1, -1]);
    io.handedOver();
    const master = await onTerminal(
      "stty -echo; echo ready; read line; stty size; echo got $line; seq 1 20000; echo end",
    );
    io.attachTerminal(master);
    io.resize(132, 43);
    expect(await read(rig, reader, (text) => text === "ready\r\n")).to.equal("ready\r\n");
    const client = openWriter(stdin);
    fs.writeSync(client, "hello\n");
    const text = await read(rig, reader, (all) => all.endsWith("end\r\n"));
    expect(text.slice(0, 20)).to.equal("43 132\r\ngot hello\r\n1");
    expect(text.split("\r\n").length).to.equal(20_000 + 4);
    await io.drained(5_000);
    expect(await readAll(rig, reader)).to.equal("");
    fs.closeSync(client);
  });

  it("drains what is left when the process has ended already", async () => {
    const [stdout = ""] = rig.fifos("stdout");
    const reader = openReader(stdout);
    const io = await open({ stdout });
    const master = await onTerminal("echo quick");
    expect(await until(() => hasEnded(shells[0] ?? 0))).to.equal(true);
    io.attachTerminal(master);
    await io.drained(5_000);
    expect(await readAll(rig, reader)).to.equal("quick\r\n");
  });

  function hasEnded(pid: number): boolean {
    try {
      return / Z /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
    } catch {
      return true;
    }
  }

  it("does not end while nobody has the terminal open for a moment", async () => {
    const [stdin = "", stdout = ""] = rig.fifos("stdin", "stdout");
    const reader = openReader(stdout);
    const io = await open({ stdin, stdout });
    const master = await onTerminal(
      "stty -echo; tty=$(tty); echo one; exec </dev/null >/dev/null 2>&1; sleep 0.1;" +
        " exec <$tty >$tty; echo two; read line; echo $line",
    );
    io.attachTerminal(master);
    expect(await read(rig, reader, (text) => text.includes("two"))).to.equal("one\r\ntwo\r\n");
    const client = openWriter(stdin);
    fs.writeSync(client, "still\n");
    expect(await read(rig, reader, (text) => text.includes("still"))).to.equal("still\r\n");
    await io.drained(5_000);
    fs.closeSync(client);
    fs.closeSync(reader);
  });

  it("comes back after vhangup(2), as a getty does it", async function () {
    if (process.geteuid?.() !== 0) this.skip();
    const [stdin = "", stdout = ""] = rig.fifos("stdin", "stdout");
    const reader = openReader(stdout);
    const io = await open({ stdin, stdout });
    const hangup =
      "import ctypes, os, signal, time; tty = os.ttyname(0); os.write(1, b'one\\n');" +
      "signal.signal(signal.SIGHUP, signal.SIG_IGN); ctypes.CDLL(None).vhangup(); time.sleep(0.2);" +
      "fd = os.open(tty, os.O_RDWR); os.write(fd, b'two\\n'); os.write(fd, os.read(fd, 80))";
    const master = await onTerminal(`stty -echo; exec python3 -c "${hangup}"`);
    io.attachTerminal(master);
    expect(await read(rig, reader, (text) => text.includes("two"))).to.equal("one\r\ntwo\r\n");
    const client = openWriter(stdin);
    fs.writeSync(client, "still\n");
    expect(await read(rig, reader, (text) => text.includes("still"))).to.match(/still\r\n$/);
    fs.closeSync(client);
    fs.closeSync(reader);
  });

  it("sees the end of input without ending the terminal", async () => {
    const [stdin = "", stdout = ""] = rig.fifos("stdin", "stdout");
    const reader = openReader(stdout);
    const io = await open({ stdin, stdout });
    const master = await onTerminal("stty -echo; read line; sleep 0.1; echo $line; sleep 60");
    io.attachTerminal(master);
    const client = openWriter(stdin);
    io.closeStdin();
    fs.writeSync(client, "last\n");
    fs.closeSync(client);
    expect(await read(rig, reader, (text) => text.includes("last"))).to.match(/last\r\n$/);
    fs.closeSync(reader);
  });

  it("throws output away without a sink, and when its sink fails", async () => {
    const io = await open({});
    const done = join(rig.directory, "done");
    io.attachTerminal(await onTerminal(`seq 1 100000; echo > ${done}`));
    expect(await until(() => fs.existsSync(done))).to.equal(true);
    await io.drained(5_000);
    io.close();

    const logger = join(rig.directory, "logger");
    fs.writeFileSync(logger, "#!/bin/sh\nexec 5>&-\n", { mode: 0o755 });
    const broken = await open({ stdout: `binary://${logger}` });
    fs.rmSync(done);
    broken.attachTerminal(await onTerminal(`seq 1 100000; echo > ${done}`));
    expect(await until(() => fs.existsSync(done))).to.equal(true);
    expect(rig.logged.filter((line) => line.includes("what follows is lost")).length).to.equal(1);
  });

  it("sends output to a logger and to a file", async () => {
    const out = join(rig.directory, "out");
    const logger = join(rig.directory, "logger");
    const script = `#!/bin/sh\nexec 5>&-; exec cat <&3 > ${out}\n`;
    fs.writeFileSync(logger, script, { mode: 0o755 });
    const io = await open({ stdout: `binary://${logger}`, stderr: `binary://${logger}` });
    io.attachTerminal(await onTerminal("echo logged"));
    await until(() => hasEnded(shells[0] ?? 0));
    await io.drained(5_000);
    io.close();
    await Promise.all(rig.env.endingLoggers);
    expect(fs.readFileSync(out, "utf8")).to.equal("logged\r\n");

    const file = join(rig.directory, "file");
    const filed = await open({ stdout: `file://${file}` });
    filed.attachTerminal(await onTerminal("echo filed"));
    await until(() => hasEnded(shells[1] ?? 0));
    await filed.drained(5_000);
    expect(fs.readFileSync(file, "utf8")).to.equal("filed\r\n");
  });

  it("may be closed before and without a terminal", async () => {
    const [stdin = "", stdout = ""] = rig.fifos("stdin", "stdout");
    const reader = openReader(stdout);
    const io = await open({ stdin, stdout });
    io.resize(1, 1);
    await io.drained(10);
    io.close();
    io.close();
    io.attachTerminal(fs.openSync("/dev/null", "r"));
    fs.closeSync(reader);
  });
});
