import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import type { Seccomp, SeccompArg } from "../../schemas/generated/config.ts";
import { RuntimeError } from "../base/errors.ts";
import { simulate } from "./bpf-simulator.ts";
import { type CompiledSeccomp, compileSeccomp } from "./compile.ts";
import type { SeccompLibrary } from "./library.ts";
import { openLibraryOrSkip } from "./open-library.ts";

const X86_64 = 0xc000003e;
const X86 = 0x40000003;
const ARM64 = 0xc00000b7;
const X32_BIT = 0x40000000;

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const KILL = 0;

const profilePath = "conformance/harness/profiles/default-seccomp.json";

function profileFromFile(): Seccomp {
  return JSON.parse(readFileSync(profilePath, "utf8")) as Seccomp;
}

const allowing = (names: string[], args?: SeccompArg[]): Seccomp => ({
  defaultAction: "SCMP_ACT_ERRNO",
  architectures: ["SCMP_ARCH_X86_64"],
  syscalls: [{ names, action: "SCMP_ACT_ALLOW", ...(args === undefined ? {} : { args }) }],
});

/** The answer on x86_64. */
function ask(compiled: CompiledSeccomp, number: number, ...args: bigint[]): number {
  return simulate(compiled.filter, { arch: X86_64, number, args });
}

