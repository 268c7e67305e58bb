/** Flags of `checkpoint` and `restore`, which callers probe with --help before anything else. */

export const criuFlags = [
  { name: "image-path", kind: "string", help: "directory of the image files" },
  { name: "work-path", kind: "string", help: "directory for work files and logs" },
  { name: "tcp-established", kind: "bool", help: "allow open tcp connections" },
  { name: "ext-unix-sk", kind: "bool", help: "allow external unix sockets" },
  { name: "shell-job", kind: "bool", help: "allow shell jobs" },
  { name: "file-locks", kind: "bool", help: "handle file locks" },
  {
    name: "manage-cgroups-mode",
    kind: "string",
    help: "what happens to cgroups: soft, full, strict or ignore",
  },
  {
    name: "empty-ns",
    kind: "strings",
    help: "namespace to create without restoring its properties (repeatable)",
  },
  { name: "auto-dedup", kind: "bool", help: "deduplicate memory images" },
  { name: "lazy-pages", kind: "bool", help: "restore memory pages on demand with userfaultfd" },
] as const;
