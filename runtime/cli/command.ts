/** What a command is: the data from which it is parsed, explained in help, and run. */
import type { Logger } from "../base/log.ts";
import type { Flag, FlagValues } from "./flags.ts";
import type { GlobalValues } from "./global.ts";
import type { FlagPlacement } from "./normalise.ts";

/** What every command gets besides its own flags. */
export interface Invocation {
  readonly globals: GlobalValues;
  /** Whether --root was given: a missing default root just means that nothing was created yet. */
  readonly rootGiven: boolean;
  readonly log: Logger;
}

/** A command's definition as written in its own file. */
export interface CommandDefinition<F extends readonly Flag[]> {
  readonly name: string;
  /** Operands as shown in help, e.g. `<container-id> [signal]`. */
  readonly usage: string;
  /** Paragraphs of help after the usage line. */
  readonly description: string;
  readonly flags: F;
  /** How many operands there may be; `maxOperands` is Infinity for a command to run. */
  readonly minOperands: number;
  readonly maxOperands: number;
  readonly placement: FlagPlacement;
  /** Does the work; the exit status, or nothing for 0. */
  run(
    invocation: Invocation,
    flags: FlagValues<F>,
    operands: readonly string[],
  ): Promise<number | undefined>;
}

/** A command whose own flag types are no longer of interest: what the parser and help handle. */
export type Command = CommandDefinition<readonly Flag[]>;

/** Lets TypeScript infer the types of a command's flag values from its table. */
export function defineCommand<const F extends readonly Flag[]>(
  definition: CommandDefinition<F>,
): Command {
  return definition as unknown as Command;
}
