import { expect } from "chai";
import { fail, RuntimeError } from "./errors.ts";
import { withUndo } from "./undo.ts";

async function errorOf(work: Promise<unknown>): Promise<RuntimeError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("withUndo", () => {
  it("takes steps back in reverse order, waiting for each", async () => {
    const seen: number[] = [];
    const work = withUndo(async (undo) => {
      undo.push(() => void seen.push(1));
      undo.push(async () => {
        await Promise.resolve();
        seen.push(2);
      });
      throw fail("NotFound", "no such thing");
    });
    expect((await errorOf(work)).message).to.equal("no such thing");
    expect(seen).to.deep.equal([2, 1]);
  });

  it("leaves everything as it is after success", async () => {
    const seen: number[] = [];
    const result = await withUndo(async (undo) => {
      undo.push(() => void seen.push(1));
      return 7;
    });
    expect([result, seen]).to.deep.equal([7, []]);
  });

  it("keeps both errors: the first is thrown, what could not be cleaned up is its hint", async () => {
    const seen: number[] = [];
    const error = await errorOf(
      withUndo(async (undo) => {
        undo.push(() => void seen.push(1));
        undo.push(() => {
          throw fail("Internal", "cgroup is busy");
        });
        throw fail("NotFound", "no such thing", { hint: "look again", exitStatus: 255 });
      }),
    );
    expect(error.message).to.equal("no such thing");
    expect(error.hint).to.equal("look again; clean-up failed: cgroup is busy");
    expect(error).to.include({ code: "NotFound", exitStatus: 255 });
    expect(seen, "the later step does not keep the earlier one from being undone").to.deep.equal([
      1,
    ]);
  });
});
