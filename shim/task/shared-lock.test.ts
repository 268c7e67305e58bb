import { expect } from "chai";
import { SharedLock } from "./shared-lock.ts";

/** Work that ends when it is told to, and notes when it began. */
function work(name: string, log: string[]): { run: () => Promise<void>; end: () => void } {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    run: () => {
      log.push(name);
      return ended;
    },
    end: () => end(),
  };
}

/** Lets everything run that can. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("SharedLock", () => {
  it("lets sharing work run at once, and exclusive work alone", async () => {
    const lock = new SharedLock();
    const log: string[] = [];
    const [a, b, pause, c] = ["a", "b", "pause", "c"].map((name) => work(name, log)) as [
      ReturnType<typeof work>,
      ReturnType<typeof work>,
      ReturnType<typeof work>,
      ReturnType<typeof work>,
    ];
    const all = [
      lock.shared(a.run),
      lock.shared(b.run),
      lock.exclusive(pause.run),
      lock.shared(c.run),
    ];
    await settle();
    expect(log).to.deep.equal(["a", "b"]);
    a.end();
    await settle();
    expect(log, "one of two sharing has ended").to.deep.equal(["a", "b"]);
    b.end();
    await settle();
    expect(log, "nobody overtakes the exclusive one").to.deep.equal(["a", "b", "pause"]);
    pause.end();
    await settle();
    expect(log).to.deep.equal(["a", "b", "pause", "c"]);
    c.end();
    await Promise.all(all);
  });

  it("goes on after work that throws, at once or later", async () => {
    const lock = new SharedLock();
    const failing = lock.exclusive(() => Promise.reject(new Error("later")));
    const throwing = lock.shared(() => {
      throw new Error("at once");
    });
    const results = await Promise.allSettled([failing, throwing, lock.exclusive(async () => 7)]);
    expect(results.map(({ status }) => status)).to.deep.equal([
      "rejected",
      "rejected",
      "fulfilled",
    ]);
  });

  it("keeps exclusive work apart from exclusive work, in order", async () => {
    const lock = new SharedLock();
    let inside = 0;
    const order: number[] = [];
    const tasks = Array.from({ length: 20 }, (_, index) =>
      lock.exclusive(async () => {
        inside++;
        expect(inside).to.equal(1);
        await settle();
        order.push(index);
        inside--;
      }),
    );
    await Promise.all(tasks);
    expect(order).to.deep.equal(Array.from({ length: 20 }, (_, index) => index));
  });
});
