/** The contract with the native addon, and the only place that opens it. */
import { fail } from "../base/errors.ts";

/**
 * A program to start with vfork semantics; nothing of the caller's leaks but what is listed here.
 */
export interface SpawnOptions {
  /** Absolute path of the executable, or an fd (a sealed memfd) to execveat. */
  readonly file: string | number;
  readonly argv: readonly string[];
  /** `NAME=value` entries; the caller's own environment is not passed. */
  readonly env: readonly string[];
  /** Fds which become 0, 1, 2 and so on, 8 at most. Duplicates and self-references are fine; -1 means /dev/null. */
  readonly stdio: readonly [number, number, number, ...number[]];
  /** Fds above those of stdio that stay open in the child, under the same numbers. */
  readonly keepFds: readonly number[];
  /** CLONE_NEW* bits; CLONE_VM|CLONE_VFORK|CLONE_PIDFD and SIGCHLD are added. */
  readonly cloneFlags: number;
  /** Directory fd of a v2 cgroup for CLONE_INTO_CGROUP, or -1. */
  readonly cgroupFd: number;
  /** setsid(2): a daemon, which signals to our process group and our terminal do not reach. */
  readonly newSession?: boolean;
}

export interface ReceivedMessage {
  /** Undefined when the peer has closed its end. */
  readonly data: Uint8Array | undefined;
  readonly fds: readonly number[];
}

/** What a foreground container or exec needs from its supervisor. */
export interface ForegroundOptions {
  readonly pid: number;
  readonly pidfd: number;
  /** Master side of the container's terminal, or -1 when it shares the caller's stdio. */
  readonly masterFd: number;
  /** What the container says to the first fd (notifyListenAt) goes to the second (notifyConnect). */
  readonly notify?: readonly [socket: number, host: number];
}

export interface FileSystemStats {
  /** f_type as in statfs(2). */
  readonly type: number;
}

/** File operations for light-fs.ts, named as the system calls. All fds are close-on-exec, interrupted calls repeated. */
export interface NativeIo {
  readText(path: string, latin1: boolean): string;
  open(path: string, flags: number, mode: number): number;
  close(fd: number): void;
  /** One read(2) into all of `data`; position -1 is the file's own. */
  read(fd: number, data: Uint8Array, position: number): number;
  /** One write(2); returns the number of bytes. */
  write(fd: number, data: string | Uint8Array): number;
  /** dev, ino, mode, nlink, uid, gid, size, mtime in ms; undefined when `optional` and nothing is there. */
  stat(target: string | number, optional: boolean): readonly number[] | undefined;
  exists(path: string): boolean;
  mkdir(path: string, mode: number): void;
  chmod(path: string, mode: number): void;
  chown(fd: number, uid: number, gid: number): void;
  rmdir(path: string): void;
  unlink(path: string): void;
  symlink(target: string, path: string): void;
  rename(from: string, to: string): void;
  readLink(path: string): string;
  realPath(path: string): string;
  /** Each name is followed by whether it is a directory. */
  list(path: string): readonly (string | boolean)[];
}

/**
 * The shim's I/O thread: waits for fds and moves bytes between them without the engine. A token is any integer up to
 * 2^53-1, chosen by the caller and used once.
 */
export interface NativeReactor {
  /**
   * Starts the thread. `deliver` gets flat pairs (token, value), many at once, on the engine's thread, and may not
   * throw. Keeps the process alive until stop(). One reactor a process: EALREADY for a second one.
   */
  start(deliver: (events: readonly number[]) => void): void;
  /** Ends the thread and everything under way: closes the fds of copies, gives no more events. */
  stop(): void;
  /**
   * One event (token, revents of poll(2)) when fd is readable, or writable, or hung up; files that cannot be waited
   * for are ready at once. The fd is duplicated: the open file stays open until the event or unwatch().
   */
  watch(token: number, fd: number, writable: boolean): void;
  /** No event of this token is delivered from now on. Unknown tokens are fine. */
  unwatch(token: number): void;
  /**
   * Moves bytes until `from` is at its end (the EIO of a terminal that all have closed is one), or `to` is gone or
   * fails; closes both and gives the event (token, 0 or the errno, EPIPE when nobody reads `to`). Takes both fds over,
   * also when it throws. With back-pressure; a blocked copy costs no time and delays no other. What is not a pipe on
   * both sides is made non-blocking: nobody else may share the open file then.
   */
  copy(token: number, from: number, to: number): void;
  /** Ends a copy without an event and closes its fds, if it is moving bytes right now a moment later. */
  cancelCopy(token: number): void;
  /** SIGCHLD gives the event (token, 0) from now on, several may become one. Chains to the handler that was there. */
  watchChildren(token: number): void;
}

