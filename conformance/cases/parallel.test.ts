/** Many commands at once: independent containers do not disturb each other, and races on one container have one winner. */
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { invoke, launch, type Result } from "../harness/runtime.ts";
import { sleep } from "../harness/wait.ts";

const many = 50;

async function all(commands: string[][]): Promise<Result[]> {
  return Promise.all(commands.map((words) => launch(words).done));
}

function succeeded(results: readonly Result[]): number {
  return results.filter(({ status }) => status === 0).length;
}

describe("in parallel", function () {
  this.timeout(300_000);

  it(`${many} containers live their lives at the same time and leave nothing`, async () => {
    const containers = Array.from({ length: many }, () => sleeper());
    for (const result of await all(
      containers.map((c) => ["create", "--bundle", c.bundle.path, c.id]),
    ))
      result.ok();
    for (const result of await all(containers.map((c) => ["start", c.id]))) result.ok();
    const ids = new Set(invoke(["list", "--quiet"]).ok().stdout.split("\n"));
    expect(containers.every((c) => ids.has(c.id))).to.equal(true);
    for (const result of await all(containers.map((c) => ["kill", c.id, "KILL"]))) result.ok();
    for (const c of containers) await c.reaches("stopped");
    for (const result of await all(containers.map((c) => ["delete", c.id]))) result.ok();
    expect(traces()).to.deep.equal([]);
  });

  it(
    "whole lives, unsynchronised, with list and state in between",
    known(
      "runc",
      "list reads the directory, then each state, and fails for a container that went in between",
      async () => {
        const life = async () => {
          const c = container((config) => {
            config.process.args = ["/probe", "exit", "11"];
          });
          const result = await launch(["run", "--bundle", c.bundle.path, c.id]).done;
          expect(result.status, result.describe()).to.equal(11);
        };
        const lives = Array.from({ length: 30 }, life);
        let ended = false;
        const watch = async () => {
          while (!ended) {
            // A container may vanish between reading the directory and its state: that must not fail the listing.
            (await launch(["list", "--format", "json"]).done).ok();
            await sleep(5);
          }
        };
        const [, listing] = await Promise.allSettled([
          Promise.all(lives).finally(() => {
            ended = true;
          }),
          watch(),
        ]);
        await Promise.all(lives);
        if (listing.status === "rejected") throw listing.reason;
        expect(traces()).to.deep.equal([]);
      },
      "sometimes",
    ),
  );

  it(
    "creates with one id: one succeeds, the others say that it exists",
    known(
      "runc",
      "looks whether the id is in use and makes the directory in two steps: losers can remove the winner's state",
      async () => {
        const c = sleeper();
        const others = Array.from({ length: 9 }, () => sleeper().bundle.path);
        const results = await all(
          [c.bundle.path, ...others].map((path) => ["create", "--bundle", path, c.id]),
        );
        expect(succeeded(results)).to.equal(1);
        for (const result of results.filter(({ status }) => status !== 0)) result.fails(/exist/, 1);
        expect(c.status()).to.equal("created");
        c.start().ok();
        expect(c.status()).to.equal("running");
      },
      "sometimes",
    ),
  );

  it("starts of one container: one succeeds", async () => {
    const c = sleeper();
    c.create().ok();
    const results = await all(Array.from({ length: 6 }, () => ["start", c.id]));
    expect(succeeded(results)).to.equal(1);
    expect(c.status()).to.equal("running");
  });

  it("execs in one container", async () => {
    const c = sleeper().up();
    const results = await Promise.all(
      Array.from(
        { length: 30 },
        (_, i) => launch(["exec", c.id, "/probe", "exit", String(i + 1)]).done,
      ),
    );
    expect(results.map(({ status }) => status)).to.deep.equal(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  });

  it("forced deletes of one container: all succeed or say that it is gone, and nothing is left", async () => {
    const c = sleeper().up();
    const results = await all(Array.from({ length: 5 }, () => ["delete", "--force", c.id]));
    expect(succeeded(results)).to.be.at.least(1);
    expect(results.every(({ timedOut }) => !timedOut)).to.equal(true);
    expect(c.status()).to.equal("absent");
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("a kill while execs are starting ends them all", async () => {
    const c = sleeper().up();
    const execs = Array.from({ length: 8 }, () => launch(["exec", c.id, "/probe", "sleep"]).done);
    await sleep(30);
    c.kill("KILL").ok();
    for (const result of await Promise.all(execs)) {
      expect(result.timedOut, result.describe()).to.equal(false);
      expect(result.status).to.not.equal(0);
    }
  });
});
