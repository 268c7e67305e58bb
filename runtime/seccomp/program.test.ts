import { expect } from "chai";
import { simulate } from "./bpf-simulator.ts";
import { buildProgram, type Part } from "./program.ts";

const X86_64 = 0xc000003e;
const X86 = 0x40000003;
const X32 = 0x4000003e;
const S390X = 0x80000016;
const X32_BIT = 0x40000000;

const ENOSYS = 0x00050026;
const KILL = 0;

/** A filter of the given length that always says `answer`, as marker of who was asked. */
function filter(answer: number, length = 1): Uint8Array {
  const bytes = new Uint8Array(length * 8);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < length; i++) {
    view.setUint16(i * 8, 0x06, true);
    view.setUint32(i * 8 + 4, answer, true);
  }
  return bytes;
}

const part = (arch: number, answer: number, rest: Partial<Part> = {}): Part => ({
  arch,
  filter: filter(answer),
  newest: 100,
  verdicts: [],
  ...rest,
});

describe("buildProgram", () => {
  it("asks each architecture's own filter and kills the unlisted", () => {
    const program = buildProgram([part(X86_64, 1), part(X86, 2), part(S390X, 3)], false);
    expect(simulate(program, { arch: X86_64, number: 500 })).to.equal(1);
    expect(simulate(program, { arch: X86, number: 500 })).to.equal(2);
    expect(simulate(program, { arch: S390X, number: 0 })).to.equal(3);
    expect(simulate(program, { arch: 0xc00000b7, number: 1 })).to.equal(KILL);
  });

  it("answers ENOSYS above the newest number only", () => {
    const program = buildProgram([part(X86_64, 1), part(X86, 2, { newest: 200 })], true);
    expect(simulate(program, { arch: X86_64, number: 100 })).to.equal(1);
    expect(simulate(program, { arch: X86_64, number: 101 })).to.equal(ENOSYS);
    expect(simulate(program, { arch: X86, number: 200 })).to.equal(2);
    expect(simulate(program, { arch: X86, number: 0xffffffff })).to.equal(ENOSYS);
  });

  it("says nothing about a table of which no name is known", () => {
    const program = buildProgram([part(X86_64, 1, { newest: 0 })], true);
    expect(simulate(program, { arch: X86_64, number: 5000 })).to.equal(1);
  });

  it("leaves x32 numbers to the filter when x32 is not listed", () => {
    const program = buildProgram([part(X86_64, 1)], true);
    expect(simulate(program, { arch: X86_64, number: X32_BIT | 1 })).to.equal(1);
    expect(simulate(program, { arch: X86_64, number: X32_BIT | 5000 })).to.equal(1);
    expect(simulate(program, { arch: X86_64, number: 5000 })).to.equal(ENOSYS);
  });

  it("tells x32 from x86_64 by bit 30", () => {
    const narrow = part(X32, 2, { newest: X32_BIT | 50 });
    for (const parts of [
      [part(X86_64, 1), narrow],
      [narrow, part(X86_64, 1)],
    ]) {
      const program = buildProgram(parts, true);
      expect(simulate(program, { arch: X86_64, number: 60 })).to.equal(1);
      expect(simulate(program, { arch: X86_64, number: X32_BIT | 50 })).to.equal(2);
      expect(simulate(program, { arch: X86_64, number: X32_BIT | 51 })).to.equal(ENOSYS);
      expect(simulate(program, { arch: X86_64, number: 101 })).to.equal(ENOSYS);
    }
    const only = buildProgram([narrow], true);
    expect(simulate(only, { arch: X86_64, number: 1 })).to.equal(KILL);
  });

  it("answers ENOSYS to s390's multiplexing number", () => {
    const program = buildProgram([part(S390X, 1)], true);
    expect(simulate(program, { arch: S390X, number: 0 })).to.equal(ENOSYS);
    expect(simulate(program, { arch: S390X, number: 1 })).to.equal(1);
  });

  it("applies verdicts before the filter and before ENOSYS", () => {
    const verdicts = [
      { number: 462, action: 0x7fff0000 },
      { number: 451, action: 0x00050005 },
    ];
    const program = buildProgram([part(X86_64, 1, { newest: 462, verdicts })], true);
    expect(simulate(program, { arch: X86_64, number: 462 })).to.equal(0x7fff0000);
    expect(simulate(program, { arch: X86_64, number: 451 })).to.equal(0x00050005);
    expect(simulate(program, { arch: X86_64, number: 452 })).to.equal(1);
    expect(simulate(program, { arch: X86_64, number: 463 })).to.equal(ENOSYS);
  });

  it("jumps over filters longer than a conditional jump reaches", () => {
    const long = { filter: filter(1, 900) };
    const parts = [part(X86_64, 1, long), part(X32, 2, { filter: filter(2, 700) }), part(X86, 3)];
    const program = buildProgram(parts, false);
    expect(simulate(program, { arch: X86, number: 1 })).to.equal(3);
    expect(simulate(program, { arch: X86_64, number: X32_BIT | 1 })).to.equal(2);
    expect(simulate(program, { arch: X86_64, number: 1 })).to.equal(1);
    expect(simulate(program, { arch: 1, number: 1 })).to.equal(KILL);
  });
});
