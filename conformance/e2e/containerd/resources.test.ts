/** Pause, limits and their change, metrics, OOM. */
import { expect } from "chai";
import { cgroupValue } from "../../harness/processes.ts";
import { hostFacts } from "../../harness/requires.ts";
import { until } from "../../harness/wait.ts";
import { Container } from "./ctr.ts";
import { Events } from "./events.ts";
import { message, ShimClient } from "./wire.ts";

const shell = (script: string): string[] => ["sh", "-c", script];
const isV2 = () => hostFacts().cgroup === "v2";

describe("ctr task pause and resume", () => {
  it("stop and continue all processes, and show in the list", async () => {
    const c = await new Container().up([], shell("while :; do echo x >>/ticks; sleep 0.02; done"));
    const pid = await c.pid();
    const used = () =>
      cgroupValue(pid, isV2() ? "cpu" : "cpuacct", isV2() ? "cpu.stat" : "cpuacct.usage");
    (await c.task("pause")).ok();
    expect(await c.status()).to.equal("PAUSED");
    const before = used();
    (await c.task("ps")).ok();
    expect(used()).to.equal(before);
    (await c.task("resume")).ok();
    expect(await c.status()).to.equal("RUNNING");
    await until("more work", () => used() !== before);
  });

  it("fail on what has ended", async () => {
    const c = await new Container().up();
    await c.stop();
    expect((await c.task("pause")).status).to.not.equal(0);
    expect((await c.task("resume")).status).to.not.equal(0);
  });

  it("a paused container can be killed", async () => {
    const c = await new Container().up();
    (await c.task("pause")).ok();
    await c.kill();
    // On cgroup v1 the signal itself thaws the container, on v2 nothing is needed.
    await c.task("resume");
    await c.reaches("STOPPED");
    expect(await c.remove()).to.equal(137);
  });
});

describe("limits", () => {
  it("change while the container runs", async () => {
    const c = await new Container().up(["--memory-limit", "67108864", "--cpus", "1"]);
    const pid = await c.pid();
    const resources = { memory: { limit: 33554432 }, cpu: { quota: 20000, period: 50000 } };
    const type = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
    const any = message([
      [1, type],
      [2, JSON.stringify(resources)],
    ]);
    const client = new ShimClient(c.shimAddress(), c.namespace);
    const reply = await client.call("Update", [
      [1, c.id],
      [2, any],
    ]);
    client.vanish();
    expect(reply?.text).to.equal("");
    if (isV2()) {
      expect(cgroupValue(pid, "memory", "memory.max")).to.equal("33554432");
      expect(cgroupValue(pid, "cpu", "cpu.max")).to.equal("20000 50000");
    } else {
      expect(cgroupValue(pid, "memory", "memory.limit_in_bytes")).to.equal("33554432");
      expect(cgroupValue(pid, "cpu", "cpu.cfs_quota_us")).to.equal("20000");
      expect(cgroupValue(pid, "cpu", "cpu.cfs_period_us")).to.equal("50000");
    }
  });
});

/** A value inside nested objects. */
function inside(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<string, unknown> | undefined)?.[key],
    value,
  );
}

describe("ctr task metrics", () => {
  it("tell memory, cpu and the number of processes", async () => {
    const script =
      "dd if=/dev/zero of=/dev/shm/data bs=1M count=8 2>/dev/null; sleep 1000 & sleep 1000; true";
    const c = await new Container().up(["--memory-limit", "67108864"], shell(script));
    const pid = await c.pid();
    await until("three processes", () => cgroupValue(pid, "pids", "pids.current") === "3");
    const { stdout } = (await c.task("metrics", ["--format", "json"])).ok();
    const metrics = JSON.parse(stdout) as unknown;
    expect(inside(metrics, "pids", "current")).to.equal(3);
    const usage = isV2() ? ["memory", "usage"] : ["memory", "usage", "usage"];
    const limit = isV2() ? ["memory", "usage_limit"] : ["memory", "usage", "limit"];
    expect(inside(metrics, ...usage)).to.be.within(8 << 20, 64 << 20);
    expect(inside(metrics, ...limit)).to.equal(67108864);
    const cpu = isV2() ? ["cpu", "usage_usec"] : ["cpu", "usage", "total"];
    expect(inside(metrics, ...cpu)).to.be.above(1000);
    expect((await c.task("metrics")).ok().stdout).to.match(/^ID +TIMESTAMP/m);
  });

  it("fail for a task that was deleted", async () => {
    const c = await new Container().up();
    await c.stop();
    await c.task("delete");
    (await c.task("metrics")).fails(/not found/);
  });
});

describe("memory that runs out", () => {
  it("is an event while the container lives on", async () => {
    const events = await Events.open();
    const c = await new Container().up(["--memory-limit", "33554432"]);
    (await c.exec(["tail", "/dev/zero"])).ended(137);
    await events.next(c.id, "oom");
    expect(await c.status()).to.equal("RUNNING");
    await events.close();
  });

  it("is an event when the container dies of it", async () => {
    const events = await Events.open();
    const c = await new Container().up(["--memory-limit", "33554432"], ["tail", "/dev/zero"]);
    await events.next(c.id, "exit");
    await events.next(c.id, "oom", 3000);
    expect(await c.remove()).to.equal(137);
    await events.close();
  });
});
