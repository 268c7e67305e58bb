import { expect } from "chai";
import { Lifetime } from "./lifetime.ts";

const limits = { tickMs: 2, quietMs: 10, patienceMs: 100 };

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** On a busy machine timers are late. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !holds(); tries++) await sleep(5);
}

describe("Lifetime", () => {
  let containers: number;
  let connected: number;
  let accepted: number;
  let lifetime: Lifetime;
  let over: boolean;

  beforeEach(() => {
    containers = 0;
    connected = 0;
    accepted = 0;
    over = false;
    const peers = () => ({ connected, accepted });
    lifetime = new Lifetime({ containers: () => containers, peers }, limits);
    void lifetime.over.then(() => {
      over = true;
    });
  });

  afterEach(() => lifetime.stop());

  it("goes on without containers until it is told to end", async () => {
    lifetime.containerGone();
    await sleep(40);
    expect(over).to.equal(false);
    lifetime.shutdown();
    await until(() => over);
    expect(over).to.equal(true);
  });

  it("remembers the wish to end until the last container has gone", async () => {
    containers = 2;
    lifetime.shutdown();
    containers = 1;
    lifetime.containerGone();
    await sleep(40);
    expect(over).to.equal(false);
    containers = 0;
    lifetime.containerGone();
    await until(() => over);
    expect(over).to.equal(true);
  });

  it("waits for those who are connected, though not for ever", async () => {
    connected = 1;
    lifetime.shutdown();
    await sleep(50);
    expect(over).to.equal(false);
    await until(() => over);
    expect(over).to.equal(true);
  });

  it("stays for a container that is brought at the last moment", async () => {
    lifetime.shutdown();
    await sleep(4);
    accepted++;
    containers = 1;
    lifetime.containerAdded();
    await sleep(60);
    expect(over).to.equal(false);
    containers = 0;
    lifetime.containerGone();
    await sleep(60);
    expect(over, "it brings its own shutdown").to.equal(false);
    lifetime.shutdown();
    await until(() => over);
    expect(over).to.equal(true);
  });

  it("ends at once on a signal", async () => {
    containers = 3;
    lifetime.stop();
    await until(() => over);
    expect(over).to.equal(true);
  });
});
