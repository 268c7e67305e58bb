/** Probes without end and pods that come and go: the shim does not grow, and none is left. */
import { readdirSync } from "node:fs";
import { expect } from "chai";
import { allPids, commandOf, isAlive, readOrEmpty } from "../../harness/processes.ts";
import { until } from "../../harness/wait.ts";
import { address } from "../containerd/daemon.ts";
import { lasting } from "./leaks.ts";
import { type Container, Pod } from "./pods.ts";

/** Runs tasks with so many at a time. */
async function parallel(count: number, width: number, task: (index: number) => Promise<void>) {
  let next = 0;
  const worker = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

function footprint(pid: number): { fds: number; kilobytes: number } {
  const rss = /^VmRSS:\s+(\d+)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1];
  return { fds: readdirSync(`/proc/${pid}/fd`).length, kilobytes: Number(rss) };
}

function shims(): number[] {
  return allPids().filter(
    (pid) =>
      isAlive(pid) && / -address /.test(commandOf(pid)) && commandOf(pid).includes(address()),
  );
}

async function probes(container: Container, count: number): Promise<void> {
  await parallel(count, 4, async (index) => {
    (await container.probe(["echo", `probe ${index}`])).ok();
  });
}

describe("under load", () => {
  it("200 probes leave no descriptor, process or memory in the shim", async function () {
    this.timeout(120_000);
    const pod = await Pod.run();
    const container = await pod.start();
    await probes(container, 60);
    const shim = await pod.shim();
    const before = footprint(shim);
    await probes(container, 200);
    await until("descriptors to be closed", () => footprint(shim).fds <= before.fds);
    const after = footprint(shim);
    expect(after.kilobytes, `${before.kilobytes} kB before`).to.be.at.most(
      before.kilobytes * 1.15 + 1024,
    );
    const children = readOrEmpty(`/proc/${shim}/task/${shim}/children`).trim().split(/\s+/);
    expect(children).to.have.length(2);
  });

  it("20 pods come and go, four at a time, and no shim stays", async function () {
    this.timeout(120_000);
    await parallel(20, 4, async (index) => {
      const pod = await Pod.run();
      const container = await pod.start(["sh", "-c", `exit ${index}`]);
      await pod.start();
      expect((await container.ended()).exitCode).to.equal(index);
      await pod.remove();
    });
    await until("the shims' end", () => shims().length === 0);
    expect(await lasting()).to.deep.equal([]);
  });

  it("10 pods at once", async function () {
    this.timeout(120_000);
    const pods = await Promise.all(Array.from({ length: 10 }, () => Pod.run()));
    await Promise.all(pods.map((pod) => pod.start()));
    expect(shims()).to.have.length(10);
    await Promise.all(pods.map((pod) => pod.remove()));
    expect(await lasting()).to.deep.equal([]);
  });
});
