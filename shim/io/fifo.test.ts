/** Opening of fifos and files never blocks, and finds out what is no place for stdio. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { RuntimeError } from "../../runtime/base/errors.ts";
import { openLogFile, openSink, openSource } from "./fifo.ts";

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

describe("shim/io/fifo", () => {
  let directory = "";
  let fds: number[] = [];

  function fifo(name: string): string {
    const path = join(directory, name);
    execFileSync("mkfifo", [path]);
    return path;
  }

  function own(...opened: number[]): void {
    fds.push(...opened.filter((fd) => fd >= 0));
  }

  async function failure(action: () => unknown): Promise<RuntimeError | undefined> {
    try {
      await action();
      return undefined;
    } catch (error) {
      return error as RuntimeError;
    }
  }

  beforeEach(() => {
    directory = fs.mkdtempSync(join(tmpdir(), "shim-fifo-"));
  });

  afterEach(() => {
    for (const fd of fds) fs.closeSync(fd);
    fds = [];
    fs.rmSync(directory, { recursive: true });
  });

  it("opens a fifo that has a reader, and holds it open for the next one", async () => {
    const path = fifo("out");
    const reader = fs.openSync(path, O_RDONLY | O_NONBLOCK);
    const sink = await openSink(path);
    own(sink.write, sink.hold);
    fs.closeSync(reader);
    expect(fs.writeSync(sink.write, "kept")).to.equal(4);
    const next = fs.openSync(path, O_RDONLY | O_NONBLOCK);
    own(next);
    const data = Buffer.alloc(8);
    expect(data.toString("latin1", 0, fs.readSync(next, data))).to.equal("kept");
  });

  it("waits for a reader without blocking, and not for ever", async () => {
    const path = fifo("out");
    const start = Date.now();
    let reader = -1;
    setTimeout(() => {
      reader = fs.openSync(path, O_RDONLY | O_NONBLOCK);
      own(reader);
    }, 120);
    const sink = await openSink(path, 5_000);
    own(sink.write, sink.hold);
    expect(reader).to.be.at.least(0);
    expect(Date.now() - start).to.be.within(100, 1_000);

    const error = await failure(() => openSink(fifo("lonely"), 60));
    expect(error?.code).to.equal("DeadlineExceeded");
    expect(error?.message).to.match(/^open fifo .*\/lonely: nobody reads it$/);
  });

  it("opens a file for appending, but does not make one", async () => {
    const path = join(directory, "log");
    expect((await failure(() => openSink(path)))?.code).to.equal("NotFound");
    fs.writeFileSync(path, "a");
    const sink = await openSink(path);
    own(sink.write);
    expect(sink.hold).to.equal(-1);
    fs.writeSync(sink.write, "b");
    fs.writeFileSync(path, "");
    fs.writeSync(sink.write, "c");
    expect(fs.readFileSync(path, "utf8")).to.equal("c");
  });

  it("refuses what is neither", async () => {
    expect((await failure(() => openSink(directory)))?.code).to.equal("InvalidArgument");
    expect((await failure(() => openSink("/dev/tty")))?.message).to.equal(
      "/dev/tty is neither a fifo nor a file",
    );
    const file = join(directory, "file");
    fs.writeFileSync(file, "");
    expect((await failure(() => openSource(file)))?.message).to.equal(`${file} is not a fifo`);
    expect((await failure(() => openSource(`${file}2`)))?.code).to.equal("NotFound");
  });

  it("makes a log file and its directories", () => {
    const path = join(directory, "a/b/c.log");
    own(openLogFile(path).write);
    expect(fs.statSync(path).mode & 0o777).to.equal(0o644);
    expect(fs.statSync(join(directory, "a/b")).mode & 0o777).to.equal(0o755);
    const again = openLogFile(path).write;
    own(again);
    fs.writeSync(again, "x");
    expect(fs.readFileSync(path, "utf8")).to.equal("x");
    expect(() => openLogFile(join(path, "below"))).to.throw(/^open log file .*ENOTDIR|EEXIST/);
  });

  it("sees the end of input only when its own writing end is closed, too", () => {
    const path = fifo("in");
    const source = openSource(path);
    own(source.read);
    const client = fs.openSync(path, O_WRONLY | O_NONBLOCK);
    fs.writeSync(client, "x");
    fs.closeSync(client);
    const data = Buffer.alloc(8);
    expect(fs.readSync(source.read, data)).to.equal(1);
    expect(() => fs.readSync(source.read, data)).to.throw("EAGAIN");
    fs.closeSync(source.hold);
    expect(fs.readSync(source.read, data)).to.equal(0);
  });
});
