/** Stdio over pipes: real processes, fifos with real clients, and files. */
import * as fs from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
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
  runSync,
  sleep,
  startRig,
  startShell,
  until,
} from "./test-rig.ts";

const none = { stdin: "", stdout: "", stderr: "", terminal: false };
const isRoot = process.geteuid?.() === 0;

describe("shim/io/pipes", () => {
  let rig: Rig;
  let before_: string[];
  let ios: ProcessIo[] = [];

  before(function () {
    if (!addonIsBuilt()) this.skip();
  });

  beforeEach(() => {
    rig = startRig({ readerTimeoutMs: 100 });
    before_ = openFds();
  });

  afterEach(async () => {
    for (const io of ios) io.close();
    ios = [];
    const left = (): string[] => openFds().filter((fd) => !before_.includes(fd));
    await until(() => left().length === 0);
    const leaked = left();
    rig.end();
    expect(leaked).to.deep.equal([]);
  });

  async function open(request: Partial<StdioRequest>, more: Partial<typeof owner> = {}) {
    const io = await openStdio(rig.env, { ...none, ...request }, { ...owner, ...more });
    ios.push(io);
    return io;
  }

  async function run(io: ProcessIo, script: string): Promise<number> {
    return (await rig.children.exit(startShell(rig, io, script))).status;
  }

  it("gives a process that has none /dev/null", async () => {
    const io = await open({});
    expect(io.stdio).to.deep.equal([-1, -1, -1]);
    expect(await run(io, 'test -z "$(cat)" && echo x && test /dev/null -ef /dev/stderr')).to.equal(
      0,
    );
    await io.drained(1_000);
  });

  it("moves stdout and stderr to fifos of their own, to the last byte", async () => {
    const [stdout = "", stderr = ""] = rig.fifos("stdout", "stderr");
    const readers = [openReader(stdout), openReader(stderr)] as const;
    const io = await open({ stdout, stderr });
    const texts = Promise.all([readAll(rig, readers[0]), readAll(rig, readers[1])]);
    const script = "head -c 3000000 /dev/zero | tr '\\0' o; echo err >&2; exit 3";
    expect(await run(io, script)).to.equal(3);
    await io.drained(5_000);
    io.close();
    const [out, err] = await texts;
    expect(out.length).to.equal(3_000_000);
    expect(/^o*$/.test(out)).to.equal(true);
    expect(err).to.equal("err\n");
  });

  it("leaves out what is not asked for", async () => {
    const [stderr = ""] = rig.fifos("stderr");
    const reader = openReader(stderr);
    const io = await open({ stderr });
    expect(await run(io, "test -e /dev/stdin; echo lost; echo err >&2")).to.equal(0);
    await io.drained(5_000);
    expect(await readAll(rig, reader)).to.equal("err\n");
  });

  it("keeps the order of streams that lead to one place", async () => {
    const [both = ""] = rig.fifos("both");
    const reader = openReader(both);
    const io = await open({ stdout: both, stderr: both });
    await run(io, "for i in 1 2 3 4; do echo $i; echo -$i >&2; done");
    await io.drained(5_000);
    expect(await readAll(rig, reader)).to.equal("1\n-1\n2\n-2\n3\n-3\n4\n-4\n");
  });

  it("appends to a plain file and to file://, which is made", async () => {
    const plain = join(rig.directory, "plain");
    fs.writeFileSync(plain, "before\n");
    const io = await open({ stdout: plain, stderr: plain });
    // the process gets a pipe: it can reopen /dev/stdout, and does not truncate the file
    expect(await run(io, "echo 1; echo 2 >&2; echo 3 > /dev/stdout")).to.equal(0);
    await io.drained(5_000);
    expect(fs.readFileSync(plain, "utf8")).to.equal("before\n1\n2\n3\n");

    const made = join(rig.directory, "a/b c/made.log");
    const url = `file://${made.replace(" ", "%20")}`;
    for (const stderr of [url, ""]) {
      const logged = await open({ stdout: url, stderr });
      await run(logged, "echo out; echo err >&2");
      await logged.drained(5_000);
    }
    expect(fs.readFileSync(made, "utf8")).to.equal("out\nerr\nout\nerr\n");
  });

  it("lets a process run on when its log file cannot be written", async function () {
    if (!isRoot) this.skip();
    const small = join(rig.directory, "small");
    fs.mkdirSync(small);
    runSync(rig.children, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small);
    try {
      const io = await open({ stdout: `file://${small}/log` });
      expect(await run(io, "head -c 1000000 /dev/zero && echo end")).to.equal(0);
      await io.drained(5_000);
      io.close();
      expect(rig.logged.join()).to.match(/warn write to log file: ENOSPC/);
      expect(fs.statSync(`${small}/log`).size).to.equal(65_536);
    } finally {
      runSync(rig.children, "umount", small);
    }
  });

  it("ends input by CloseIO and the client's close, not by one of them", async () => {
    const [stdin = "", stdout = ""] = rig.fifos("stdin", "stdout");
    const reader = openReader(stdout);
    const io = await open({ stdin, stdout });
    const pid = startShell(rig, io, "cat; echo end");
    const first = openWriter(stdin);
    fs.writeSync(first, "one\n");
    fs.closeSync(first);
    const second = openWriter(stdin);
    fs.writeSync(second, "two\n");
    expect(await read(rig, reader, (text) => text.length === 8)).to.equal("one\ntwo\n");
    fs.closeSync(second);
    expect(await rig.reactor.ready(reader, { timeoutMs: 80 })).to.equal(false);

    const third = openWriter(stdin);
    io.closeStdin();
    fs.writeSync(third, "three\n");
    expect(await read(rig, reader, (text) => text.length === 6)).to.equal("three\n");
    fs.closeSync(third);
    expect(await readAll(rig, reader)).to.equal("end\n");
    expect((await rig.children.exit(pid)).status).to.equal(0);
    await io.drained(5_000);
  });

  it("sees the end of input at once when no client has come before CloseIO", async () => {
    const [stdin = ""] = rig.fifos("stdin");
    const io = await open({ stdin });
    io.closeStdin();
    expect(await run(io, "cat")).to.equal(0);
  });

  it("lets go of the fifo when the process closes its input", async () => {
    const [stdin = ""] = rig.fifos("stdin");
    const io = await open({ stdin });
    const client = openWriter(stdin);
    const pid = startShell(rig, io, "exec <&-; sleep 60");
    // nobody has written: the end shows by itself
    expect(
      await until(
        () => !openFds().some((fd) => fd.endsWith("/stdin") && !fd.startsWith(`${client} `)),
      ),
    ).to.equal(true);
    expect(() => fs.writeSync(client, "x")).to.throw("EPIPE");
    fs.closeSync(client);
    rig.native.kill(pid, 9);
    expect((await rig.children.exit(pid)).status).to.equal(137);
  });

  it("keeps output for a client that comes back, also after the process has ended", async () => {
    const [stdout = ""] = rig.fifos("stdout");
    const go = join(rig.directory, "go");
    const first = openReader(stdout);
    const io = await open({ stdout });
    const pid = startShell(rig, io, `echo one; until test -e ${go}; do sleep 0.01; done; echo two`);
    expect(await read(rig, first, (text) => text === "one\n")).to.equal("one\n");
    fs.closeSync(first);
    fs.writeFileSync(go, "");
    expect((await rig.children.exit(pid)).status).to.equal(0);
    await io.drained(5_000);
    const second = openReader(stdout);
    const data = Buffer.alloc(80);
    expect(data.toString("latin1", 0, fs.readSync(second, data))).to.equal("two\n");
    expect(fs.readSync(second, data)).to.equal(0);
    fs.closeSync(second);
  });

  it("waits for a background child, but not longer than it is told", async () => {
    const [stdout = ""] = rig.fifos("stdout");
    const reader = openReader(stdout);
    const io = await open({ stdout });
    expect(await run(io, "(sleep 0.3; echo late) & echo early")).to.equal(0);
    const start = Date.now();
    await io.drained(50);
    expect(Date.now() - start).to.be.within(40, 200);
    await io.drained(5_000);
    expect(Date.now() - start).to.be.within(200, 2_000);
    expect(await readAll(rig, reader)).to.equal("early\nlate\n");
  });

  it("holds an exit back until the client has read all, but not for long", async () => {
    const [stdout = ""] = rig.fifos("stdout");
    const reader = openReader(stdout);
    const time = async (io: ProcessIo): Promise<number> => {
      const start = Date.now();
      await io.exited();
      return Date.now() - start;
    };
    const quiet = await open({ stdout });
    await run(quiet, "true");
    expect(await time(quiet)).to.be.below(50);

    const unread = await open({ stdout });
    await run(unread, "echo x");
    expect(await time(unread)).to.be.within(90, 200);

    const slow = await open({ stdout });
    await run(slow, "echo y");
    const exited = time(slow);
    await sleep(30);
    fs.readSync(reader, Buffer.alloc(80));
    expect(await exited).to.be.within(25, 80);

    const shared = await open({ stdout });
    await run(shared, "sleep 0.3 &");
    expect(await time(shared)).to.be.within(90, 200);
    shared.close();
    fs.closeSync(reader);
  });

  it("is not slowed down by another container's reader", async () => {
    const [slow = "", fast = ""] = rig.fifos("slow", "fast");
    const slowReader = openReader(slow);
    const stuck = await open({ stdout: slow });
    const stuckPid = startShell(rig, stuck, "exec head -c 20000000 /dev/zero");
    await sleep(50);
    const fastReader = openReader(fast);
    const io = await open({ stdout: fast });
    const text = readAll(rig, fastReader);
    const start = Date.now();
    expect(await run(io, "head -c 5000000 /dev/zero")).to.equal(0);
    await io.drained(5_000);
    expect((await text).length).to.equal(5_000_000);
    expect(Date.now() - start).to.be.below(2_000);
    const late = readAll(rig, slowReader);
    expect((await rig.children.exit(stuckPid)).status).to.equal(0);
    await stuck.drained(5_000);
    expect((await late).length).to.equal(20_000_000);
  });

  it("gives the pipes to io_uid and io_gid", async function () {
    if (!isRoot) this.skip();
    const [stdin = "", stdout = "", stderr = ""] = rig.fifos("stdin", "stdout", "stderr");
    const readers = [openReader(stdout), openReader(stderr)];
    const io = await open({ stdin, stdout, stderr }, { uid: 1234, gid: 4321 });
    const owners = io.stdio.map((fd) => {
      const { uid, gid } = fs.fstatSync(fd);
      return `${uid}:${gid}`;
    });
    expect(owners).to.deep.equal(["1234:4321", "1234:4321", "1234:4321"]);
    for (const fd of readers) fs.closeSync(fd);
  });

  it("opens nothing for good when something cannot be opened", async () => {
    const [stdout = ""] = rig.fifos("stdout");
    const reader = openReader(stdout);
    const message = async (request: Partial<StdioRequest>): Promise<string> => {
      try {
        await open(request);
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    const absent = join(rig.directory, "absent");
    expect(await message({ stdout, stderr: absent })).to.match(/^open .*absent: ENOENT/);
    expect(await message({ stdout, stdin: absent })).to.match(/^open .*absent: ENOENT/);
    expect(await message({ stdout: "pigeon:///x" })).to.equal("unknown STDIO scheme pigeon");
    fs.closeSync(reader);
    expect(await message({ stdout })).to.match(/stdout: nobody reads it$/);
  });

  it("may be closed at any time, and more than once", async () => {
    const [stdin = "", stdout = ""] = rig.fifos("stdin", "stdout");
    const reader = openReader(stdout);
    const unused = await open({ stdin, stdout });
    unused.close();
    unused.close();
    unused.handedOver();
    const io = await open({ stdin, stdout });
    const pid = startShell(rig, io, "trap '' PIPE; while echo x; do :; done; cat");
    await sleep(30);
    io.close();
    io.closeStdin();
    io.resize(1, 1);
    await io.drained(50);
    expect((await rig.children.exit(pid)).status).to.equal(0);
    fs.closeSync(reader);
  });

  it("grows neither fds nor memory over 2,000 processes", async function () {
    this.timeout(60_000);
    const [stdin = "", stdout = "", stderr = ""] = rig.fifos("stdin", "stdout", "stderr");
    const readers = [openReader(stdout), openReader(stderr)];
    const fds = openFds().length;
    const data = Buffer.alloc(64);
    let heap = 0;
    for (let turn = 0; turn < 2_000; turn++) {
      if (turn === 500) heap = memory();
      const io = await openStdio(rig.env, { stdin, stdout, stderr, terminal: false }, owner);
      const process_ = rig.native.dup(io.stdio[1]);
      io.handedOver();
      fs.writeSync(process_, "x");
      fs.closeSync(process_);
      await io.drained(1_000);
      io.close();
      expect(fs.readSync(readers[0] ?? -1, data)).to.equal(1);
    }
    expect(await until(() => openFds().length === fds)).to.equal(true);
    expect(memory() - heap).to.be.below(500_000);
    for (const fd of readers) fs.closeSync(fd);
  });

  function memory(): number {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    collect();
    return process.memoryUsage().heapUsed;
  }
});
