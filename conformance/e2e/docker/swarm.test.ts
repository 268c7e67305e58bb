/** Two swarm nodes, each in a network namespace of its own, and a service on both. */
import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { eventually } from "../../harness/wait.ts";
import { Container } from "./container.ts";
import { Daemon } from "./daemon.ts";
import { imageName, importImage } from "./image.ts";

const addresses = ["10.98.0.1", "10.98.0.2"] as const;

/** Ends and replaces tasks at once: those that sleep ignore TERM. */
const quick = ["--stop-grace-period", "100ms", "--restart-delay", "0s"];

/** Joins the networks of two daemons by a cable. */
function connect(left: Daemon, right: Daemon): void {
  const ip = (daemon: Daemon, ...args: string[]) =>
    execFileSync("nsenter", [`--net=${daemon.netns}`, "ip", ...args]);
  ip(left, "link", "add", "e2e-l", "type", "veth", "peer", "name", "e2e-r");
  // By process: a namespace that is kept by a file elsewhere has no name for ip(8).
  ip(left, "link", "set", "e2e-r", "netns", String(right.pid));
  for (const [daemon, name, address] of [
    [left, "e2e-l", addresses[0]],
    [right, "e2e-r", addresses[1]],
  ] as const) {
    ip(daemon, "addr", "add", `${address}/24`, "dev", name);
    ip(daemon, "link", "set", name, "up");
  }
}

describe("a swarm of two nodes", () => {
  let manager: Daemon;
  let worker: Daemon;

  before(async function () {
    this.timeout(120_000);
    manager = new Daemon("manager");
    worker = new Daemon("worker");
    for (const daemon of [manager, worker]) {
      await daemon.start();
      await importImage(daemon);
      daemon.ownLinks = 1;
    }
    connect(manager, worker);
    const init = ["swarm", "init", "--advertise-addr", addresses[0], "--listen-addr", addresses[0]];
    (await manager.docker(init)).ok();
    const token = (await manager.docker(["swarm", "join-token", "--quiet", "worker"])).ok().text;
    const flags = [
      "--token",
      token,
      "--advertise-addr",
      addresses[1],
      "--listen-addr",
      addresses[1],
    ];
    (await worker.docker(["swarm", "join", ...flags, addresses[0]])).ok();
  });

  after(async () => {
    for (const daemon of [worker, manager]) {
      if (daemon === undefined) continue;
      await daemon.docker(["swarm", "leave", "--force"]);
      await daemon.stop();
    }
  });

  async function tasksOf(daemon: Daemon, service: string): Promise<string[]> {
    const filter = ["--filter", `label=com.docker.swarm.service.name=${service}`];
    return (await daemon.docker(["ps", "--quiet", "--no-trunc", ...filter])).ok().lines;
  }

  it("spreads a service over both, replaces what dies, scales, updates, removes", async function () {
    this.timeout(120_000);
    const flags = [
      "--detach",
      "--no-resolve-image",
      "--endpoint-mode",
      "dnsrr",
      "--name",
      "spread",
    ];
    const more = ["--replicas", "4", "--limit-memory", "64m", "--env", "V=1", ...quick];
    const command = [imageName, "sleep", "1000"];
    (await manager.docker(["service", "create", ...flags, ...more, ...command])).ok();
    const count = async (daemon: Daemon) => (await tasksOf(daemon, "spread")).length;
    const spread = (each: number) =>
      eventually(
        `${each} tasks on each`,
        async () => (await count(manager)) === each && (await count(worker)) === each,
        40_000,
      );
    await spread(2);
    const [victim = ""] = await tasksOf(worker, "spread");
    (await worker.docker(["kill", victim])).ok();
    await eventually(
      "another task",
      async () => {
        const now = await tasksOf(worker, "spread");
        return now.length === 2 && !now.includes(victim);
      },
      40_000,
    );
    (await manager.docker(["service", "scale", "--detach", "spread=2"])).ok();
    await spread(1);
    const change = ["--detach", "--no-resolve-image", "--env-add", "V=2"];
    (await manager.docker(["service", "update", ...change, "spread"])).ok();
    await eventually(
      "the update",
      async () => {
        const ids = await tasksOf(worker, "spread");
        if (ids.length !== 1) return false;
        return (await worker.docker(["exec", ids[0] ?? "", "sh", "-c", "echo $V"])).text === "2";
      },
      40_000,
    );
    (await manager.docker(["service", "rm", "spread"])).ok();
    await spread(0);
  });

  it("carries names and packets between nodes on an overlay network, configs and secrets into tasks", async function () {
    this.timeout(120_000);
    (
      await manager.docker(["network", "create", "--driver", "overlay", "--attachable", "over"])
    ).ok();
    (await manager.docker(["secret", "create", "s1", "-"], { input: "hush" })).ok();
    (await manager.docker(["config", "create", "c1", "-"], { input: "plain" })).ok();
    const flags = [
      "--detach",
      "--no-resolve-image",
      "--endpoint-mode",
      "dnsrr",
      "--network",
      "over",
    ];
    const more = [
      "--mode",
      "global",
      "--name",
      "every",
      "--secret",
      "s1",
      "--config",
      "c1",
      ...quick,
    ];
    (
      await manager.docker(["service", "create", ...flags, ...more, imageName, "sleep", "1000"])
    ).ok();
    const task = async (daemon: Daemon) => {
      const id = await eventually(
        "a task",
        async () => (await tasksOf(daemon, "every"))[0],
        40_000,
      );
      return new Container(id, daemon);
    };
    const here = await task(manager);
    const there = await task(worker);
    expect(await here.says(["cat", "/run/secrets/s1", "/c1"])).to.equal("hushplain");
    const address = await there.says(["hostname", "-i"]);
    await eventually(
      "an answer",
      async () => {
        return (await here.exec(["ping", "-c", "1", "-W", "1", address])).status === 0;
      },
      30_000,
    );
    const names = await here.says(["nslookup", "tasks.every"]);
    expect(names.split("\n").filter((line) => /^Address.*10\./.test(line)).length).to.be.at.least(
      2,
    );
    (await manager.docker(["service", "rm", "every"])).ok();
    await eventually("the end", async () => (await tasksOf(worker, "every")).length === 0, 40_000);
    await eventually("the end", async () => (await tasksOf(manager, "every")).length === 0, 40_000);
    for (const kind of ["secret", "config"])
      (await manager.docker([kind, "rm", `${kind[0]}1`])).ok();
    await eventually(
      "the network's end",
      async () => (await manager.docker(["network", "rm", "over"])).status === 0,
    );
  });
});
