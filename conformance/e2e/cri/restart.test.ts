/** containerd ends and comes back, and a shim is killed: what pods notice, and what Kubernetes is told. */
import { readdirSync } from "node:fs";
import { expect } from "chai";
import { isAlive, readOrEmpty } from "../../harness/processes.ts";
import { eventually, sleep, until } from "../../harness/wait.ts";
import { stopDaemon } from "../containerd/daemon.ts";
import { known } from "../containerd/subject.ts";
import { crictl, launchCrictl, startNode } from "./crictl.ts";
import { lasting } from "./leaks.ts";
import { forgetNetwork } from "./node.ts";
import { Pod } from "./pods.ts";

const shell = (script: string): string[] => ["sh", "-c", script];
const counter = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";

const forgets =
  "containerd 2 takes a task of runc's shim without processes for a leftover, and says 255";

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  describe(`containerd ends by ${signal} and is started again`, () => {
    it("pods run on, and obey", async () => {
      const pod = await Pod.run();
      const one = await pod.start();
      const two = await pod.start(shell(counter));
      const before = [await pod.pid(), await one.pid(), await two.pid(), await pod.shim()];
      await stopDaemon(signal);
      expect(before.every(isAlive)).to.equal(true);
      await startNode();
      const after = [await pod.pid(), await one.pid(), await two.pid(), await pod.shim()];
      expect(after).to.deep.equal(before);
      expect((await pod.status()).state).to.equal("SANDBOX_READY");
      expect(await one.says("echo hi")).to.equal("hi\n");
      (await one.exec(["cat"], ["-i"], { input: "typed" })).ok();
      expect(await (await pod.start()).shim()).to.equal(before[3]);
      (await one.stop()).ok();
      expect((await one.status()).exitCode).to.equal(137);
      await pod.remove();
      expect(await lasting()).to.deep.equal([]);
    });

    it("logs go on, and no line is lost", async () => {
      const pod = await Pod.run();
      const container = await pod.start(shell(counter));
      const last = () => Number(container.output().trimEnd().split("\n").at(-1));
      await until("numbers", () => last() > 3);
      await stopDaemon(signal);
      const seen = last();
      await startNode();
      await until("more numbers", () => last() > seen + 3);
      const numbers = container.output().trimEnd().split("\n").map(Number);
      expect(numbers).to.deep.equal(numbers.map((_, index) => index + 1));
    });

    it(
      "what ended meanwhile is reported with its status",
      known(
        { shim: "runc" },
        forgets,
        async () => {
          const pod = await Pod.run();
          const container = await pod.start(shell("sleep 1.5; exit 33"));
          const other = await Pod.run();
          const otherPid = await other.pid();
          const pid = await container.pid();
          await stopDaemon(signal);
          process.kill(otherPid, "SIGKILL");
          await until("the container's end", () => !isAlive(pid));
          await startNode();
          expect((await container.ended()).exitCode).to.equal(33);
          expect((await pod.status()).state).to.equal("SANDBOX_READY");
          expect((await other.status()).state).to.equal("SANDBOX_NOTREADY");
          await pod.remove();
          await other.remove();
          expect(await lasting()).to.deep.equal([]);
        },
        "sometimes",
      ),
    );
  });
}

describe("containerd is killed in the middle", () => {
  const making = async () => {
    const attempts = Array.from({ length: 8 }, async (_, index) => {
      await sleep(index * 60);
      const { pod, result } = await Pod.attempt(() => undefined);
      if (result.status === 0) await pod.attempt(["sleep", "1000"]);
    });
    await sleep(400);
    await stopDaemon("SIGKILL");
    await Promise.all(attempts);
    await startNode();
    const { lines } = await crictl(["pods", "--quiet"]);
    if (lines.length > 0) (await crictl(["rmp", "--force", ...lines])).ok();
    expect((await crictl(["pods", "--quiet"])).ok().text).to.equal("");
    // A shim without a task is left by the first start and found dead by the second.
    await stopDaemon();
    await startNode();
    forgetNetwork();
    expect(await lasting(15_000)).to.deep.equal([]);
  };
  const keeps = "runc's shim keeps the pipes of commands that nobody reads any more";
  const stays = "runc's shim that was started for no task stays for ever";

  it(
    "of making pods: all of them can be removed afterwards, and no process, cgroup or mount stays",
    known({ shim: "runc" }, stays, making, "sometimes"),
  );

  it(
    "of commands: their processes end with the container, and the shim keeps no descriptor",
    known(
      { shim: "runc" },
      keeps,
      async () => {
        const pod = await Pod.run();
        const container = await pod.start();
        const shim = await pod.shim();
        const descriptors = () => readdirSync(`/proc/${shim}/fd`).length;
        const before = descriptors();
        const commands = Array.from({ length: 5 }, () =>
          launchCrictl(["exec", "-i", container.id, "cat"], { keepOpen: true }),
        );
        const children = () => readOrEmpty(`/proc/${shim}/task/${shim}/children`).trim().split(" ");
        await until("the commands", () => children().length === 7);
        await stopDaemon("SIGKILL");
        await Promise.all(commands.map(({ done }) => done));
        await startNode();
        expect(await container.says("echo hi")).to.equal("hi\n");
        (await container.stop()).ok();
        await until("the commands' end", () => children().length === 1);
        await until("descriptors to be closed", () => descriptors() <= before);
        await pod.remove();
        expect(await lasting()).to.deep.equal([]);
      },
      "sometimes",
    ),
  );
});

describe("a shim that is killed", () => {
  it("takes its pod down: that is reported, can be removed, and others are not touched", async () => {
    const pod = await Pod.run();
    const other = await Pod.run();
    const survivor = await other.start();
    const containers = [await pod.start(), await pod.start(shell(counter))];
    const pids = await Promise.all(containers.map((c) => c.pid()));
    process.kill(await pod.shim(), "SIGKILL");
    await eventually("the pod to be down", async () => {
      return (await pod.status()).state === "SANDBOX_NOTREADY";
    });
    for (const container of containers)
      expect((await container.ended()).exitCode).to.be.oneOf([137, 255]);
    await until("the processes' end", () => !pids.some(isAlive));
    expect(await survivor.says("echo hi")).to.equal("hi\n");
    await pod.remove();
    await other.remove();
    expect(await lasting()).to.deep.equal([]);
  });

  it("while containerd is down: the pod is found dead afterwards", async () => {
    const pod = await Pod.run();
    const container = await pod.start();
    const pid = await container.pid();
    const shim = await pod.shim();
    await stopDaemon("SIGKILL");
    process.kill(shim, "SIGKILL");
    await startNode();
    await until("the container's end", () => !isAlive(pid));
    expect((await pod.status()).state).to.equal("SANDBOX_NOTREADY");
    expect((await container.status()).state).to.be.oneOf(["CONTAINER_EXITED", "CONTAINER_UNKNOWN"]);
    (await crictl(["rmp", "--force", pod.id])).ok();
    expect(await lasting()).to.deep.equal([]);
  });

  it("a pause process that is killed: the pod is not ready, its containers run until it is stopped", async () => {
    const pod = await Pod.run();
    const container = await pod.start();
    process.kill(await pod.pid(), "SIGKILL");
    await eventually("the pod to be down", async () => {
      return (await pod.status()).state === "SANDBOX_NOTREADY";
    });
    expect(await container.says("echo hi")).to.equal("hi\n");
    await pod.remove();
    expect(await lasting()).to.deep.equal([]);
  });
});
