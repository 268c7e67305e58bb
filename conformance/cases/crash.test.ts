/** The runtime is killed with SIGKILL in the middle of a command: afterwards `delete --force` must leave nothing. */
import { expect } from "chai";
import { type Container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { idPrefix, runToken } from "../harness/environment.ts";
import { traces } from "../harness/leaks.ts";
import { processesOf } from "../harness/processes.ts";
import { launch } from "../harness/runtime.ts";
import { scratch } from "../harness/scratch.ts";
import { sleep, until } from "../harness/wait.ts";

const moments = 24;

/** How long the command takes when it is left alone, in milliseconds (the longest of three). */
async function duration(
  prepare: () => Container,
  words: (c: Container) => string[],
): Promise<number> {
  let longest = 0;
  for (let i = 0; i < 3; i++) {
    const c = prepare();
    const begun = performance.now();
    (await launch(words(c)).done).ok();
    longest = Math.max(longest, performance.now() - begun);
    c.destroy();
  }
  return longest;
}

/** Kills the command after evenly spread fractions of its duration; `check` sees each container afterwards. */
async function killAtMoments(
  prepare: () => Container,
  words: (c: Container) => string[],
  check: (c: Container, moment: string) => Promise<void>,
): Promise<void> {
  const whole = await duration(prepare, words);
  for (let i = 0; i < moments; i++) {
    const delay = (whole * (i + 0.5)) / moments;
    const c = prepare();
    const launched = launch(words(c));
    await sleep(delay);
    launched.kill("SIGKILL");
    await launched.done;
    await check(c, `killed after ${delay.toFixed(1)} of ${whole.toFixed(1)} ms`);
  }
}

/** Nothing of the run may be left, apart from what still dies for a moment. */
async function nothingLeft(moment: string): Promise<void> {
  try {
    await until("nothing to be left", () => traces().length === 0, 3000);
  } catch {
    expect(traces(), moment).to.deep.equal([]);
  }
}

describe("a runtime killed in the middle", function () {
  this.timeout(300_000);

  it(
    "of create: what is incomplete has no process, and delete --force leaves nothing",
    known(
      "runc",
      "it knows nothing of a container before its state file: the cgroup stays; runc documents no recovery",
      async () => {
        await killAtMoments(
          () => sleeper(),
          (c) => ["create", "--bundle", c.bundle.path, c.id],
          async (c, moment) => {
            if (c.status() === "created") {
              c.start().ok();
              expect(c.status(), moment).to.equal("running");
            } else if (c.status() === "absent") {
              const left = () => processesOf(runToken, idPrefix, scratch());
              await until(`the init to notice (${moment})`, () => left().length === 0, 5000);
            }
            c.delete(["--force"]).ok();
            await nothingLeft(moment);
            c.destroy();
          },
        );
      },
    ),
  );

  it("of create: the id can be used again after delete --force", async () => {
    await killAtMoments(
      () => sleeper(),
      (c) => ["create", "--bundle", c.bundle.path, c.id],
      async (c) => {
        c.delete(["--force"]).ok();
        await until(
          "the killed init to go",
          () => processesOf(runToken, idPrefix, scratch()).length === 0,
        );
        c.create().ok();
        c.start().ok();
        c.destroy();
      },
    );
  });

  it("of start: the container is created or running, and can be deleted", async () => {
    await killAtMoments(
      () => {
        const c = sleeper();
        c.create().ok();
        return c;
      },
      (c) => ["start", c.id],
      async (c, moment) => {
        expect(c.status(), moment).to.be.oneOf(["created", "running", "stopped"]);
        c.delete(["--force"]).ok();
        await nothingLeft(moment);
        c.destroy();
      },
    );
  });

  it("of exec: the container runs on, and nothing is left after delete", async () => {
    await killAtMoments(
      () => sleeper().up(),
      (c) => ["exec", c.id, "/bin/true"],
      async (c, moment) => {
        expect(c.status(), moment).to.equal("running");
        c.exec(["/bin/true"]).ok();
        c.delete(["--force"]).ok();
        await nothingLeft(moment);
        c.destroy();
      },
    );
  });

  it("of delete: a second one finishes the work", async () => {
    await killAtMoments(
      () => sleeper().up(),
      (c) => ["delete", "--force", c.id],
      async (c, moment) => {
        c.delete(["--force"]).ok();
        await nothingLeft(moment);
        c.destroy();
      },
    );
  });
});
