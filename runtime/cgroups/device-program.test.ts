import { expect } from "chai";
import type { DeviceRule } from "../../schemas/generated/config.ts";
import { deviceProgram } from "./device-program.ts";
import { deviceState } from "./device-rules.ts";

const [mknod, read, write] = [1, 2, 4];
const [block, char] = [1, 2];

/**
 * Executes the program as the kernel would, on one access; also refuses what the verifier would.
 */
function run(
  program: Uint8Array,
  type: number,
  access: number,
  major: number,
  minor: number,
): number {
  const context = [((access << 16) | type) >>> 0, major, minor];
  const view = new DataView(program.buffer);
  const registers: (number | undefined)[] = [undefined, 0];
  const get = (index: number): number => {
    const value = registers[index];
    if (value === undefined) throw new Error(`register ${index} is read before it is set`);
    return value;
  };
  for (let at = 0; at < program.length / 8; at++) {
    const opcode = view.getUint8(at * 8);
    const to = view.getUint8(at * 8 + 1) & 15;
    const from = view.getUint8(at * 8 + 1) >> 4;
    const offset = view.getInt16(at * 8 + 2, true);
    const value = view.getInt32(at * 8 + 4, true);
    if (opcode === 0x61) registers[to] = context[offset / 4];
    else if (opcode === 0x54) registers[to] = get(to) & value;
    else if (opcode === 0x74) registers[to] = get(to) >>> value;
    else if (opcode === 0xb4) registers[to] = value;
    else if (opcode === 0xbc) registers[to] = get(from);
    else if (opcode === 0x15) at += get(to) === value ? offset : 0;
    else if (opcode === 0x55) at += get(to) !== value ? offset : 0;
    else if (opcode === 0x5d) at += get(to) !== get(from) ? offset : 0;
    else if (opcode === 0x95) return get(0);
    else throw new Error(`unknown opcode ${opcode}`);
  }
  throw new Error("program runs off its end");
}

function decide(rules: DeviceRule[]) {
  const program = deviceProgram(deviceState(rules));
  return (type: number, access: number, major: number, minor: number): boolean =>
    run(program, type, access, major, minor) === 1;
}

describe("device program", () => {
  it("allows the default devices and mknod of all, and denies the rest", () => {
    const allowed = decide([{ allow: false, access: "rwm" }]);
    expect(allowed(char, read | write, 1, 3)).to.equal(true);
    expect(allowed(char, read | write | mknod, 136, 77)).to.equal(true);
    expect(allowed(char, mknod, 240, 5)).to.equal(true);
    expect(allowed(block, mknod, 8, 0)).to.equal(true);
    expect(allowed(block, read, 8, 0)).to.equal(false);
    expect(allowed(char, read, 10, 200)).to.equal(false);
    expect(allowed(block, read, 1, 3)).to.equal(false);
  });

  it("allows only what is covered by one rule", () => {
    const allowed = decide([{ allow: true, type: "b", major: 8, minor: 1, access: "r" }]);
    expect(allowed(block, read, 8, 1)).to.equal(true);
    expect(allowed(block, read | write, 8, 1)).to.equal(false);
    expect(allowed(block, read, 8, 2)).to.equal(false);
  });

  it("denies an access of which any part is denied", () => {
    const allowed = decide([
      { allow: true, access: "rwm" },
      { allow: false, type: "b", major: 8, access: "w" },
    ]);
    expect(allowed(block, read, 8, 3)).to.equal(true);
    expect(allowed(block, read | write, 8, 3)).to.equal(false);
    expect(allowed(block, write, 9, 3)).to.equal(true);
  });

  it("matches wildcards in either number", () => {
    const allowed = decide([{ allow: true, type: "c", minor: 7, access: "rw" }]);
    expect(allowed(char, read, 4000, 7)).to.equal(true);
    expect(allowed(char, read, 4000, 8)).to.equal(false);
  });

  it("leaves out rules for numbers that no device can have", () => {
    const none = deviceProgram(deviceState([]));
    const rules: DeviceRule[] = [
      { allow: true, type: "c", major: 0xffffffff, minor: 0, access: "rwm" },
    ];
    expect(deviceProgram(deviceState(rules))).to.deep.equal(none);
  });
});
