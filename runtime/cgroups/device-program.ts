/**
 * A device access state -> eBPF bytes of a BPF_PROG_TYPE_CGROUP_DEVICE program, as cgroup v2 wants
 * it. Pure.
 */
import { accessAll, type DeviceState } from "./device-rules.ts";

// Registers: the verdict, the context (later scratch), then what is asked for: device type, access,
// major, minor.
const r0 = 0;
const r1 = 1;
const type = 2;
const access = 3;
const major = 4;
const minor = 5;

// Opcodes (linux/bpf.h, linux/bpf_common.h).
const loadWord = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const and32 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const shiftRight32 = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const move32 = 0xb4; // BPF_ALU | BPF_MOV | BPF_K
const moveRegister32 = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
const jumpEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const jumpNotEqual = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const jumpNotEqualRegister = 0x5d; // BPF_JMP | BPF_JNE | BPF_X
const exit = 0x95; // BPF_JMP | BPF_EXIT

// BPF_DEVCG_DEV_*.
const typeCode = { b: 1, c: 2 } as const;

/** [opcode, destination, source, offset, immediate] */
type Instruction = readonly [number, number, number, number, number];

/**
 * Returns the program: 1 allows, 0 denies. An allowing exception has to cover all of the access
 * asked for, a denying one applies when it covers any of it, as in the v1 controller
 * (security/device_cgroup.c).
 */
export function deviceProgram(state: DeviceState): Uint8Array {
  // struct bpf_cgroup_dev_ctx { u32 access_type /* access << 16 | type */, u32 major, u32 minor }
  const program: Instruction[] = [
    [loadWord, type, r1, 0, 0],
    [and32, type, 0, 0, 0xffff],
    [loadWord, access, r1, 0, 0],
    [shiftRight32, access, 0, 0, 16],
    [loadWord, major, r1, 4, 0],
    [loadWord, minor, r1, 8, 0],
  ];
  for (const exception of state.exceptions) {
    // dev_t has 12 and 20 bits: beyond, no device can match.
    if (exception.major > 0xfff || exception.minor > 0xfffff) continue;
    const checks: Instruction[] = [[jumpNotEqual, type, 0, 0, typeCode[exception.type]]];
    if (exception.access !== accessAll) {
      checks.push([moveRegister32, r1, access, 0, 0], [and32, r1, 0, 0, exception.access]);
      checks.push(
        state.defaultAllow ? [jumpEqual, r1, 0, 0, 0] : [jumpNotEqualRegister, r1, access, 0, 0],
      );
    }
    if (exception.major >= 0) checks.push([jumpNotEqual, major, 0, 0, exception.major]);
    if (exception.minor >= 0) checks.push([jumpNotEqual, minor, 0, 0, exception.minor]);
    // Each jump leaves the block: past the remaining checks and the two instructions of the
    // verdict.
    for (const [at, check] of checks.entries()) {
      const [opcode, to, from, , value] = check;
      const isJump = (opcode & 7) === 5;
      program.push([opcode, to, from, isJump ? checks.length - at - 1 + 2 : 0, value]);
    }
    program.push(...verdict(!state.defaultAllow));
  }
  program.push(...verdict(state.defaultAllow));
  return assemble(program);
}

function verdict(allow: boolean): Instruction[] {
  return [
    [move32, r0, 0, 0, allow ? 1 : 0],
    [exit, 0, 0, 0, 0],
  ];
}

/** struct bpf_insn { u8 code; u8 dst:4, src:4; s16 off; s32 imm } of a little-endian machine. */
function assemble(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [at, [opcode, to, from, offset, value]] of program.entries()) {
    view.setUint8(at * 8, opcode);
    view.setUint8(at * 8 + 1, to | (from << 4));
    view.setInt16(at * 8 + 2, offset, true);
    view.setInt32(at * 8 + 4, value, true);
  }
  return bytes;
}
