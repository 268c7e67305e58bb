/** Errno numbers of Linux (asm-generic, the same on all architectures we build for) and their names. */

const names: readonly string[] = [
  "", "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD",
  "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR",
  "EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS",
  "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP",
];

const others: Readonly<Record<number, string>> = {
  61: "ENODATA",
  71: "EPROTO",
  75: "EOVERFLOW",
  87: "EUSERS",
  95: "EOPNOTSUPP",
  104: "ECONNRESET",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  116: "ESTALE",
  122: "EDQUOT",
  125: "ECANCELED",
  126: "ENOKEY",
};

/** In: a positive errno. Out: its symbol, or `errno 200` for one that has no name here. */
export function errnoName(number: number): string {
  return names[number] ?? others[number] ?? `errno ${number}`;
}
