/** What the generated messages are built on: protobufjs' reader and writer, with 64-bit numbers settled. */
import protobuf from "protobufjs/minimal.js";
import { describe, fail } from "../runtime/base/errors.ts";

// Without the package "long" 64-bit fields are read as numbers: exact up to 2^53, which times and durations never
// reach. The executable leaves that package out; here it is switched off for node, so that both behave alike.
protobuf.util.Long = undefined as unknown as typeof protobuf.util.Long;
protobuf.configure();

export const { Reader, Writer, util } = protobuf;

/** Default of an absent bytes field. */
export const noBytes = new Uint8Array(0);

/** What `read` finds in the bytes, with errors of ours in place of protobufjs' own. */
export function decoded<T>(
  name: string,
  read: (reader: protobuf.Reader) => T,
  bytes: Uint8Array,
): T {
  try {
    return read(Reader.create(bytes));
  } catch (error) {
    throw fail("InvalidArgument", `malformed ${name}: ${describe(error)}`);
  }
}

/** A 64-bit value in two words, which writers take wherever a number may not be exact. */
export interface Uint64 {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

const maximum = 0xffff_ffff_ffff_ffffn;

/** An exact u64 for a 64-bit field; values beyond 2^64-1 (a rounded one is 2^64) become 2^64-1, negative ones 0. */
export function u64(value: bigint | number): Uint64 {
  const wide = typeof value === "bigint" ? value : BigInt(Math.trunc(value));
  const bits = wide > maximum ? maximum : wide < 0n ? 0n : wide;
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: true,
  };
}