describe("compileSeccomp", () => {
  let library: SeccompLibrary;

  before(function () {
    library = openLibraryOrSkip(this);
    // The numbers below are those of x86_64.
    if (library.nativeArch !== X86_64) this.skip();
  });

  const compile = (profile: Seccomp): CompiledSeccomp => compileSeccomp(profile, { library });

  it("allows what is listed, denies the rest, ENOSYS above the newest", () => {
    const compiled = compile(allowing(["read", "statx"]));
    expect(ask(compiled, 0)).to.equal(ALLOW);
    expect(ask(compiled, 332)).to.equal(ALLOW);
    expect(ask(compiled, 1)).to.equal(EPERM);
    expect(ask(compiled, 333)).to.equal(ENOSYS);
    expect(ask(compiled, 5000)).to.equal(ENOSYS);
  });

  it("kills foreign architectures and x32 numbers", () => {
    const compiled = compile(allowing(["read"]));
    for (const arch of [X86, ARM64]) {
      expect(simulate(compiled.filter, { arch, number: 0 })).to.equal(KILL);
    }
    expect(ask(compiled, X32_BIT)).to.equal(KILL);
  });

  it("includes the native architecture when the profile lists others or none", () => {
    for (const architectures of [[], ["SCMP_ARCH_X86" as const]]) {
      const compiled = compile({ ...allowing(["write"]), architectures });
      expect(ask(compiled, 1)).to.equal(ALLOW);
      expect(ask(compiled, 0)).to.equal(EPERM);
      expect(ask(compiled, 400)).to.equal(ENOSYS);
    }
  });

  it("translates names for every architecture", () => {
    const compiled = compile({
      ...allowing(["read", "getpid", "clock_gettime64"]),
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_X32"],
    });
    expect(ask(compiled, 39)).to.equal(ALLOW);
    expect(ask(compiled, 40)).to.equal(ENOSYS);
    expect(ask(compiled, X32_BIT | 39)).to.equal(ALLOW);
    expect(ask(compiled, X32_BIT | 38)).to.equal(EPERM);
    expect(ask(compiled, X32_BIT | 40)).to.equal(ENOSYS);
    expect(simulate(compiled.filter, { arch: X86, number: 20 })).to.equal(ALLOW);
    expect(simulate(compiled.filter, { arch: X86, number: 403 })).to.equal(ALLOW);
    expect(simulate(compiled.filter, { arch: X86, number: 404 })).to.equal(ENOSYS);
    expect(simulate(compiled.filter, { arch: ARM64, number: 172 })).to.equal(ALLOW);
    expect(simulate(compiled.filter, { arch: ARM64, number: 39 })).to.equal(EPERM);
    expect(simulate(compiled.filter, { arch: ARM64, number: 173 })).to.equal(ENOSYS);
  });

  it("gives ENOSYS under denying defaults only", () => {
    const answer = (defaultAction: Seccomp["defaultAction"], defaultErrnoRet?: number): number =>
      ask(
        compile({
          defaultAction,
          ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
          syscalls: [{ names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 99 }],
        }),
        1000,
      );
    expect(answer("SCMP_ACT_ALLOW")).to.equal(ALLOW);
    expect(answer("SCMP_ACT_LOG")).to.equal(0x7ffc0000);
    expect(answer("SCMP_ACT_TRACE", 7)).to.equal(0x7ff00007);
    expect(answer("SCMP_ACT_KILL")).to.equal(ENOSYS);
    expect(answer("SCMP_ACT_KILL_PROCESS")).to.equal(ENOSYS);
    expect(answer("SCMP_ACT_TRAP")).to.equal(ENOSYS);
    expect(answer("SCMP_ACT_ERRNO", 6)).to.equal(ENOSYS);
  });

  it("compares 64-bit arguments with every operator", () => {
    const big = 0x1_0000_0005n;
    const table: [SeccompArg["op"], bigint, boolean][] = [
      ["SCMP_CMP_EQ", big, true],
      ["SCMP_CMP_EQ", 5n, false],
      ["SCMP_CMP_NE", 5n, true],
      ["SCMP_CMP_NE", big, false],
      ["SCMP_CMP_LT", big - 1n, true],
      ["SCMP_CMP_LT", big, false],
      ["SCMP_CMP_LE", big, true],
      ["SCMP_CMP_LE", 0x2_0000_0000n, false],
      ["SCMP_CMP_GT", 0x2_0000_0000n, true],
      ["SCMP_CMP_GT", big, false],
      ["SCMP_CMP_GE", big, true],
      ["SCMP_CMP_GE", 0xffff_ffffn, false],
    ];
    for (const [op, value, matches] of table) {
      const compiled = compile(allowing(["dup"], [{ index: 2, op, value: big }]));
      expect(ask(compiled, 32, 0n, 0n, value), `${op} ${value}`).to.equal(matches ? ALLOW : EPERM);
    }
  });

  it("masks the whole 64 bits for MASKED_EQ", () => {
    const value = 0xff00_0000_0000_000fn;
    const args = [{ index: 0, op: "SCMP_CMP_MASKED_EQ" as const, value, valueTwo: 0x12n << 56n }];
    const compiled = compile(allowing(["dup"], args));
    expect(ask(compiled, 32, 0x12ff_ffff_ffff_fff0n)).to.equal(ALLOW);
    expect(ask(compiled, 32, 0x12ff_ffff_ffff_fff1n)).to.equal(EPERM);
    expect(ask(compiled, 32, 0x13ff_ffff_ffff_fff0n)).to.equal(EPERM);
  });

  it("wants all conditions on different arguments, any of those on the same", () => {
    const equal = (index: number, value: number): SeccompArg => ({
      index,
      op: "SCMP_CMP_EQ",
      value,
    });
    const all = compile(allowing(["dup"], [equal(0, 1), equal(1, 2)]));
    expect(ask(all, 32, 1n, 2n)).to.equal(ALLOW);
    expect(ask(all, 32, 1n, 3n)).to.equal(EPERM);
    const any = compile(allowing(["dup"], [equal(0, 1), equal(0, 2)]));
    expect(ask(any, 32, 1n)).to.equal(ALLOW);
    expect(ask(any, 32, 2n)).to.equal(ALLOW);
    expect(ask(any, 32, 3n)).to.equal(EPERM);
  });

  it("skips names nobody knows and says so", () => {
    const compiled = compile(allowing(["read", "no_such_call", "socketcall"]));
    expect(ask(compiled, 0)).to.equal(ALLOW);
    expect(compiled.warnings).to.have.length(1);
    expect(compiled.warnings[0]).to.match(/does not know .*: no_such_call$/);
  });

  it("knows system calls which libseccomp may be too old for", () => {
    const compiled = compile({
      ...allowing(["read", "mseal"]),
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    });
    expect(compiled.warnings).to.deep.equal([]);
    expect(ask(compiled, 462)).to.equal(ALLOW);
    expect(ask(compiled, X32_BIT | 462)).to.equal(ALLOW);
    expect(simulate(compiled.filter, { arch: X86, number: 462 })).to.equal(ALLOW);
    expect(ask(compiled, 461)).to.equal(EPERM);
    expect(ask(compiled, 463)).to.equal(ENOSYS);
    const denied = compile({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mseal"], action: "SCMP_ACT_ERRNO", errnoRet: 13 }],
    });
    expect(ask(denied, 462)).to.equal(0x0005000d);
    expect(ask(denied, 463)).to.equal(ALLOW);
  });

  it("survives many rules of which none is left", () => {
    const names = Array.from({ length: 40 }, (_, i) => `unknown_${i}`);
    expect(ask(compile(allowing(names)), 0)).to.equal(EPERM);
  });

  it("chooses flags as runc does", () => {
    const base: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
    expect(compile(base).flags).to.equal(library.hasFlags(4) ? 4 : 0);
    expect(compile({ ...base, flags: [] }).flags).to.equal(0);
    expect(compile({ ...base, flags: ["SECCOMP_FILTER_FLAG_LOG"] }).flags).to.equal(2);
    const waiting: Seccomp = { ...base, flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] };
    expect(compile(waiting)).to.deep.include({ flags: 0, notify: false });
    expect(compile(waiting).warnings[0]).to.contain("no effect");
    const notifying = compile({
      ...waiting,
      listenerPath: "/run/agent",
      syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
    });
    expect(notifying).to.deep.include({ flags: 32 | 8, notify: true });
    expect(ask(notifying, 83)).to.equal(0x7fc00000);
  });

  it("refuses a flag that the kernel lacks", () => {
    const old: SeccompLibrary = { ...library, hasFlags: (flags) => (flags & 4) === 0 };
    const profile: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
    expect(compileSeccomp(profile, { library: old }).flags).to.equal(0);
    expect(() =>
      compileSeccomp({ ...profile, flags: ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"] }, { library: old }),
    ).to.throw(RuntimeError, "SECCOMP_FILTER_FLAG_SPEC_ALLOW is not supported by this kernel");
  });

  it("names the architecture which libseccomp refuses", () => {
    expect(() => compile({ ...allowing(["read"]), architectures: ["SCMP_ARCH_S390X"] })).to.throw(
      RuntimeError,
      "add architecture SCMP_ARCH_S390X to seccomp filter",
    );
  });

  it("refuses a program that the kernel would not take", () => {
    const syscalls: Seccomp["syscalls"] = Array.from({ length: 1500 }, (_, i) => ({
      names: ["dup"],
      action: "SCMP_ACT_ALLOW" as const,
      args: [{ index: 0, op: "SCMP_CMP_EQ" as const, value: i * 0x1_0000_0001 }],
    }));
    expect(() => compile({ defaultAction: "SCMP_ACT_ERRNO", syscalls })).to.throw(
      RuntimeError,
      /\d+ instructions, the kernel takes 4096/,
    );
  });

  it("rejects malformed requests in the addon", () => {
    for (const bytes of [[], [1], [2, 0, 0, 0], new Array<number>(24).fill(255)]) {
      expect(() => library.compile(Uint8Array.from(bytes))).to.throw("EBADMSG");
    }
    expect(() => library.compile("x" as unknown as Uint8Array)).to.throw(TypeError);
  });
});

describe("the default profile", () => {
  let compiled: CompiledSeccomp;

  before(function () {
    const library = openLibraryOrSkip(this);
    if (library.nativeArch !== X86_64) this.skip();
    compiled = compileSeccomp(profileFromFile(), { library });
  });

  it("answers as intended", () => {
    const kernelModule = 175;
    expect(ask(compiled, 0)).to.equal(ALLOW);
    expect(ask(compiled, kernelModule)).to.equal(EPERM);
    expect(ask(compiled, 435)).to.equal(ENOSYS);
    expect(ask(compiled, 41, 1n)).to.equal(ALLOW);
    expect(ask(compiled, 41, 40n)).to.equal(EPERM);
    expect(ask(compiled, 56, 0x11n)).to.equal(ALLOW);
    expect(ask(compiled, 56, 0x10000000n)).to.equal(EPERM);
    expect(ask(compiled, 135, 0xffffffffn)).to.equal(ALLOW);
    expect(ask(compiled, 135, 1n)).to.equal(EPERM);
    expect(simulate(compiled.filter, { arch: X86, number: 3 })).to.equal(ALLOW);
    expect(simulate(compiled.filter, { arch: X86, number: 128 })).to.equal(EPERM);
    expect(simulate(compiled.filter, { arch: ARM64, number: 63 })).to.equal(KILL);
  });

  it("is obeyed by the kernel", function () {
    const answers = runUnderFilter(compiled);
    if (answers === undefined) this.skip();
    expect(answers).to.deep.equal({
      getpid: 0,
      mount: 1,
      personality: 1,
      vsock: 1,
      clone3: 38,
      cachestat: 9,
      newest: 38,
    });
  });
});

/** Loads the filter in a process of its own and reports the errno of some calls (0: success). */
const probe = `
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
code = open(sys.argv[1], "rb").read()
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
def call(*args):
    ctypes.set_errno(0)
    return 0 if libc.syscall(*[ctypes.c_long(a) for a in args]) >= 0 else ctypes.get_errno()
program = Program(len(code) // 8, code)
assert libc.prctl(38, 1, 0, 0, 0) == 0, "no_new_privs"
errno = call(317, 1, int(sys.argv[2]), ctypes.addressof(program))
assert errno == 0, "seccomp(2): %d" % errno
print(json.dumps({"getpid": call(39), "mount": call(165, 0, 0, 0, 0, 0), "personality": call(135, 1),
    "vsock": call(41, 40, 1, 0), "clone3": call(435, 0, 0), "cachestat": call(451, -1, 0, 0, 0),
    "newest": call(600)}))
`;

function runUnderFilter(compiled: CompiledSeccomp): unknown {
  if (process.arch !== "x64" || spawnSync("python3", ["-c", ""]).status !== 0) return undefined;
  const dir = mkdtempSync(`${tmpdir()}/tsrunc-seccomp-`);
  try {
    writeFileSync(`${dir}/filter`, compiled.filter);
    const args = ["-c", probe, `${dir}/filter`, `${compiled.flags}`];
    const result = spawnSync("python3", args, { encoding: "utf8" });
    expect(result.status, result.stderr).to.equal(0);
    return JSON.parse(result.stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
