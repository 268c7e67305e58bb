/** The time namespace and timeOffsets (config-linux.md, offset for time namespace). */
import { readFileSync, readlinkSync } from "node:fs";
import { expect } from "chai";
import type { Config } from "../harness/bundle.ts";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { jsonLines, type ReadOutcome } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";

const since = "since 1.2";
const day = 86_400;

function addTime(config: Config, offsets?: Record<string, unknown>): void {
  config.linux.namespaces.push({ type: "time" });
  if (offsets !== undefined) config.linux["timeOffsets"] = offsets;
}

function addUserNamespace(config: Config): void {
  config.linux.namespaces.push({ type: "user" });
  for (const key of ["uidMappings", "gidMappings"])
    config.linux[key] = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
}

function uptime(text: string | null | undefined): number {
  return Number((text ?? "").split(" ")[0]);
}

function hostUptime(): number {
  return uptime(readFileSync("/proc/uptime", "utf8"));
}

/** Boot time inside by /proc/uptime, and the offsets as the kernel shows them. */
function clocks(edit: (config: Config) => void): { uptime: number; offsets: string[] } {
  const c = container((config) => {
    config.process.args = ["/probe", "read", "/proc/uptime", "/proc/self/timens_offsets"];
    edit(config);
  });
  const [up, offsets] = jsonLines<ReadOutcome>(c.run().ok().stdout);
  const rows = (offsets?.text ?? "").trim().split("\n");
  return { uptime: uptime(up?.text), offsets: rows.map((row) => row.trim().replace(/\s+/g, " ")) };
}

describe("time namespace", () => {
  before(requires({ kernel: "5.6", file: "/proc/self/ns/time" }));

  it(
    "is new without offsets",
    known("runc <1.2", since, () => {
      const c = sleeper((config) => addTime(config)).up();
      const { pid } = c.state();
      expect(readlinkSync(`/proc/${pid}/ns/time`)).to.not.equal(readlinkSync("/proc/self/ns/time"));
    }),
  );

  it(
    "shifts both clocks by seconds and nanoseconds",
    known("runc <1.2", since, () => {
      const { uptime: seen, offsets } = clocks((config) => {
        addTime(config, {
          boottime: { secs: day, nanosecs: 5 },
          monotonic: { secs: 2 * day, nanosecs: 999_999_999 },
        });
      });
      expect(seen - hostUptime()).to.be.within(day - 10, day + 10);
      expect(offsets).to.deep.equal([`monotonic ${2 * day} 999999999`, `boottime ${day} 5`]);
    }),
  );

  it(
    "one clock alone, and back in time",
    known("runc <1.2", since, () => {
      const { offsets } = clocks((config) => addTime(config, { monotonic: { secs: -1 } }));
      expect(offsets).to.deep.equal(["monotonic -1 0", "boottime 0 0"]);
    }),
  );

  it(
    "with a user namespace",
    known("runc <1.2", since, function () {
      requires({ userns: true }).call(this);
      const { uptime: seen } = clocks((config) => {
        addTime(config, { boottime: { secs: day } });
        addUserNamespace(config);
      });
      expect(seen - hostUptime()).to.be.within(day - 10, day + 10);
    }),
  );

  it(
    "new, with a joined user namespace",
    known("runc <1.2", since, function () {
      requires({ userns: true }).call(this);
      const first = sleeper((config) => addUserNamespace(config)).up();
      const { uptime: seen } = clocks((config) => {
        addTime(config, { boottime: { secs: day } });
        config.linux.namespaces.push({ type: "user", path: `/proc/${first.state().pid}/ns/user` });
      });
      expect(seen - hostUptime()).to.be.within(day - 10, day + 10);
    }),
  );

  for (const user of [false, true]) {
    it(
      `exec sees the container's clocks${user ? " with a user namespace" : ""}`,
      known("runc <1.2", since, () => {
        const c = sleeper((config) => {
          addTime(config, { boottime: { secs: day } });
          if (user) addUserNamespace(config);
        }).up();
        const [up] = jsonLines<ReadOutcome>(c.exec(["/probe", "read", "/proc/uptime"]).ok().stdout);
        expect(uptime(up?.text) - hostUptime()).to.be.within(day - 10, day + 10);
      }),
    );
  }

  it(
    "can be joined by path",
    known("runc <1.2", since, () => {
      const first = sleeper((config) => addTime(config, { boottime: { secs: day } })).up();
      const { uptime: seen } = clocks((config) => {
        config.linux.namespaces.push({ type: "time", path: `/proc/${first.state().pid}/ns/time` });
      });
      expect(seen - hostUptime()).to.be.within(day - 10, day + 10);
    }),
  );

  function refused(edit: (config: Config) => void): void {
    const c = container(edit);
    c.run().fails(/time/i);
    expect(traces(c.id)).to.deep.equal([]);
  }

  it(
    "refuses offsets without the namespace or with a joined one",
    known("runc <1.2", since, () => {
      refused((config) => {
        config.linux["timeOffsets"] = { boottime: { secs: 1 } };
      });
      refused((config) => {
        config.linux["timeOffsets"] = { boottime: { secs: 1 } };
        config.linux.namespaces.push({ type: "time", path: "/proc/self/ns/time" });
      });
    }),
  );

  it("refuses offsets that the kernel cannot keep", () => {
    refused((config) => addTime(config, { monotonic: { secs: -(10 ** 9) } }));
    refused((config) => addTime(config, { monotonic: { secs: 1, nanosecs: 10 ** 9 } }));
  });
});