/** The other end of an accepted connection, as it was when it connected (SO_PEERCRED). */
export interface Connection {
  /** Non-blocking. */
  readonly fd: number;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A mount to make; the pure part that decides is shim/rootfs/mount-request.ts. Bits are MOUNT_ATTR_*. */
export interface MountRequest {
  readonly kind: "new" | "bind" | "rbind" | "remount" | "remountBind";
  /** Directory that `target` is looked up beneath, symbolic links included; an empty target is the directory itself. */
  readonly root: string;
  readonly target: string;
  readonly type: string;
  readonly source: string;
  /** `key` or `key=value` for the file system; values without quotes. */
  readonly options: readonly string[];
  /** Names that every file system knows: `sync`, `dirsync`, `lazytime`, `mand`. */
  readonly superFlags: readonly string[];
  /** Overlay's lower directories, topmost first, and those that only give data; nothing escaped, any number and length. */
  readonly layers: readonly string[];
  readonly dataLayers: readonly string[];
  readonly set: number;
  readonly clear: number;
  /** For this mount and all below it. */
  readonly setBelow: number;
  readonly clearBelow: number;
  /** MS_SHARED and relatives, in order. */
  readonly propagation: readonly number[];
  /** Lines of uid_map and gid_map when the mount (of overlay: each layer) is to be id-mapped, else both empty. */
  readonly uidMap: string;
  readonly gidMap: string;
  /** The source is an image: through a loop device that frees itself. */
  readonly loop: boolean;
  readonly directIo: boolean;
  /** Use mount(2) only, as on a kernel before 5.2. */
  readonly classic: boolean;
}

/**
 * Mounting and unmounting, which may take seconds or hang: both run on a thread of their own and return an fd that is
 * readable when they are done, for result().
 */
export interface NativeMounts {
  /** A mount that fails leaves nothing behind. */
  mount(request: MountRequest): number;
  /**
   * umount2(2) of `below`, a path inside `root` without symbolic links (empty: root itself), once or until nothing is
   * mounted there. Result: how many mounts are gone, 0 where none was.
   */
  unmount(root: string, below: string, flags: number, all: boolean): number;
  /** Waits for the outcome and closes the fd. Errors have a `detail` with the kernel's own words, where it has any. */
  result(job: number): number;
  /** The path of what is behind `target`, looked up beneath `root` with its links followed there. */
  resolve(root: string, target: string): string;
}

/**
 * The native half, called by the parent only. Every function throws errors shaped like Node's
 * system errors ({code: "EPERM", errno: -1, syscall: "mount"}). Fds are plain numbers, opened
 * close-on-exec; whoever receives one from here closes it.
 */
export interface NativeBinding {
  /** The plan ABI the addon was built with; has to equal PLAN_ABI. */
  readonly abi: number;
  readonly io: NativeIo;
  readonly mounts: NativeMounts;
  readonly reactor: NativeReactor;
  /** Copies a file into a sealed (SHRINK|GROW|WRITE|SEAL), close-on-exec memfd. */
  sealedCopy(path: string): number;
  /**
   * A sealed memfd that holds these bytes, read offset 0; data, not a program: it cannot be
   * executed.
   */
  sealedMemory(name: string, data: Uint8Array): number;
  /**
   * Starts a program with default signal dispositions and an empty mask, and returns once it has
   * been executed; throws the exec's own errno (syscall "execve") when it cannot be. The caller
   * closes pidfd and reaps pid.
   */
  spawn(options: SpawnOptions): { readonly pid: number; readonly pidfd: number };
  /** A SOCK_SEQPACKET pair. */
  socketPair(): [number, number];
  /** A pipe [read, write], close-on-exec. */
  pipe(): [number, number];
  /** How many bytes a pipe, fifo or stream socket holds for its reader. */
  unread(fd: number): number;
  /**
   * Binds (mode 0600) and listens on a SOCK_SEQPACKET unix socket `name`, up to 80 bytes, in
   * directory `dirFd`, whose own path may have any length.
   */
  listenAt(dirFd: number, name: string): number;
  /** Connects to such a socket; refuses a symbolic link (ELOOP). */
  connectAt(dirFd: number, name: string): number;
  /** Connects a SOCK_STREAM socket to a path (console socket, pidfd socket). */
  connectStream(path: string): number;
  /** Binds (mode 0600) and listens on a SOCK_STREAM unix socket; non-blocking. EADDRINUSE when the file exists. */
  listenStream(path: string): number;
  /** The next connection of a non-blocking listener; undefined when none waits. */
  accept(fd: number): Connection | undefined;
  /** O_NONBLOCK of the open file, which all who share it notice. */
  setNonblocking(fd: number, on: boolean): void;
  /** Reads into `buffer` from `offset` to its end, which must not be empty; 0 is the end, -1 that nothing is there (EAGAIN). */
  tryRead(fd: number, buffer: Uint8Array, offset: number): number;
  /** Writes `length` bytes of `buffer` from `offset`, or less; -1 when nothing goes (EAGAIN). EPIPE without SIGPIPE. */
  tryWrite(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  /** A duplicate above 2, close-on-exec. */
  dup(fd: number): number;
  /** Binds a SOCK_DGRAM socket of mode 0777 in the directory; EADDRINUSE while another one is alive there. */
  notifyListenAt(dirFd: number, name: string): number;
  /** Connects a SOCK_DGRAM socket to what $NOTIFY_SOCKET says, abstract names included. */
  notifyConnect(address: string): number;
  /**
   * Sends what a container may say of its state (READY, STATUS, STOPPING, EXTEND_TIMEOUT_USEC) in
   * the next datagram, if any, on to `host`. Returns whether READY=1 was in it.
   */
  notifyForward(socket: number, host: number): boolean;
  /**
   * sendmsg with SCM_RIGHTS (8 fds at most); MSG_NOSIGNAL; retries EINTR, blocks when full; EINVAL
   * for no bytes.
   */
  send(fd: number, data: Uint8Array, fds: readonly number[]): void;
  /**
   * recvmsg, MSG_CMSG_CLOEXEC, non-blocking: throws EAGAIN when nothing is there, EMSGSIZE for more
   * than 64 KiB or 8 fds. What a peer sent before it closed is still received.
   */
  receive(fd: number): ReceivedMessage;
  /** poll(2) for POLLIN, blocking; timeout in ms, -1 for none. Returns the fds with any revents. */
  poll(fds: readonly number[], timeoutMs: number): number[];
  openPidfd(pid: number): number;
  /** A copy of an fd of another process (pidfd_getfd(2)); needs the right to trace it. */
  getFd(pidfd: number, fd: number): number;
  signalPidfd(pidfd: number, signal: number): void;
  /** kill(2). */
  kill(pid: number, signal: number): void;
  /**
   * waitpid of an own child: wait status as `128+signal` or exit code; undefined with noHang when
   * it lives on.
   */
  waitPid(pid: number, noHang: boolean): number | undefined;
  /** CLOCK_MONOTONIC in microseconds, the clock of init's trace. */
  monotonic(): number;
  /** Reaps any child that has ended, status as waitPid's; undefined when there is none. For the one reaper of a process. */
  reapAny(): { readonly pid: number; readonly status: number } | undefined;
  setSubreaper(on: boolean): void;
  /**
   * Can this fd have come from our caller? It is open and no epoll instance. The engine's is the first that it keeps,
   * at the lowest number that was free: whoever counts up from 3 meets it where the caller's fds end. Close-on-exec
   * says nothing, engines set it on inherited fds (Bun: from 4 on).
   */
  isInherited(fd: number): boolean;
  /** statfs(2) of a path, for file system magic numbers. */
  statfs(path: string): FileSystemStats;
  /** umount2(2). */
  unmount(path: string, flags: number): void;
  /**
   * eventfd(2) registered on a v1 cgroup event (memory.oom_control): returns the eventfd,
   * non-blocking.
   */
  cgroupEvent(cgroupDir: string, file: string): number;
  /** inotify_init + IN_MODIFY watch on a file: returns the inotify fd, non-blocking. */
  watchFile(path: string): number;
  /**
   * Loads a BPF_PROG_TYPE_CGROUP_DEVICE program, attaches it to the cgroup dir fd (ALLOW_MULTI) and
   * detaches all others.
   */
  setDeviceProgram(cgroupFd: number, program: Uint8Array): void;
  /**
   * Gives the terminal of a foreground container our window size and the output mode that suits
   * `foreground`. Call it before the program runs, which may look at the size or write at once.
   */
  prepareTerminal(masterFd: number): void;
  /** Window size of a terminal, in characters; SIGWINCH for its foreground job when it changes. */
  setWindowSize(fd: number, width: number, height: number): void;
  /**
   * Opens the slave of a terminal, whatever mount namespace it is in. As long as it is open, the
   * master does not hang up when the last process closes the terminal for a while.
   */
  openTerminalPeer(masterFd: number): number;
  /**
   * Keeps the signals sent to us from now on for `foreground`, which passes them on. Call it before the program runs:
   * a signal in between would end us, not it.
   */
  holdSignals(): void;
  /**
   * Runs the terminal and signal loop of a foreground process until it exits and its output is
   * drained: raw mode, window size, stdin/stdout copying, forwarding of signals, job control; the
   * caller's terminal is restored whatever happens. Returns the exit status (128+signal).
   */
  foreground(options: ForegroundOptions): number;
  /** flock(2), exclusive and at once; false when somebody else holds the lock. Closing the fd gives it back. */
  tryLock(fd: number): boolean;
  /** Whether a process listens on this SOCK_STREAM socket; false when nothing is there, or a dead one's socket. */
  isListening(path: string): boolean;
  /** Core scheduling: a cookie for our process group, which children inherit (PR_SCHED_CORE_CREATE). */
  newCoreGroup(): void;
}

let loaded: NativeBinding | undefined;

/**
 * Directory that holds the addon and init: `../libexec/tsrunc` beside the executable, or
 * TSRUNC_LIBEXEC for tests on node.
 */
export function libexecDir(): string {
  if (process.versions["bun"] === undefined) {
    const override = process.env["TSRUNC_LIBEXEC"];
    if (override !== undefined) return override;
  }
  const executable = process.execPath;
  const bin = executable.slice(0, executable.lastIndexOf("/"));
  return `${bin.slice(0, bin.lastIndexOf("/"))}/libexec/tsrunc`;
}

/** Opens the addon on first use (0.2 ms), whatever its plan ABI. */
export function openAddon(): NativeBinding {
  if (loaded !== undefined) return loaded;
  const module = { exports: {} as NativeBinding };
  process.dlopen(module, addonPath());
  loaded = module.exports;
  return loaded;
}

function addonPath(): string {
  return `${libexecDir()}/tsrunc.node`;
}

/**
 * The addon, if it understands our plans.
 * @throws what process.dlopen throws, or a RuntimeError for an addon of another build.
 */
export function loadNative(expectedAbi: number): NativeBinding {
  const native = openAddon();
  if (native.abi !== expectedAbi) {
    throw fail(
      "Internal",
      `addon ${addonPath()} speaks plan abi ${native.abi}, not ${expectedAbi}`,
      {
        hint: "reinstall tsrunc: executable and libexec come from different builds",
      },
    );
  }
  return native;
}
