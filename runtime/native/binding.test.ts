/** The real addon against the real kernel: what a spawned child inherits, and how messages carry fds. */
import * as fs from "node:fs";
import { expect } from "chai";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { libexecDir, loadNative, type NativeBinding, type SpawnOptions } from "./binding.ts";

const CLONE_NEWPID = 0x20000000;
const SIGTERM = 15;
const SIGKILL = 9;

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;
const isBuilt = fs.existsSync(`${libexecDir()}/tsrunc.node`);
const isRoot = process.geteuid?.() === 0;

let native: NativeBinding;
let scratch = "";
/** Fds that the running test has opened; closed after it. */
let opened: number[] = [];

function own<T extends number | readonly number[]>(fds: T): T {
  const list: readonly number[] = typeof fds === "number" ? [fds] : fds;
  opened.push(...list);
  return fds;
}

function spawnOptions(argv: readonly string[], more: Partial<SpawnOptions> = {}): SpawnOptions {
  return {
    file: argv[0] ?? "",
    argv,
    env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
    stdio: [-1, -1, 2],
    keepFds: [],
    cloneFlags: 0,
    cgroupFd: -1,
    ...more,
  };
}

/** What an fd leads to; nothing for one that is closed by now. */
function linkOf(fd: string): string | undefined {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/** Closes an fd that `own` has noted before the test ends. */
function close(fd: number): void {
  fs.closeSync(fd);
  opened = opened.filter((other) => other !== fd);
}

/** Starts a program whose pidfd is closed after the test. */
function start(
  argv: readonly string[],
  more: Partial<SpawnOptions> = {},
): { readonly pid: number; readonly pidfd: number } {
  const child = native.spawn(spawnOptions(argv, more));
  own(child.pidfd);
  return child;
}

/** Runs a shell command to its end and gives back what it wrote to fd 1. */
function shell(command: string, more: Partial<SpawnOptions> = {}): string {
  const [read, write] = own(native.pipe());
  const [stdin = -1, , stderr = 2, ...others] = more.stdio ?? [];
  const stdio: SpawnOptions["stdio"] = [stdin, write, stderr, ...others];
  const child = start(["/bin/sh", "-c", command], { ...more, stdio });
  close(write);
  const output = fs.readFileSync(read, "utf8");
  expect(native.waitPid(child.pid, false), `status of ${command}`).to.equal(0);
  return output;
}

/** The error a call throws, which has to be one of the system. */
function failure(call: () => unknown): NodeJS.ErrnoException {
  try {
    call();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error("did not throw");
}

function fdCount(): number {
  return fs.readdirSync("/proc/self/fd").length;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(data: Uint8Array | undefined): string {
  expect(data, "message").to.be.an.instanceOf(Uint8Array);
  return new TextDecoder().decode(data);
}

describe(`native binding${isBuilt ? "" : ` (skipped: no ${libexecDir()}/tsrunc.node)`}`, () => {
  before(function () {
    if (!isBuilt) this.skip();
    native = loadNative(PLAN_ABI);
    scratch = fs.mkdtempSync("/tmp/tsrunc-native-");
  });

  afterEach(() => {
    for (const fd of opened) fs.closeSync(fd);
    opened = [];
  });

  after(() => {
    if (scratch !== "") fs.rmSync(scratch, { recursive: true });
  });

  describe("spawn", () => {
    it("passes stdio and nothing else", () => {
      own(fs.openSync("/", "r"));
      own(native.pipe());
      // 3 is the directory that ls itself reads.
      expect(shell("ls /proc/self/fd").split("\n").filter(Boolean)).to.deep.equal([
        "0",
        "1",
        "2",
        "3",
      ]);
    });

    it("keeps the fds it is told to keep under their numbers", () => {
      const kept = own(fs.openSync("/etc", "r"));
      expect(shell(`readlink /proc/self/fd/${kept}`, { keepFds: [kept] })).to.equal("/etc\n");
    });

    it("resets signal dispositions and the mask", () => {
      const status = shell("grep -E '^Sig(Ign|Blk)' /proc/self/status");
      expect(status).to.equal("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
      const ours = fs.readFileSync("/proc/self/status", "utf8");
      expect(ours, "the engine ignores SIGPIPE").to.match(/SigIgn:\s+[0-9a-f]*1001000/);
      expect(ours, "our own mask is untouched").to.match(/SigBlk:\s+0+\n/);
    });

    it("passes exactly the environment and arguments it is given", () => {
      expect(
        shell("tr '\\0' '\\n' < /proc/self/environ", { env: ["PATH=/bin", "A=b c"] }),
      ).to.equal("PATH=/bin\nA=b c\n");
    });

    it("permutes and duplicates stdio fds", () => {
      const [read, write] = own(native.pipe());
      const child = start(["/bin/sh", "-c", "echo out; echo err >&2"], {
        stdio: [1, write, write],
      });
      expect(native.waitPid(child.pid, false)).to.equal(0);
      close(write);
      expect(fs.readFileSync(read, "utf8")).to.equal("out\nerr\n");
    });

    it("places more fds than three", () => {
      const etc = own(fs.openSync("/etc", "r"));
      const script = "readlink /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5; ls /proc/self/fd";
      expect(shell(script, { stdio: [-1, -1, 2, etc, -1, etc] })).to.equal(
        "/etc\n/dev/null\n/etc\n0\n1\n2\n3\n4\n5\n6\n",
      );
    });

    it("starts a session when asked to", () => {
      const ids = "cut -d' ' -f5,6 /proc/self/stat";
      const [group, session] = shell(ids, { newSession: true }).trim().split(" ");
      expect(group).to.equal(session);
      expect(shell(ids).trim().split(" "), "else ours").to.not.include(session);
    });

    it("opens /dev/null for -1", () => {
      expect(shell("readlink /proc/self/fd/0 /proc/self/fd/2", { stdio: [-1, -1, -1] })).to.equal(
        "/dev/null\n/dev/null\n",
      );
    });

    it("executes a sealed copy", () => {
      const copy = own(native.sealedCopy("/bin/cat"));
      const [read, write] = own(native.pipe());
      const child = start(["cat", "/proc/self/exe"], { file: copy, stdio: [-1, write, 2] });
      close(write);
      expect(
        fs.readFileSync(read).equals(fs.readFileSync("/bin/cat")),
        "runs its own copy",
      ).to.equal(true);
      expect(native.waitPid(child.pid, false)).to.equal(0);
    });

    it("throws the errno of the exec and leaves neither child nor fd behind", () => {
      const before = fdCount();
      const error = failure(() => native.spawn(spawnOptions(["/nonexistent/program"])));
      expect(error).to.include({ code: "ENOENT", errno: -2, syscall: "execve" });
      expect(failure(() => native.spawn(spawnOptions(["/etc/passwd"]))).code).to.equal("EACCES");
      expect(fdCount()).to.equal(before);
      expect(fs.readFileSync("/proc/thread-self/children", "utf8")).to.equal("");
    });

    it("names the step of the child that failed", () => {
      const options = (more: Partial<SpawnOptions>) => () =>
        native.spawn(spawnOptions(["/bin/true"], more));
      expect(failure(options({ keepFds: [9999] }))).to.include({ code: "EBADF", syscall: "fcntl" });
      expect(failure(options({ stdio: [0, 1, 9999] }))).to.include({
        code: "EBADF",
        syscall: "dup3",
      });
      expect(failure(options({ cloneFlags: 0x100 })), "CLONE_VM").to.include({ code: "EINVAL" });
    });

    it("refuses arguments of the wrong type", () => {
      expect(() => native.spawn(spawnOptions(["/bin/true", "a\0b"]))).to.throw(TypeError, "argv");
      expect(() => native.spawn(spawnOptions(["/bin/true"], { keepFds: [2] }))).to.throw(TypeError);
      expect(() => native.spawn(spawnOptions(["/bin/true"], { keepFds: [3.5] }))).to.throw(
        TypeError,
      );
      expect(() => native.spawn({} as unknown as SpawnOptions)).to.throw(TypeError, "file");
    });

    it(`makes the child pid 1 of a new pid namespace${isRoot ? "" : " (skipped: needs root)"}`, function () {
      if (!isRoot) this.skip();
      expect(shell("echo $$", { cloneFlags: CLONE_NEWPID })).to.equal("1\n");
    });
  });

  describe("processes", () => {
    it("reports exit codes, and signals as 128 + n", () => {
      const exits = start(["/bin/sh", "-c", "exit 42"]);
      expect(native.waitPid(exits.pid, false)).to.equal(42);

      const killed = start(["/bin/sleep", "60"]);
      expect(native.waitPid(killed.pid, true)).to.equal(undefined);
      native.signalPidfd(killed.pidfd, SIGTERM);
      expect(native.waitPid(killed.pid, false)).to.equal(128 + SIGTERM);
      expect(failure(() => native.waitPid(killed.pid, false)).code).to.equal("ECHILD");
      expect(failure(() => native.signalPidfd(killed.pidfd, 0)).code).to.equal("ESRCH");
    });

    it("never waits for any child", () => {
      expect(failure(() => native.waitPid(-1, true))).to.include({
        code: "EINVAL",
        syscall: "waitpid",
      });
    });

    it("makes exit visible to poll through a pidfd", () => {
      const child = start(["/bin/sleep", "60"]);
      const pidfd = own(native.openPidfd(child.pid));
      expect(native.poll([pidfd], 0)).to.deep.equal([]);
      native.kill(child.pid, SIGKILL);
      expect(native.poll([pidfd, child.pidfd], 5000)).to.deep.equal([pidfd, child.pidfd]);
      expect(native.waitPid(child.pid, true)).to.equal(128 + SIGKILL);
    });

    it("takes a copy of another process's fd", () => {
      const child = start(["/bin/sleep", "60"]);
      const copy = own(native.getFd(child.pidfd, 1));
      expect(fs.fstatSync(copy).ino).to.equal(fs.statSync(`/proc/${child.pid}/fd/1`).ino);
      expect(failure(() => native.getFd(child.pidfd, 999))).to.include({
        code: "EBADF",
        syscall: "pidfd_getfd",
      });
      native.kill(child.pid, SIGKILL);
      native.waitPid(child.pid, false);
    });

    it("forwards the exit status of a foreground process that shares our stdio", () => {
      const child = start(["/bin/sh", "-c", "kill -TERM $$"]);
      const before = fs.readFileSync("/proc/self/status", "utf8").match(/Sig(Ign|Cgt|Blk).*/g);
      const status = native.foreground({ pid: child.pid, pidfd: child.pidfd, masterFd: -1 });
      expect(status).to.equal(128 + SIGTERM);
      const after = fs.readFileSync("/proc/self/status", "utf8").match(/Sig(Ign|Cgt|Blk).*/g);
      expect(after, "dispositions are restored").to.deep.equal(before);
    });

    it("forwards signals that reach us meanwhile", () => {
      // A child signals us; it waits until a handler of the relay shows that we are inside.
      const caught = `grep -q 'SigCgt:.*[13579bdf]$' /proc/${process.pid}/status`;
      const script = `trap 'exit 5' HUP; until ${caught}; do :; done; kill -HUP ${process.pid}; while :; do sleep 0.01; done`;
      const child = start(["/bin/sh", "-c", script]);
      const status = native.foreground({ pid: child.pid, pidfd: child.pidfd, masterFd: -1 });
      expect(status).to.equal(5);
    });
  });

  describe("messages", () => {
    it("carry bytes and fds, close-on-exec", () => {
      const [left, right] = own(native.socketPair());
      native.send(left, bytes("hello"), [own(fs.openSync("/etc", "r")), left]);
      const message = native.receive(right);
      own(message.fds);
      expect(text(message.data)).to.equal("hello");
      expect(message.fds).to.have.length(2);
      const [fd = -1] = message.fds;
      expect(fs.readlinkSync(`/proc/self/fd/${fd}`)).to.equal("/etc");
      const flags =
        fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").match(/flags:\s+(\d+)/)?.[1] ?? "";
      expect(Number.parseInt(flags, 8) & 0o2000000, "O_CLOEXEC").to.not.equal(0);
    });

    it("keep their boundaries", () => {
      const [left, right] = own(native.socketPair());
      native.send(left, bytes("one"), []);
      native.send(left, new Uint8Array(65536).fill(7), []);
      expect(text(native.receive(right).data)).to.equal("one");
      expect(native.receive(right).data).to.deep.equal(new Uint8Array(65536).fill(7));
      expect(failure(() => native.receive(right)).code).to.equal("EAGAIN");
    });

    it("end with undefined, after what the peer said before it closed", () => {
      const [left, right] = own(native.socketPair());
      native.send(right, bytes("never read"), []);
      native.send(left, bytes("last words"), []);
      close(left);
      expect(text(native.receive(right).data)).to.equal("last words");
      expect(native.receive(right)).to.deep.equal({ data: undefined, fds: [] });
      expect(failure(() => native.send(right, bytes("x"), [])).code).to.equal("EPIPE");
    });

    it("are refused when they are empty or too long, without leaking fds", () => {
      const [left, right] = own(native.socketPair());
      expect(failure(() => native.send(left, new Uint8Array(0), [])).code).to.equal("EINVAL");
      expect(failure(() => native.send(left, bytes("x"), Array(9).fill(left))).code).to.equal(
        "EINVAL",
      );
      const before = fdCount();
      native.send(left, new Uint8Array(65537), [left]);
      expect(failure(() => native.receive(right))).to.include({
        code: "EMSGSIZE",
        syscall: "recvmsg",
      });
      expect(fdCount()).to.equal(before);
    });
  });

  describe("sockets", () => {
    it("listen and connect below a directory with a long path", () => {
      const deep = `${scratch}/${"d".repeat(120)}`;
      fs.mkdirSync(deep);
      const directory = own(fs.openSync(deep, "r"));
      const listener = own(native.listenAt(directory, "s"));
      expect(fs.statSync(`${deep}/s`).mode & 0o777).to.equal(0o600);
      own(native.connectAt(directory, "s"));
      expect(native.poll([listener], 1000)).to.deep.equal([listener]);
      expect(failure(() => native.listenAt(directory, "s")).code).to.equal("EADDRINUSE");
    });

    it("refuse symbolic links and names with a slash", () => {
      const directory = own(fs.openSync(scratch, "r"));
      own(native.listenAt(directory, "real"));
      fs.symlinkSync("real", `${scratch}/link`);
      expect(failure(() => native.connectAt(directory, "link")).code).to.equal("ELOOP");
      expect(failure(() => native.connectAt(directory, "../x")).code).to.equal("EINVAL");
      expect(failure(() => native.connectAt(directory, "none")).code).to.equal("ENOENT");
      expect(failure(() => native.connectStream(`${scratch}/real`)).code).to.equal("EPROTOTYPE");
    });
  });

  describe("files", () => {
    it("sealed memory cannot be changed", () => {
      const fd = own(native.sealedMemory("plan", bytes("content")));
      expect(fs.readFileSync(fd, "utf8")).to.equal("content");
      expect(failure(() => fs.writeSync(fd, "x", 0)).code).to.equal("EPERM");
      expect(failure(() => fs.ftruncateSync(fd, 1)).code).to.equal("EPERM");
    });

    it("sealed copies are of regular files only", () => {
      expect(failure(() => native.sealedCopy("/dev/zero")).code).to.equal("EINVAL");
      expect(failure(() => native.sealedCopy("/none")).code).to.equal("ENOENT");
    });

    it("reports file systems and inherited fds", () => {
      expect(native.statfs("/proc").type).to.equal(0x9fa0);
      const [read] = own(native.pipe());
      expect(native.isInherited(0)).to.equal(true);
      expect(native.isInherited(read)).to.equal(true);
      const polls = fs
        .readdirSync("/proc/self/fd")
        .filter((fd) => linkOf(fd) === "anon_inode:[eventpoll]");
      expect(polls, "the engine's own").to.not.deep.equal([]);
      expect(polls.map((fd) => native.isInherited(Number(fd)))).to.not.include(true);
      expect(native.isInherited(9999)).to.equal(false);
    });

    it("watches a file for changes", () => {
      const path = `${scratch}/events`;
      fs.writeFileSync(path, "a");
      const watch = own(native.watchFile(path));
      expect(native.poll([watch], 0)).to.deep.equal([]);
      fs.appendFileSync(path, "b");
      expect(native.poll([watch], 1000)).to.deep.equal([watch]);
    });
  });
});
