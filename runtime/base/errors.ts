/** The one error class of the product, how kernel errors become it, and how it is put into one line. */

/** containerd's error classes; they map one to one on gRPC codes and, in the CLI, all end in exit status 1. */
export type Code =
  | "InvalidArgument"
  | "NotFound"
  | "AlreadyExists"
  | "FailedPrecondition"
  | "PermissionDenied"
  | "ResourceExhausted"
  | "Unimplemented"
  | "Unavailable"
  | "DeadlineExceeded"
  | "Aborted"
  | "Internal"
  | "Unknown";

/** Where something failed: parsing the command line, in the calling process, or inside the container's init. */
export type Stage = "cli" | "parent" | "init";

/** What is known about a failure besides its text; typed, so that nobody parses messages. */
export interface ErrorFacts {
  readonly code?: Code | undefined;
  /** What was being done, a short verb phrase: `mount`, `write uid_map`. */
  readonly op?: string | undefined;
  readonly path?: string | undefined;
  /** Symbolic errno when the kernel refused (`EPERM`). */
  readonly errno?: string | undefined;
  readonly syscall?: string | undefined;
  readonly stage?: Stage | undefined;
  /** One line of advice for the user. */
  readonly hint?: string | undefined;
  /** Exit status the CLI ends with when it is not the usual 1 (exec that cannot be done: 255). */
  readonly exitStatus?: number | undefined;
  readonly cause?: unknown;
}

export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  readonly code: Code;
  readonly op: string | undefined;
  readonly path: string | undefined;
  readonly errno: string | undefined;
  readonly syscall: string | undefined;
  readonly stage: Stage | undefined;
  readonly hint: string | undefined;
  readonly exitStatus: number | undefined;

  constructor(text: string, facts: ErrorFacts = {}) {
    super(text, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code ?? "Unknown";
    this.op = facts.op;
    this.path = facts.path;
    this.errno = facts.errno;
    this.syscall = facts.syscall;
    this.stage = facts.stage;
    this.hint = facts.hint;
    this.exitStatus = facts.exitStatus;
  }
}

/** Builds an error with a text of its own: lower case, no full stop, names the thing. */
export function fail(code: Code, text: string, facts: ErrorFacts = {}): RuntimeError {
  return new RuntimeError(text, { ...facts, code });
}

/** The shape shared by Node's system errors and those of the native binding. */
interface SystemError extends Error {
  readonly code: string;
  readonly syscall?: string;
  readonly path?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return (
    error instanceof Error &&
    typeof (error as { code?: unknown }).code === "string" &&
    /^E[A-Z0-9]+$/.test(String((error as { code?: unknown }).code))
  );
}

/** The symbolic errno of a caught system error (`ENOENT`), or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof RuntimeError) return error.errno;
  return isSystemError(error) ? error.code : undefined;
}

const codes: Readonly<Record<string, Code>> = {
  ENOENT: "NotFound",
  ESRCH: "NotFound",
  EEXIST: "AlreadyExists",
  EPERM: "PermissionDenied",
  EACCES: "PermissionDenied",
  EINVAL: "InvalidArgument",
  ENOSYS: "Unimplemented",
  EOPNOTSUPP: "Unimplemented",
  ENOSPC: "ResourceExhausted",
  ENOMEM: "ResourceExhausted",
  EMFILE: "ResourceExhausted",
  EBUSY: "FailedPrecondition",
  ETIMEDOUT: "DeadlineExceeded",
};

/** The class that a kernel error belongs to when nothing more is known. */
export function codeOfErrno(errno: string): Code {
  return codes[errno] ?? "Unknown";
}

/**
 * Adds context to a caught error at a layer boundary. A system error (node:fs or native) becomes
 * `op path: EPERM (operation not permitted)`; a RuntimeError becomes the cause of a new one.
 */
export function wrap(error: unknown, facts: ErrorFacts & { readonly op: string }): RuntimeError {
  const place = facts.path === undefined ? facts.op : `${facts.op} ${facts.path}`;
  if (isSystemError(error)) {
    return new RuntimeError(`${place}: ${errnoText(error.code)}`, {
      ...facts,
      code: facts.code ?? codeOfErrno(error.code),
      errno: error.code,
      syscall: facts.syscall ?? error.syscall,
    });
  }
  const inner = error instanceof RuntimeError ? error : undefined;
  // the hint is part of the described text: it must not be printed twice
  return new RuntimeError(`${place}: ${describe(error)}`, {
    errno: inner?.errno,
    stage: inner?.stage,
    exitStatus: inner?.exitStatus,
    ...facts,
    code: facts.code ?? inner?.code ?? "Unknown",
    cause: error,
  });
}

/** The whole message of anything caught, in one line and with its hint; never a stack. */
export function describe(error: unknown): string {
  if (error instanceof RuntimeError) {
    return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  }
  return error instanceof Error ? error.message : String(error);
}

const texts: Readonly<Record<string, string>> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ESRCH: "no such process",
  EINTR: "interrupted system call",
  EIO: "input/output error",
  ENXIO: "no such device or address",
  E2BIG: "argument list too long",
  ENOEXEC: "exec format error",
  EBADF: "bad file descriptor",
  ECHILD: "no child processes",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "cannot allocate memory",
  EACCES: "permission denied",
  EFAULT: "bad address",
  ENOTBLK: "block device required",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EXDEV: "invalid cross-device link",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  ENFILE: "too many open files in system",
  EMFILE: "too many open files",
  ENOTTY: "inappropriate ioctl for device",
  ETXTBSY: "text file busy",
  EFBIG: "file too large",
  ENOSPC: "no space left on device",
  ESPIPE: "illegal seek",
  EROFS: "read-only file system",
  EPIPE: "broken pipe",
  ERANGE: "numerical result out of range",
  ENAMETOOLONG: "file name too long",
  ENOSYS: "function not implemented",
  ENOTEMPTY: "directory not empty",
  ELOOP: "too many levels of symbolic links",
  EOPNOTSUPP: "operation not supported",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  ETIMEDOUT: "connection timed out",
  EUSERS: "too many users",
  ENOKEY: "required key not available",
  EDQUOT: "disk quota exceeded",
};

/** runc's words for an errno, without the symbol. */
export function errnoWords(errno: string): string {
  return texts[errno] ?? errno;
}

/** `EPERM (operation not permitted)`: the symbol for people who search, the words for people who read. */
export function errnoText(errno: string): string {
  const words = texts[errno];
  return words === undefined ? errno : `${errno} (${words})`;
}
