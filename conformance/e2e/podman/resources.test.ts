/** Limits: what podman's flags become in the cgroup files and for the process, and what exceeding them does. */
import { expect } from "chai";
import { cgroupValue } from "../../harness/processes.ts";
import { hostFacts, requires } from "../../harness/requires.ts";
import { output, run, shell, up } from "./container.ts";

const v2 = (): boolean => hostFacts().cgroup === "v2";

describe("limits", () => {
  before(requires({ controllers: ["memory", "cpu", "pids"] }));

  it("sets memory, cpus, processes and weights", async () => {
    const flags = ["--memory", "48m", "--memory-reservation", "32m", "--cpus", "0.5"];
    const c = await up([...flags, "--pids-limit", "77", "--cpu-shares", "512"]);
    const pid = await c.pid();
    const value = (controller: string, v1: string, unified: string) =>
      cgroupValue(pid, controller, v2() ? unified : v1);
    expect(value("memory", "memory.limit_in_bytes", "memory.max")).to.equal(String(48 << 20));
    expect(value("memory", "memory.soft_limit_in_bytes", "memory.low")).to.equal(String(32 << 20));
    expect(value("pids", "pids.max", "pids.max")).to.equal("77");
    expect(value("cpu", "cpu.cfs_quota_us", "cpu.max")).to.match(/^50000( 100000)?$/);
    expect(value("cpu", "cpu.shares", "cpu.weight")).to.be.oneOf(["512", "20", "59"]);
  });

  it("pins to a processor", async () => {
    const flags = ["--cpuset-cpus", "0"];
    expect(await output(flags, ["grep", "Cpus_allowed_list", "/proc/self/status"])).to.match(
      /\t0$/,
    );
  });

  // conmon 2.1.6 does not see it on v1, whatever the runtime: .State.OOMKilled says nothing there
  it("kills for lack of memory", async () => {
    const flags = ["--memory", "32m", "--memory-swap", "32m"];
    const c = await up(flags, shell("head -c 200000000 /dev/zero | tail"));
    expect(await c.wait()).to.equal(137);
    if (v2()) expect((await c.state()).OOMKilled).to.equal(true);
  });

  it("stops forks at the limit of processes", async () => {
    const script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 3 & done; wait";
    const result = await run(["--pids-limit", "5"], shell(script));
    expect(result.stderr).to.match(/can't fork|Resource temporarily unavailable/);
  });

  it("sets ulimits", async () => {
    const flags = ["--ulimit", "nofile=600:700", "--ulimit", "core=0", "--ulimit", "nproc=500"];
    const script = "ulimit -n; ulimit -Hn; ulimit -c; grep processes /proc/self/limits";
    expect(await output(flags, shell(script))).to.match(/^600\n700\n0\nMax processes +500 +500 /);
  });

  it("changes limits of a running container", async () => {
    const c = await up(["--memory", "48m"]);
    const result = await c.verb("update", ["--memory", "64m"]);
    result.ok();
    const file = v2() ? "memory.max" : "memory.limit_in_bytes";
    expect(cgroupValue(await c.pid(), "memory", file)).to.equal(String(64 << 20));
  });

  it("keeps the container in its cgroup with each --cgroupns mode", async () => {
    const own = await output(["--cgroupns", "private"], ["cat", "/proc/self/cgroup"]);
    const host = await output(["--cgroupns", "host"], ["cat", "/proc/self/cgroup"]);
    for (const line of own.split("\n")) expect(line).to.match(/:\/$/);
    expect(host).to.match(/:\/\S+\/libpod-[0-9a-f]{64}/);
  });
});
