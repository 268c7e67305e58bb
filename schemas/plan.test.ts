/** The plan's wire codec: what goes in comes out, and nothing that the wire cannot carry goes in. */
import { expect } from "chai";
import { RuntimeError } from "../runtime/base/errors.ts";
import type { FieldType, Op } from "./generated/plan.ts";
import { decodePlan, encodePlan, opNames, PLAN_ABI, planLayout } from "./generated/plan.ts";

const samples: Readonly<Record<FieldType, readonly unknown[]>> = {
  u32: [0, 1, 0xffffffff],
  i32: [0, -1, -0x80000000, 0x7fffffff],
  u64: [0n, 1n, 0xffffffffffffffffn],
  str: ["", "/proc/self", "grüße 🙂", "x".repeat(40000)],
  bytes: [new Uint8Array(), Uint8Array.of(0, 1, 2, 255), new Uint8Array(20000).fill(7)],
  strs: [[], [""], ["a", "", "PATH=/bin", "ü"]],
};

/** Every operation, with the nth sample in each field. */
function everyOp(round: number): Op[] {
  return opNames.map((op) => {
    const values = planLayout[op].fields.map(([name, type]) => {
      const choices = samples[type];
      return [name, choices[round % choices.length]];
    });
    return { op, ...Object.fromEntries(values) } as Op;
  });
}

/** An operation that has a field of this type, filled with valid values. */
function opWith(type: FieldType): { op: Op; field: string } {
  for (const op of everyOp(0)) {
    const found = planLayout[op.op].fields.find((field) => field[1] === type);
    if (found !== undefined) return { op, field: found[0] };
  }
  throw new Error(`no operation has a ${type} field`);
}

function encodeError(type: FieldType, value: unknown): { error: RuntimeError; name: string } {
  const { op, field } = opWith(type);
  try {
    encodePlan([{ ...op, [field]: value } as Op]);
  } catch (error) {
    if (error instanceof RuntimeError) return { error, name: `${op.op}.${field}` };
    throw error;
  }
  throw new Error(`${type} ${String(value)} was encoded`);
}

describe("plan codec", () => {
  it("gives every operation back as it was", () => {
    for (let round = 0; round < 4; round++) {
      const ops = everyOp(round);
      expect(decodePlan(encodePlan(ops))).to.deep.equal(ops);
    }
  });

  it("encodes an empty plan as a bare header", () => {
    const bytes = encodePlan([]);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    expect(bytes.length).to.equal(32);
    expect(view.getUint32(0, true)).to.equal(0x50525354);
    expect(view.getUint32(4, true)).to.equal(PLAN_ABI);
    expect(decodePlan(bytes)).to.deep.equal([]);
  });

  it("numbers operations densely from 1", () => {
    expect(opNames.map((name) => planLayout[name].code)).to.deep.equal(
      opNames.map((_, i) => i + 1),
    );
  });

  it("refuses NUL in text, naming operation and field", () => {
    for (const text of ["a\0b", "\0", "ü\0"]) {
      const { error, name } = encodeError("str", text);
      expect(error.code).to.equal("InvalidArgument");
      expect(error.message).to.include(name).and.to.include("NUL");
    }
    const { error, name } = encodeError("strs", ["fine", "not\0fine"]);
    expect(error.message).to.include(name).and.to.include("NUL");
  });

  it("refuses numbers out of range and values of another type", () => {
    const cases: readonly (readonly [FieldType, unknown])[] = [
      ["u32", -1],
      ["u32", 2 ** 32],
      ["u32", 1.5],
      ["u32", Number.NaN],
      ["u32", "1"],
      ["i32", 2 ** 31],
      ["i32", -(2 ** 31) - 1],
      ["u64", -1n],
      ["u64", 2n ** 64n],
      ["u64", 1],
      ["str", undefined],
      ["bytes", "text"],
      ["strs", "text"],
      ["strs", [1]],
    ];
    for (const [type, value] of cases) {
      // Not every table has every type.
      if (!opNames.some((op) => planLayout[op].fields.some((field) => field[1] === type))) continue;
      const { error, name } = encodeError(type, value);
      expect(error.code, `${type} ${String(value)}`).to.equal("InvalidArgument");
      expect(error.message).to.include(name);
    }
  });

  it("refuses an operation it does not know", () => {
    expect(() => encodePlan([{ op: "toString" } as unknown as Op])).to.throw(
      "unknown plan operation",
    );
  });

  it("keeps byte strings and string tables 8-aligned", () => {
    const { op, field } = opWith("strs");
    const bytes = encodePlan([{ ...op, [field]: ["a"] } as Op]);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const index = planLayout[op.op].fields.findIndex(([name]) => name === field);
    expect(view.getUint32(32 + 8 + index * 8, true) % 8).to.equal(0);
  });

  it("never reads beyond a damaged plan", () => {
    const good = encodePlan(everyOp(2));
    for (let length = 0; length < 64; length++) {
      expect(() => decodePlan(good.slice(0, length))).to.throw(RuntimeError);
    }
    const opsEnd = 32 + new DataView(good.buffer).getUint32(12, true);
    for (let at = 0; at < opsEnd; at++) {
      const bad = good.slice();
      bad[at] = (bad[at] as number) ^ 0x80;
      try {
        decodePlan(bad);
      } catch (error) {
        expect(error, `byte ${at}`).to.be.instanceOf(RuntimeError);
      }
    }
  });
});
