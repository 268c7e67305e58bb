import { spawn } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { hasAddon } from "../../runtime/lifecycle/test-runtime.ts";
import { openAddon } from "../../runtime/native/binding.ts";
import { listenOrJoin, releaseSocket, removeDeadSocket } from "./socket.ts";

describe("shim socket", () => {
  let base = "";
  let path = "";
  let fds: number[] = [];

  before(function () {
    if (!hasAddon()) this.skip();
  });
  beforeEach(() => {
    base = mkdtempSync(`${tmpdir()}/socket-`);
    path = `${base}/a/s/${"0".repeat(64)}`;
  });
  afterEach(() => {
    for (const fd of fds) closeSync(fd);
    fds = [];
    rmSync(base, { recursive: true });
  });

  function open(): number | undefined {
    const fd = listenOrJoin(openAddon(), path);
    if (fd !== undefined) fds.push(fd);
    return fd;
  }
  function close(): void {
    for (const fd of fds) closeSync(fd);
    fds = [];
  }

  it("is made, along with its directory, for its owner alone", () => {
    expect(open()).to.be.a("number");
    expect(statSync(`${base}/a/s`).mode & 0o777).to.equal(0o700);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(openAddon().isListening(path)).to.equal(true);
  });
  it("is joined when somebody listens, and replaced when nobody does", () => {
    open();
    expect(open()).to.equal(undefined);
    close();
    expect(existsSync(path), "left by the dead").to.equal(true);
    expect(openAddon().isListening(path)).to.equal(false);
    expect(open()).to.be.a("number");
    expect(open()).to.equal(undefined);
  });
  it("is not made where others could put one", () => {
    open();
    close();
    chmodSync(`${base}/a/s`, 0o770);
    expect(() => open()).to.throw("is not ours alone");
  });
  it("is removed when its shim has died, only then", () => {
    open();
    removeDeadSocket(openAddon(), path);
    expect(existsSync(path)).to.equal(true);
    close();
    removeDeadSocket(openAddon(), path);
    expect(existsSync(path)).to.equal(false);
    removeDeadSocket(openAddon(), path);
    removeDeadSocket(openAddon(), `${base}/none/x`);
  });
  it("is given up by its owner", () => {
    open();
    releaseSocket(openAddon(), path);
    expect(existsSync(path)).to.equal(false);
    releaseSocket(openAddon(), path);
  });
  it("waits for others that start or remove one", async () => {
    open();
    const holder = spawn("flock", [`${base}/a/s`, "sh", "-c", "echo locked; sleep 0.2"]);
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    const began = Date.now();
    expect(open()).to.equal(undefined);
    expect(Date.now() - began).to.be.within(50, 1500);
    await new Promise((resolve) => holder.once("close", resolve));
  });
  it("is alive while its queue is full", async () => {
    const server = createServer();
    const other = `${base}/full`;
    await new Promise<void>((resolve) => server.listen({ path: other, backlog: 1 }, resolve));
    expect(openAddon().isListening(other)).to.equal(true);
    expect(openAddon().isListening(other)).to.equal(true);
    expect(openAddon().isListening(other)).to.equal(true);
    await new Promise((resolve) => server.close(resolve));
  });
});
