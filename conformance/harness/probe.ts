/** Owns the shape of what the probe prints and reading it from captured output. */

export interface Descriptor {
  fd: number;
  target: string;
  nonblock: boolean;
  cloexec: boolean;
}

export interface MountEntry {
  id: string;
  parent: string;
  device: string;
  root: string;
  target: string;
  options: string;
  propagation: string[];
  type: string;
  source: string;
  superOptions: string;
}

export interface DeviceEntry {
  name: string;
  type: "char" | "block" | "dir" | "link" | "fifo" | "file" | "other";
  mode: number;
  uid: number;
  gid: number;
  major: number;
  minor: number;
  link: string;
}

/** The whole report; a case that asks for some sections sees only their members. */
export interface Report {
  args: string[];
  env: string[];
  cwd: string;
  uid: number;
  euid: number;
  suid: number;
  gid: number;
  egid: number;
  sgid: number;
  groups: number[];
  umask: number;
  pid: number;
  ppid: number;
  sid: number;
  pgid: number;
  noNewPrivs: number;
  /** 0 off, 1 strict, 2 filter; -1 without /proc. */
  seccomp: number;
  securebits: number;
  dumpable: number;
  oomScoreAdj: string;
  label: string;
  hostname: string;
  domainname: string;
  machine: string;
  caps: Record<"effective" | "permitted" | "inheritable" | "bounding" | "ambient", string[]>;
  /** Decimal strings: RLIM_INFINITY does not fit a number. */
  rlimits: Record<string, { soft: string; hard: string }>;
  fds: Descriptor[];
  signals: { ignored: number[]; blocked: number[] };
  mounts: MountEntry[];
  namespaces: Record<"cgroup" | "ipc" | "mnt" | "net" | "pid" | "time" | "user" | "uts", string>;
  cgroup: string[];
  uidMap: string[];
  gidMap: string[];
  dev: DeviceEntry[];
  tty: {
    isatty: boolean[];
    rows: number;
    cols: number;
    name: string;
    controlling: boolean;
    foreground: number;
  };
  affinity: number[];
  scheduler: {
    policy: number;
    flags: number;
    nice: number;
    priority: number;
    runtime: string;
    deadline: string;
    period: string;
  };
  nice: number;
  ioPriority: { class: number; priority: number };
  personality: number;
  timerSlackNs: number;
}

/** What an action prints: errno is null when it was permitted. */
export interface Outcome {
  action: string;
  target: string | null;
  errno: string | null;
  result: number;
}

/** What `read` and `sysctl` print. */
export interface ReadOutcome {
  path: string;
  text: string | null;
  errno: string | null;
}

/** What a hook of the probe leaves: a report and what came on its stdin. */
export type HookReport = Report & { name: string; state: string };

/** All JSON lines in the text, in order; other lines are passed over. */
export function jsonLines<T>(text: string): T[] {
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith("{") && line.endsWith("}"));
  return lines.map((line) => JSON.parse(line) as T);
}

/** The first report in the text; throws with the text when there is none. */
export function parseReport(text: string): Report {
  const report = jsonLines<Report>(text)[0];
  if (report === undefined) throw new Error(`no report of the probe in: ${JSON.stringify(text)}`);
  return report;
}
