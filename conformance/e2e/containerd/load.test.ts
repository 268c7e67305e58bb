/** Many containers and execs: all end well, and the shim does not grow. Left out with E2E_LOAD=0. */

import { readdirSync } from "node:fs";
import { expect } from "chai";
import { allPids, parentOf, readOrEmpty } from "../../harness/processes.ts";
import { until } from "../../harness/wait.ts";
import { Container } from "./ctr.ts";
import { Events } from "./events.ts";
import { shimName } from "./subject.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

interface Footprint {
  fds: number;
  threads: number;
  children: number;
  rssKb: number;
}

function footprint(pid: number): Footprint {
  const status = readOrEmpty(`/proc/${pid}/status`);
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    fds: readdirSync(`/proc/${pid}/fd`).length,
    threads: number("Threads"),
    children: allPids().filter((child) => parentOf(child) === pid).length,
    rssKb: number("VmRSS"),
  };
}

/** Runs tasks, a few at a time. */
async function inParallel(width: number, count: number, task: (i: number) => Promise<void>) {
  let next = 0;
  const lane = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

describe("load", function () {
  this.timeout(180_000);
  before(function () {
    if (process.env["E2E_LOAD"] === "0") this.skip();
  });

  it("100 containers at the same time", async () => {
    const events = await Events.open();
    const containers = Array.from({ length: 100 }, () => new Container());
    await inParallel(100, containers.length, async (i) => {
      const c = containers[i];
      const result = await c?.run(["--rm"], shell(`echo ${i}; exit ${i}`), { timeoutMs: 150_000 });
      expect(result?.ended(i).stdout).to.equal(`${i}\n`);
    });
    for (const c of containers) {
      await events.next(c.id, "delete");
      expect(events.order(c.id)).to.deep.equal(["create", "start", "exit", "delete"]);
    }
    await events.close();
  });

  it("1,000 execs leave no descriptor, thread or process and no memory in use", async () => {
    const c = await new Container().up();
    const shim = await c.shim();
    let done = 0;
    const lost: string[] = [];
    const execs = (count: number) =>
      inParallel(6, count, async () => {
        const word = `w${++done}`;
        const { stdout } = (await c.exec(["echo", word])).ok();
        if (stdout !== `${word}\n`) lost.push(word);
      });
    await execs(200);
    const before = footprint(shim);
    await execs(800);
    const after = footprint(shim);
    // The runc shim of containerd 1.6 loses an output now and then.
    expect(lost.length).to.be.at.most(shimName === "runc" ? 5 : 0);
    process.stdout.write(`      ${JSON.stringify(before)} -> ${JSON.stringify(after)}\n`);
    await until("as few descriptors", () => footprint(shim).fds <= before.fds);
    await until("as few children", () => footprint(shim).children === before.children);
    expect(after.threads).to.be.at.most(before.threads + 4);
    expect(after.rssKb).to.be.below(before.rssKb * 1.1 + 1024);
  });
});
