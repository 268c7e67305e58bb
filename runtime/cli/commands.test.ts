import { expect } from "chai";
import { commands, findCommand } from "./commands.ts";
import { parse } from "./parse.ts";

/** Flags of runc 1.4 (and what 1.3 still takes), values as its callers write them. */
const runcFlags: Readonly<Record<string, readonly string[]>> = {
  checkpoint: [
    ..."--image-path p;--work-path p;--parent-path p;--leave-running;--tcp-established".split(";"),
    ..."--tcp-skip-in-flight;--link-remap;--ext-unix-sk;--shell-job;--lazy-pages".split(";"),
    ..."--status-fd 3;--page-server a:1;--file-locks;--pre-dump;--manage-cgroups-mode soft".split(
      ";",
    ),
    ..."--empty-ns network;--auto-dedup".split(";"),
  ],
  create: [
    ..."-b /b;--bundle /b;--console-socket /s;--pidfd-socket /s;--pid-file /p;--no-pivot".split(
      ";",
    ),
    ..."--no-new-keyring;--preserve-fds 2".split(";"),
  ],
  delete: ["-f", "--force", "--force=false"],
  events: ["--interval=5s", "--stats"],
  exec: [
    ..."--console-socket /s;--pidfd-socket /s;--cwd /;-e A=1;--env A=1;-t;--tty;-u 1:1".split(";"),
    ..."--user 1;-g 1;--additional-gids 1;-p f;--process f;-d;--detach;--pid-file /p".split(";"),
    ..."--process-label l;--apparmor p;--no-new-privs;-c CAP_KILL;--cap CAP_KILL".split(";"),
    ..."--preserve-fds 1;--cgroup cpu:/x;--ignore-paused".split(";"),
  ],
  features: [],
  kill: ["-a", "--all"],
  list: ["-f json", "--format=json", "-q", "--quiet"],
  pause: [],
  ps: ["-f json", "--format json"],
  restore: [
    ..."--console-socket /s;--image-path p;--work-path p;--tcp-established;--ext-unix-sk".split(
      ";",
    ),
    ..."--shell-job;--file-locks;--manage-cgroups-mode soft;-b /b;--bundle /b;-d;--detach".split(
      ";",
    ),
    ..."--pid-file /p;-no-subreaper;--no-pivot;--empty-ns network;--auto-dedup;--lazy-pages".split(
      ";",
    ),
    ..."--lsm-profile apparmor:x;--lsm-mount-context c".split(";"),
  ],
  resume: [],
  run: [
    ..."-b /b;--bundle /b;--console-socket /s;--pidfd-socket /s;-d;--detach;--keep".split(";"),
    ..."--pid-file /p;--no-subreaper;--no-pivot;--no-new-keyring;--preserve-fds 2".split(";"),
  ],
  spec: ["-b /b", "--bundle /b", "--rootless"],
  start: [],
  state: [],
  update: [
    ..."-r -;--resources=-;--blkio-weight 100;--cpu-period 1;--cpu-quota -1;--cpu-burst 1".split(
      ";",
    ),
    ..."--cpu-share 2;--cpu-rt-period 1;--cpu-rt-runtime 1;--cpuset-cpus 0;--cpuset-mems 0".split(
      ";",
    ),
    ..."--kernel-memory 1;--kernel-memory-tcp 1;--memory 1m;--memory-reservation 1m".split(";"),
    ..."--memory-swap -1;--pids-limit=-1;--cpu-idle 1;--l3-cache-schema s;--mem-bw-schema s".split(
      ";",
    ),
  ],
};

describe("commands", () => {
  it("are those of runc", () => {
    expect(Object.keys(commands).sort()).to.deep.equal(Object.keys(runcFlags).sort());
  });
  it("are found by own name only", () => {
    expect(findCommand("toString")).to.equal(undefined);
    expect(findCommand("__proto__")).to.equal(undefined);
  });

  for (const [name, lines] of Object.entries(runcFlags)) {
    it(`${name} takes runc's flags`, async () => {
      const command = await commands[name]?.load();
      if (command === undefined) throw new TypeError(`no command ${name}`);
      expect(command.name).to.equal(name);
      for (const line of lines) {
        const argv = [...line.split(" "), "c1"];
        const parsed = parse(argv, command.flags, command.placement);
        expect(parsed.kind === "values" && parsed.operands, line).to.deep.equal(["c1"]);
      }
    });
    it(`${name} has no flag twice and explains those it shows`, async () => {
      const flags = (await commands[name]?.load())?.flags ?? [];
      const names = flags.flatMap((flag) => [flag.name, ...(flag.short ? [flag.short] : [])]);
      expect(names).to.deep.equal([...new Set(names)]);
      const hidden = flags.filter((flag) => flag.help === "").map((flag) => flag.name);
      const obsolete = ["all", "kernel-memory", "kernel-memory-tcp"];
      expect(hidden.filter((flag) => !obsolete.includes(flag))).to.deep.equal([]);
    });
  }
});
