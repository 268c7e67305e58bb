/** Joins the programs of the architectures to one, and answers ENOSYS where a profile cannot decide. */
import { ARCH_S390, ARCH_S390X, ARCH_X32, ARCH_X86_64, RET_ERRNO } from "./constants.ts";

/** What decides about one system call table. */
export interface Part {
  /** SCMP_ARCH_* token, never ARCH_NATIVE. */
  readonly arch: number;
  /** libseccomp's struct sock_filter[] for this architecture; it returns on every path. */
  readonly filter: Uint8Array;
  /** Highest number which the profile names, as the kernel reports it; 0 when it names none. */
  readonly newest: number;
  /** Decided before the filter is asked, because libseccomp does not know the name. */
  readonly verdicts: readonly Verdict[];
}

export interface Verdict {
  readonly number: number;
  /** SECCOMP_RET_* with its data. */
  readonly action: number;
}

/** sizeof(struct sock_filter). */
export const INSTRUCTION_SIZE = 8;

// The kernel remembers "always allowed" per system call only for programs made of few operations
// (kernel/seccomp.c, seccomp_is_const_allow); these are among them.
const LOAD = 0x20;
const JUMP = 0x05;
const IF_EQUAL = 0x15;
const IF_ABOVE = 0x25;
const IF_SET = 0x45;
const RETURN = 0x06;

/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const ARCH = 4;

const X32_BIT = 0x40000000;
const RET_KILL_THREAD = 0;
const RET_ENOSYS = RET_ERRNO | 38;

/**
 * Builds the whole program. `enosys` says that numbers above a table's newest get ENOSYS.
 *
 * Why ENOSYS: a profile which denies by default with EPERM breaks every system call that was added to
 * the kernel after the profile was written, since programs fall back to an older call on ENOSYS, not on
 * EPERM. So a number above the highest one which the profile mentions is answered as an old kernel
 * would. An architecture that is not listed is killed, which is libseccomp's answer as well.
 */
export function buildProgram(parts: readonly Part[], enosys: boolean): Uint8Array {
  const program = new Program();
  const done: number[] = [];
  program.step(LOAD, ARCH);
  for (const part of parts) {
    const arch = part.arch === ARCH_X32 ? ARCH_X86_64 : part.arch;
    if (done.includes(arch)) continue;
    done.push(arch);
    // Conditional jumps reach 255 instructions, `ja` any distance.
    program.branch(IF_EQUAL, arch, arch === ARCH_X86_64 ? x86(parts, enosys) : plain(part, enosys));
  }
  program.step(RETURN, RET_KILL_THREAD);
  return program.bytes();
}

function plain(part: Part, enosys: boolean): Program {
  const program = new Program();
  program.step(LOAD, NUMBER);
  if (enosys && (part.arch === ARCH_S390 || part.arch === ARCH_S390X)) {
    // Numbers which the kernel does not know arrive there as 0: setup(2), long gone as itself.
    program.answer(IF_EQUAL, 0, RET_ENOSYS);
  }
  return decide(program, part, enosys);
}

/** x86_64 and x32 share one audit architecture and differ by a bit of the number. */
function x86(parts: readonly Part[], enosys: boolean): Program {
  const wide = parts.find((part) => part.arch === ARCH_X86_64);
  const narrow = parts.find((part) => part.arch === ARCH_X32);
  const program = new Program();
  program.step(LOAD, NUMBER);
  if (narrow !== undefined) program.branch(IF_SET, X32_BIT, decide(new Program(), narrow, enosys));
  // Without x32 its numbers are not "newer" but of a foreign architecture: the filter kills them.
  if (wide === undefined) program.step(RETURN, RET_KILL_THREAD);
  else if (narrow !== undefined) decide(program, wide, enosys);
  else {
    const checks = new Program();
    check(checks, wide, enosys);
    program.unless(IF_SET, X32_BIT, checks);
    program.append(wide.filter);
  }
  return program;
}

function decide(program: Program, part: Part, enosys: boolean): Program {
  check(program, part, enosys);
  program.append(part.filter);
  return program;
}

/** What comes before a table's filter; needs the number loaded, goes on behind when nothing applies. */
function check(program: Program, part: Part, enosys: boolean): void {
  for (const verdict of part.verdicts) program.answer(IF_EQUAL, verdict.number, verdict.action);
  if (enosys && part.newest > 0) program.answer(IF_ABOVE, part.newest, RET_ENOSYS);
}

/** A run of instructions. All jumps are relative, so that runs can be joined by copying. */
class Program {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  /** The number of instructions. */
  get length(): number {
    return this.#size / INSTRUCTION_SIZE;
  }

  append(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /** struct sock_filter in the (little-endian) byte order of every host we build for. */
  step(code: number, k: number, jt = 0, jf = 0): void {
    const bytes = new Uint8Array(INSTRUCTION_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, code, true);
    bytes[2] = jt;
    bytes[3] = jf;
    view.setUint32(4, k, true);
    this.append(bytes);
  }

  /** `if (condition) return action` */
  answer(code: number, k: number, action: number): void {
    this.step(code, k, 0, 1);
    this.step(RETURN, action);
  }

  /** `if (condition) { body }` */
  branch(code: number, k: number, body: Program): void {
    this.step(code, k, 1, 0);
    this.step(JUMP, body.length);
    this.append(body.bytes());
  }

  /** `if (!condition) { body }` */
  unless(code: number, k: number, body: Program): void {
    this.step(code, k, 0, 1);
    this.step(JUMP, body.length);
    this.append(body.bytes());
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
}
