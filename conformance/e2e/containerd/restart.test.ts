/** containerd ends, by SIGTERM and by SIGKILL, and comes back: containers do not notice, and nothing that happened is lost. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";
import { isAlive, readOrEmpty } from "../../harness/processes.ts";
import { eventually, until } from "../../harness/wait.ts";
import { Container, ctrOnPty, freshId, launch, tasks, untilGone } from "./ctr.ts";
import { startDaemon, stopDaemon, workDirectory } from "./daemon.ts";
import { fifoOf, follow } from "./fifos.ts";
import { lasting } from "./leaks.ts";

const shell = (script: string): string[] => ["sh", "-c", script];
const group = () => ["--annotation", `io.containerd.runc.v2.group=${freshId()}`];
/** Writes a number every 20 ms. */
const counter = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done";

function lastNumber(text: string): number {
  return Number(text.trimEnd().split("\n").at(-1));
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  describe(`containerd ends by ${signal} and is started again`, () => {
    it("containers run on with the same shims, and obey", async () => {
      const flags = group();
      const one = await new Container().up(flags);
      const two = await new Container().up(flags);
      const alone = await new Container().up();
      const paused = await new Container().up();
      (await paused.task("pause")).ok();
      const before = await tasks();
      const shims = [await one.shim(), await alone.shim()];
      await stopDaemon(signal);
      expect(before.every(({ pid }) => isAlive(pid))).to.equal(true);
      await startDaemon();
      const byId = (a: { id: string }, b: { id: string }) => a.id.localeCompare(b.id);
      expect((await tasks()).toSorted(byId)).to.deep.equal(before.toSorted(byId));
      expect([await two.shim(), await alone.shim()]).to.deep.equal(shims);
      for (const c of [one, two, alone])
        expect((await c.exec(["echo", "hi"])).ok().stdout).to.equal("hi\n");
      (await paused.task("resume")).ok();
      expect((await new Container().run(["--rm", ...flags], ["echo", "new"])).ok().stdout).to.equal(
        "new\n",
      );
      for (const c of [one, two, alone, paused]) {
        await c.stop();
        expect(await c.remove()).to.equal(137);
      }
      for (const shim of shims) await untilGone(shim);
      expect(await lasting(5000, (trace) => !trace.startsWith("fifo"))).to.deep.equal([]);
    });

    it("output and input flow while it is down, and nothing is lost", async () => {
      const c = await new Container().up([], shell(counter));
      const output = follow(fifoOf(c.id, "stdout"));
      await until("numbers", () => lastNumber(output.text()) > 5);
      await stopDaemon(signal);
      const seen = lastNumber(output.text());
      await until("more numbers", () => lastNumber(output.text()) > seen + 10);
      await startDaemon();
      const later = lastNumber(output.text());
      await until("more numbers again", () => lastNumber(output.text()) > later + 10);
      await c.stop();
      await c.remove();
      await output.done;
      const numbers = output.text().trim().split("\n").map(Number);
      const first = numbers[0] ?? 0;
      expect(numbers).to.deep.equal(numbers.map((_, i) => first + i));
    });

    it("a container's input can be written to afterwards", async () => {
      const c = await new Container().up([], shell('while read x; do echo "got $x"; done'));
      await stopDaemon(signal);
      await startDaemon();
      const attached = launch(["task", "attach", c.id], { keepOpen: true });
      attached.write("words\n");
      await until("an answer", () => attached.stdout() === "got words\n");
      await c.kill();
      (await attached.done).ended(137);
    });

    it("exits while it is down are known afterwards", async () => {
      const directory = workDirectory("go");
      const mount = ["--mount", `type=bind,src=${directory},dst=/mnt,options=rbind:rw`];
      const script = "until test -e /mnt/go; do sleep 0.02; done; exit 42";
      const flags = group();
      const c = await new Container().up([...flags, ...mount], shell(script));
      const other = await new Container().up(flags);
      const pid = await c.pid();
      await stopDaemon(signal);
      execFileSync("touch", [join(directory, "go")]);
      await untilGone(pid);
      await startDaemon();
      expect(await c.status()).to.equal("STOPPED");
      expect(await other.status()).to.equal("RUNNING");
      expect(await c.remove()).to.equal(42);
    });

    it("an exec that ran on ends in the usual way", async () => {
      const c = await new Container().up();
      const file = join(workDirectory("exec"), "log");
      const flags = ["--detach", "--exec-id", "on", "--log-uri", `file://${file}`];
      (await c.exec(shell(counter), flags)).ok();
      await stopDaemon(signal);
      const seen = lastNumber(readOrEmpty(file));
      await until("more numbers", () => lastNumber(readOrEmpty(file)) > seen + 5);
      await startDaemon();
      (await c.task("kill", ["--exec-id", "on", "--signal", "SIGKILL"])).ok();
      await eventually("the exec's end", async () => {
        const { status } = await c.task("delete", ["--exec-id", "on"]);
        return status === 137;
      });
      (await c.exec(["true"])).ok();
    });

    it("a terminal lives on", async () => {
      const c = await new Container().upOnTerminal(["sh"]);
      await stopDaemon(signal);
      await startDaemon();
      const attached = ctrOnPty(["task", "attach", c.id]);
      // Not everything that is typed before ctr has attached arrives.
      await eventually("an answer", () => {
        attached.type("tty\n");
        return attached.prints(/\/dev\/pts\/0\r+\n/, 1000).catch(() => undefined);
      });
      attached.type("exit 3\n");
      expect(await attached.exit()).to.equal(3);
    });
  });
}
