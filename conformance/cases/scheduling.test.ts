/** Scheduler, I/O priority, CPU affinity, NUMA memory policy and personality of container processes. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { Config } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { parseReport } from "../harness/probe.ts";
import { hostFacts, requires } from "../harness/requires.ts";

/** There when an x86_64 kernel runs 32-bit programs. */
const compat = "/proc/sys/abi/vsyscall32";
const newField = "runc has it since 1.2, the specification since 1.1";

function refused(edit: (config: Config) => void, pattern: RegExp): void {
  const c = container(edit);
  c.run().fails(pattern);
  expect(traces(c.id)).to.deep.equal([]);
}

describe("process.scheduler", () => {
  const rows: [policy: string, number: number, extra: Record<string, unknown>][] = [
    ["SCHED_OTHER", 0, { nice: 7 }],
    ["SCHED_BATCH", 3, { nice: -3 }],
    ["SCHED_IDLE", 5, {}],
  ];
  for (const [policy, number, extra] of rows) {
    it(
      policy,
      known("runc <1.2", newField, () => {
        const report = runReport((config) => {
          config.process["scheduler"] = { policy, ...extra };
        });
        expect(report.scheduler.policy).to.equal(number);
        if (extra["nice"] !== undefined) expect(report.nice).to.equal(extra["nice"]);
      }),
    );
  }

  /** With RT_GROUP_SCHED a v1 cgroup has no real-time budget unless it is given one, and a v2 cgroup cannot get any. */
  const inCgroupOfItsOwn = ["systemd-run", "--quiet", "--wait", "-p", "CPUWeight=50"] as const;
  const realTime: [policy: string, number: number, priority: number][] = [
    ["SCHED_FIFO", 1, 11],
    ["SCHED_RR", 2, 99],
  ];
  for (const [policy, number, priority] of realTime) {
    it(
      `${policy} with a priority and flags`,
      known("runc <1.2", newField, function () {
        if (hostFacts().cgroup === "v2")
          requires({ works: [...inCgroupOfItsOwn, "chrt", "-f", "1", "true"] }).call(this);
        const report = runReport((config) => {
          config.linux.resources["cpu"] = { realtimeRuntime: 1000, realtimePeriod: 1_000_000 };
          config.process["scheduler"] = {
            policy,
            priority,
            flags: ["SCHED_FLAG_RESET_ON_FORK"],
          };
        });
        expect(report.scheduler).to.include({ policy: number, priority, flags: 1 });
      }),
    );
  }

  it(
    "SCHED_DEADLINE with runtime, deadline and period",
    known("runc <1.2", newField, () => {
      const times = { runtime: 1_000_000, deadline: 20_000_000, period: 30_000_000 };
      const report = runReport((config) => {
        config.process["scheduler"] = { policy: "SCHED_DEADLINE", ...times };
      });
      expect(report.scheduler.policy).to.equal(6);
      expect(report.scheduler.runtime).to.equal(String(times.runtime));
      expect(report.scheduler.deadline).to.equal(String(times.deadline));
      expect(report.scheduler.period).to.equal(String(times.period));
    }),
  );

  it(
    "holds for exec, too",
    known("runc <1.2", newField, () => {
      const c = sleeper((config) => {
        config.process["scheduler"] = { policy: "SCHED_BATCH", nice: 5 };
      }).up();
      expect(c.execReport([], "sched").scheduler).to.include({ policy: 3, nice: 5 });
    }),
  );

  it(
    "refuses what the kernel would misread",
    known("runc <1.2", newField, () => {
      refused((config) => {
        config.process["scheduler"] = { policy: "SCHED_NICE" };
      }, /scheduler|SCHED_NICE/i);
      refused((config) => {
        config.process["scheduler"] = { policy: "SCHED_OTHER", priority: 5 };
      }, /priority/i);
      refused((config) => {
        config.process["scheduler"] = { policy: "SCHED_OTHER", nice: 20 };
      }, /nice/i);
    }),
  );
});

describe("process.ioPriority", () => {
  const rows: [name: string, number: number, priority: number][] = [
    ["IOPRIO_CLASS_RT", 1, 2],
    ["IOPRIO_CLASS_BE", 2, 6],
    ["IOPRIO_CLASS_IDLE", 3, 0],
  ];
  for (const [name, number, priority] of rows) {
    it(
      name,
      known("runc <1.2", newField, () => {
        const report = runReport((config) => {
          config.process["ioPriority"] = { class: name, priority };
        });
        expect(report.ioPriority).to.deep.equal({ class: number, priority });
      }),
    );
  }

  it(
    "refuses a priority above 7 and an unknown class",
    known("runc <1.2", newField, () => {
      refused((config) => {
        config.process["ioPriority"] = { class: "IOPRIO_CLASS_BE", priority: 8 };
      }, /priority/i);
      refused((config) => {
        config.process["ioPriority"] = { class: "IOPRIO_CLASS_FAST", priority: 1 };
      }, /ioPriority|IOPRIO_CLASS_FAST|class/i);
    }),
  );
});

