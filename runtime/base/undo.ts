/** A stack of things to take back when a sequence of steps fails half-way. */
import { describe, RuntimeError } from "./errors.ts";

export interface Undo {
  /** Registers how to take the step just done back. */
  push(action: () => void | Promise<void>): void;
  /** All went well: nothing is taken back any more. */
  commit(): void;
  /** Takes back in reverse order. Returns what could not be taken back; never throws. */
  rollBack(): Promise<string[]>;
}

export function newUndo(): Undo {
  let actions: (() => void | Promise<void>)[] = [];
  return {
    push: (action) => {
      actions.push(action);
    },
    commit: () => {
      actions = [];
    },
    rollBack: async () => {
      const failures: string[] = [];
      for (let action = actions.pop(); action !== undefined; action = actions.pop()) {
        try {
          await action();
        } catch (error) {
          failures.push(describe(error));
        }
      }
      return failures;
    },
  };
}

/**
 * Runs steps that register what they do. When one fails all is taken back and the first error is thrown;
 * what could not be cleaned up is added to it as a hint and never replaces it.
 */
export async function withUndo<T>(steps: (undo: Undo) => Promise<T>): Promise<T> {
  const undo = newUndo();
  try {
    const result = await steps(undo);
    undo.commit();
    return result;
  } catch (error) {
    const left = await undo.rollBack();
    if (left.length === 0) throw error;
    const first = error instanceof RuntimeError ? error : new RuntimeError(describe(error));
    throw new RuntimeError(first.message, {
      ...first,
      hint: `${first.hint === undefined ? "" : `${first.hint}; `}clean-up failed: ${left.join("; ")}`,
      cause: error,
    });
  }
}
