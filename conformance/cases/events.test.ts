/** The events command: statistics once, on an interval, and out-of-memory events (commands of runc, not of the spec). */
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { requires } from "../harness/requires.ts";
import { launch } from "../harness/runtime.ts";
import { until } from "../harness/wait.ts";

interface Event {
  type: string;
  id: string;
  data?: {
    cpu: { usage: { total: number } };
    memory: { usage: { limit: number; usage: number }; raw: Record<string, number> };
    pids: { current: number; limit?: number };
  };
}

function events(text: string): Event[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
}

const mib = 1024 * 1024;

describe("events", () => {
  before(requires({ command: "events", controllers: ["memory", "pids"] }));

  it("--stats prints one event with the numbers of the container", () => {
    const c = sleeper((config) => {
      config.linux.resources = {
        ...config.linux.resources,
        memory: { limit: 64 * mib },
        pids: { limit: 17 },
      };
    }).up();
    // processor time that a coarse clock sees, too
    c.exec(["/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]).ok();
    const [event, ...rest] = events(c.command("events", ["--stats"]).ok().stdout);
    expect(rest).to.have.length(0);
    expect(event?.type).to.equal("stats");
    expect(event?.id).to.equal(c.id);
    expect(event?.data?.memory.usage.limit).to.equal(64 * mib);
    expect(event?.data?.memory.usage.usage)
      .to.be.greaterThan(0)
      .and.lessThan(64 * mib);
    expect(event?.data?.memory.raw).to.be.an("object").and.not.empty;
    expect(event?.data?.pids.current).to.equal(1);
    expect(event?.data?.pids.limit).to.equal(17);
    expect(event?.data?.cpu.usage.total).to.be.greaterThan(0);
  });

  it("--interval prints on and on, and ends with the container", async () => {
    const c = sleeper().up();
    const watching = launch(["events", "--interval", "100ms", c.id]);
    await until("three events", () => events(watching.stdout().replace(/[^\n]*$/, "")).length >= 3);
    c.delete(["--force"]).ok();
    const result = await watching.done;
    expect(result.timedOut).to.equal(false);
    expect(events(result.stdout).every(({ type, id }) => type === "stats" && id === c.id)).to.equal(
      true,
    );
  });

  it("reports an out-of-memory kill", async () => {
    const c = container((config) => {
      config.linux.resources = {
        ...config.linux.resources,
        memory: { limit: 20 * mib, swap: 20 * mib },
      };
      config.process.args = ["/probe", "sleep"];
    });
    c.up();
    const watching = launch(["events", "--interval", "1h", c.id]);
    // Nothing tells when the watch stands; out-of-memory kills are repeated until one is seen.
    for (let i = 0; i < 50 && !/"type":"oom"/.test(watching.stdout()); i++) {
      c.exec(["/probe", "alloc-child", "64"]);
    }
    const oom = events(watching.stdout().replace(/[^\n]*$/, "")).find(({ type }) => type === "oom");
    expect(oom?.id).to.equal(c.id);
    c.delete(["--force"]).ok();
    await watching.done;
  });

  for (const interval of ["0s", "-1s", "soon"]) {
    it(`refuses --interval ${interval}`, () => {
      const c = sleeper().up();
      c.command("events", [`--interval=${interval}`], [], { timeoutMs: 5000 }).fails(undefined, 1);
    });
  }

  it("of a stopped container fails", async () => {
    const c = sleeper().up();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.command("events", ["--stats"]).fails(/not running/, 1);
  });
});
