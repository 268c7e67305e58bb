import { expect } from "chai";
import { Housekeeping } from "./housekeeping.ts";

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** On a busy machine timers are late. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !holds(); tries++) await sleep(5);
}

describe("Housekeeping", () => {
  let collections: number;
  let keeping: Housekeeping;

  function start(longMs: number): void {
    collections = 0;
    const limits = { quietMs: 20, manyCalls: 5, longMs };
    keeping = new Housekeeping(() => collections++, limits);
  }

  afterEach(() => keeping.stop());

  it("waits for quiet, then collects once", async () => {
    start(60_000);
    for (let call = 0; call < 8; call++) {
      keeping.called();
      await sleep(5);
    }
    expect(collections).to.equal(0);
    await until(() => collections === 1);
    expect(collections).to.equal(1);
  });

  it("leaves a few calls be, but not many, nor a container", async () => {
    start(60_000);
    keeping.called();
    await until(() => collections === 1);
    expect(collections, "after the start").to.equal(1);
    keeping.called();
    await sleep(60);
    expect(collections, "one call").to.equal(1);
    for (let call = 0; call < 4; call++) keeping.called();
    await until(() => collections === 2);
    expect(collections, "many calls").to.equal(2);
    keeping.called();
    keeping.due();
    await until(() => collections === 3);
    expect(collections, "a container").to.equal(3);
  });

  it("collects after a long time for a single call", async () => {
    start(50);
    keeping.called();
    await until(() => collections === 1);
    expect(collections).to.equal(1);
    await sleep(60);
    keeping.called();
    await until(() => collections === 2);
    expect(collections).to.equal(2);
  });
});
