/** Limits of containers, their change while these run, and what is reported when memory runs out. */
import { expect } from "chai";
import { cgroupDirectory, cgroupValue } from "../../harness/processes.ts";
import { hostFacts } from "../../harness/requires.ts";
import { shimName } from "../containerd/subject.ts";
import { crictl } from "./crictl.ts";
import { type ContainerConfig, cgroupParent, Pod } from "./pods.ts";

const shell = (script: string): string[] => ["sh", "-c", script];
const mebi = 1 << 20;

function limited(members: Record<string, unknown>): (config: ContainerConfig) => void {
  return (config) => void Object.assign(config.linux.resources, members);
}

/** Limits as the kernel holds them. */
function limits(pid: number): { memory: string; cpu: string; pids: string } {
  const pids = cgroupValue(pid, "pids", "pids.max");
  if (hostFacts().cgroup === "v2") {
    const memory = cgroupValue(pid, "memory", "memory.max");
    return { memory, cpu: cgroupValue(pid, "cpu", "cpu.max"), pids };
  }
  const quota = cgroupValue(pid, "cpu", "cpu.cfs_quota_us");
  return {
    memory: cgroupValue(pid, "memory", "memory.limit_in_bytes"),
    cpu: `${quota} ${cgroupValue(pid, "cpu", "cpu.cfs_period_us")}`,
    pids,
  };
}

describe("resources of a container", () => {
  it("are set in a cgroup below the pod's", async () => {
    const pod = await Pod.run();
    const container = await pod.start(
      undefined,
      limited({
        memory_limit_in_bytes: 64 * mebi,
        cpu_quota: 20_000,
        cpu_period: 100_000,
        oom_score_adj: 500,
      }),
    );
    const pid = await container.pid();
    expect(limits(pid)).to.include({ memory: String(64 * mebi), cpu: "20000 100000" });
    const parent = `${cgroupParent}/pod${pod.config.metadata.name}`;
    expect(cgroupDirectory(pid, "memory").endsWith(`${parent}/${container.id}`)).to.equal(true);
    expect(await container.says("cat /proc/1/oom_score_adj")).to.equal("500\n");
  });

  it("are updated while it runs", async () => {
    const container = await (await Pod.run()).start(
      undefined,
      limited({ memory_limit_in_bytes: 64 * mebi, cpu_quota: 20_000, cpu_period: 100_000 }),
    );
    (
      await crictl([
        "update",
        "--memory",
        String(96 * mebi),
        "--cpu-quota",
        "30000",
        "--cpu-period",
        "100000",
        container.id,
      ])
    ).ok();
    expect(limits(await container.pid())).to.include({
      memory: String(96 * mebi),
      cpu: "30000 100000",
    });
    (await crictl(["update", "--cpu-quota", "40000", container.id])).ok();
    expect(limits(await container.pid())).to.include({
      memory: String(96 * mebi),
      cpu: "40000 100000",
    });
  });

  it("that cannot be set are refused, and the container runs on", async () => {
    const container = await (await Pod.run()).start();
    (await crictl(["update", "--cpuset-cpus", "9999", container.id])).fails(/cpuset/);
    expect(await container.says("echo up")).to.equal("up\n");
  });

  it("OOMKilled is the reason of a container that wanted too much", async () => {
    const pod = await Pod.run();
    const hungry = await pod.start(
      ["tail", "/dev/zero"],
      limited({ memory_limit_in_bytes: 16 * mebi }),
    );
    const status = await hungry.ended(20_000);
    expect([status.exitCode, status.reason]).to.deep.equal([137, "OOMKilled"]);
    expect((await pod.status()).state).to.equal("SANDBOX_READY");
  });

  it("a child that is killed for memory ends alone", async () => {
    const pod = await Pod.run();
    const container = await pod.start(
      shell("tail /dev/zero; echo child $?; sleep 0.2"),
      limited({ memory_limit_in_bytes: 16 * mebi }),
    );
    const { exitCode } = await container.ended(20_000);
    expect(container.output()).to.equal("child 137\n");
    expect(exitCode, shimName).to.equal(0);
  });
});