describe("linux.personality", () => {
  it(
    "LINUX32 changes the machine's name, for exec too",
    known("runc <1.2", newField, function () {
      requires({ arch: "x64", file: compat }).call(this);
      const c = sleeper((config) => {
        config.linux["personality"] = { domain: "LINUX32" };
      }).up();
      const report = c.execReport([], "identity", "sched");
      expect(report.personality).to.equal(8);
      expect(report.machine).to.equal("i686");
    }),
  );

  it("LINUX is the plain one", () => {
    const report = runReport((config) => {
      config.linux["personality"] = { domain: "LINUX" };
    });
    expect(report.personality).to.equal(0);
  });

  it(
    "refuses an unknown domain",
    known("runc <1.2", newField, () => {
      refused((config) => {
        config.linux["personality"] = { domain: "SOLARIS" };
      }, /personality|domain|SOLARIS/i);
    }),
  );
});

describe("CPU affinity", () => {
  const lastCpu = Number(
    /-(\d+)$/.exec(readFileSync("/sys/devices/system/cpu/online", "utf8").trim())?.[1] ?? 0,
  );
  before(function () {
    requires({ program: "taskset" }).call(this);
    if (lastCpu === 0) this.skip();
  });

  /** The runtime itself bound to CPU 0. */
  function boundRun(edit: (config: Config) => void): number[] {
    const c = container((config) => {
      config.process.args = ["/probe", "report", "sched"];
      edit(config);
    });
    const command = c.createCommand();
    const words = command.map((word) => (word === "create" ? "run" : word));
    const output = execFileSync("taskset", ["-c", "0", ...words], { encoding: "utf8" });
    return parseReport(output).affinity;
  }

  it(
    "of the runtime is not passed on",
    known("runc <1.3", "since 1.3.1", () => {
      expect(boundRun(() => {})).to.include(lastCpu);
    }),
  );

  it("stays within the cpuset", () => {
    expect(
      boundRun((config) => {
        config.linux.resources["cpu"] = { cpus: `${lastCpu}` };
      }),
    ).to.deep.equal([lastCpu]);
  });

  it(
    "execCPUAffinity: final holds for exec, not for the container's own process",
    known("runc <1.3", "since 1.3", () => {
      const c = sleeper((config) => {
        config.process["execCPUAffinity"] = { initial: "0", final: `${lastCpu}` };
      }).up();
      expect(c.execReport([], "sched").affinity).to.deep.equal([lastCpu]);
      const own = readFileSync(`/proc/${c.state().pid}/status`, "utf8");
      expect(/Cpus_allowed_list:\s*(\S+)/.exec(own)?.[1]).to.not.equal(String(lastCpu));
    }),
  );

  it("execCPUAffinity: initial alone stays where no cpuset says otherwise", () => {
    const c = sleeper((config) => {
      config.process["execCPUAffinity"] = { initial: "0" };
    }).up();
    expect(c.execReport([], "sched").affinity).to.include(0);
  });

  it(
    "refuses what is not a list of CPUs",
    known("runc <1.3", "since 1.3", () => {
      for (const final of ["all", "1-", "3-1", "-1"]) {
        refused((config) => {
          config.process["execCPUAffinity"] = { final };
        }, /affinity|cpu/i);
      }
    }),
  );
});

describe("linux.memoryPolicy", () => {
  before(requires({ file: "/sys/devices/system/node/node0" }));

  /** The policy of PID 1 as numa_maps shows it for its stack. */
  function policy(memoryPolicy: Record<string, unknown>): string {
    const c = sleeper((config) => {
      config.linux["memoryPolicy"] = memoryPolicy;
    }).up();
    const maps = readFileSync(`/proc/${c.state().pid}/numa_maps`, "utf8");
    return /^\S+ (\S+) stack/m.exec(maps)?.[1] ?? maps;
  }

  for (const [mode, shown] of [
    ["MPOL_BIND", "bind:0"],
    ["MPOL_INTERLEAVE", "interleave:0"],
    ["MPOL_PREFERRED", "prefer:0"],
  ] as const) {
    it(
      mode,
      known("runc <1.4", "since 1.4", () => {
        expect(policy({ mode, nodes: "0" })).to.equal(shown);
      }),
    );
  }

  it(
    "flags",
    known("runc <1.4", "since 1.4", () => {
      const shown = policy({ mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] });
      expect(shown).to.equal("bind=static:0");
    }),
  );

  it("MPOL_DEFAULT is accepted", () => {
    expect(policy({ mode: "MPOL_DEFAULT" })).to.equal("default");
  });

  it(
    "refuses nodes that do not exist and words that are no nodes",
    known("runc <1.4", "since 1.4", () => {
      refused((config) => {
        config.linux["memoryPolicy"] = { mode: "MPOL_BIND", nodes: "63" };
      }, /mem.*policy/i);
      refused((config) => {
        config.linux["memoryPolicy"] = { mode: "MPOL_BIND", nodes: "zero" };
      }, /node|memoryPolicy/i);
      refused((config) => {
        config.linux["memoryPolicy"] = { mode: "MPOL_BIND" };
      }, /node|memoryPolicy/i);
    }),
  );
});
