/** Runs classic BPF the way seccomp does, for tests: what would the kernel say to this system call? */
import { fail } from "../base/errors.ts";

/** struct seccomp_data (<linux/seccomp.h>), without the instruction pointer. */
export interface SystemCall {
  readonly arch: number;
  readonly number: number;
  readonly args?: readonly bigint[];
}

const SIZE = 64;
/** BPF_ALU operations by their code with operand K. */
const AND = 0x54;

/** Returns SECCOMP_RET_* with its data; throws on whatever the kernel's checker would refuse. */
export function simulate(filter: Uint8Array, call: SystemCall): number {
  const program = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const data = layOut(call);
  let accumulator = 0;
  const memory = new Array<number>(16).fill(0);
  for (let at = 0; at * 8 < filter.length; at++) {
    const code = program.getUint16(at * 8, true);
    const jt = program.getUint8(at * 8 + 2);
    const jf = program.getUint8(at * 8 + 3);
    const k = program.getUint32(at * 8 + 4, true);
    const holds = compare(code, accumulator, k);
    if (holds !== undefined) at += holds ? jt : jf;
    else if (code === 0x20) accumulator = load(data, k);
    else if (code === 0x05) at += k;
    else if (code === 0x06) return k;
    else if (code === AND) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x02) memory[k] = accumulator;
    else if (code === 0x60) accumulator = memory[k] as number;
    else throw fail("InvalidArgument", `instruction ${at}: unknown code 0x${code.toString(16)}`);
  }
  throw fail("InvalidArgument", "program ran off its end");
}

function compare(code: number, a: number, k: number): boolean | undefined {
  switch (code) {
    case 0x15:
      return a === k;
    case 0x25:
      return a > k;
    case 0x35:
      return a >= k;
    case 0x45:
      return (a & k) !== 0;
    default:
      return undefined;
  }
}

function load(data: DataView, offset: number): number {
  if (offset % 4 !== 0 || offset >= SIZE) throw fail("InvalidArgument", `load of offset ${offset}`);
  return data.getUint32(offset, true);
}

function layOut(call: SystemCall): DataView {
  const data = new DataView(new ArrayBuffer(SIZE));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.arch, true);
  (call.args ?? []).forEach((arg, i) => {
    data.setBigUint64(16 + i * 8, arg, true);
  });
  return data;
}
