import { expect } from "chai";
import type { Seccomp } from "../../schemas/generated/config.ts";
import { RuntimeError } from "../base/errors.ts";
import { encodeRequest } from "./request.ts";
import { type RuleList, toRuleList as toTypedRuleList } from "./rules.ts";

/** A profile as it may come from a file: these tests are about what the types forbid as well. */
type Loose = Readonly<Record<string, unknown>>;

const toRuleList = (profile: Loose): RuleList => toTypedRuleList(profile as unknown as Seccomp);

const allow = (entry: Loose): Loose => ({
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", ...entry }],
});

function refusal(profile: Loose): string {
  try {
    toRuleList(profile);
  } catch (error) {
    expect(error).to.be.instanceOf(RuntimeError);
    expect((error as RuntimeError).code).to.equal("InvalidArgument");
    return (error as RuntimeError).message;
  }
  throw new Error("profile was accepted");
}

describe("toRuleList: actions", () => {
  const action = (name: string, errnoRet?: number): number => {
    const entry = { action: name, ...(errnoRet === undefined ? {} : { errnoRet }) };
    const list = toRuleList({ ...allow(entry), defaultAction: "SCMP_ACT_LOG", listenerPath: "/l" });
    return list.rules[0]?.action as number;
  };

  it("maps every action to the kernel's number", () => {
    expect(action("SCMP_ACT_KILL")).to.equal(0);
    expect(action("SCMP_ACT_KILL_THREAD")).to.equal(0);
    expect(action("SCMP_ACT_KILL_PROCESS")).to.equal(0x80000000);
    expect(action("SCMP_ACT_TRAP")).to.equal(0x00030000);
    expect(action("SCMP_ACT_ALLOW")).to.equal(0x7fff0000);
    expect(action("SCMP_ACT_NOTIFY")).to.equal(0x7fc00000);
  });

  it("uses EPERM where an errno is possible and not given", () => {
    expect(action("SCMP_ACT_ERRNO")).to.equal(0x00050001);
    expect(action("SCMP_ACT_TRACE")).to.equal(0x7ff00001);
    expect(action("SCMP_ACT_ERRNO", 0)).to.equal(0x00050000);
    expect(action("SCMP_ACT_ERRNO", 38)).to.equal(0x00050026);
    expect(action("SCMP_ACT_TRACE", 65535)).to.equal(0x7ff0ffff);
  });

  it("refuses an errno where the action takes none, and one that does not fit", () => {
    expect(refusal(allow({ errnoRet: 5 }))).to.contain("SCMP_ACT_ALLOW takes no errno");
    expect(refusal({ defaultAction: "SCMP_ACT_KILL", defaultErrnoRet: 1 })).to.contain(
      "defaultErrnoRet",
    );
    expect(refusal({ defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 65536 })).to.contain(
      "65536",
    );
  });

  it("refuses unknown actions, inherited property names included", () => {
    expect(refusal({ defaultAction: "" })).to.contain("not a valid action");
    expect(refusal({ defaultAction: "constructor" })).to.contain("not a valid action");
    expect(refusal(allow({ action: "ALLOW" }))).to.contain("syscalls[0].action");
  });

  it("refuses NOTIFY as the default, for write, and without a listener", () => {
    expect(refusal({ defaultAction: "SCMP_ACT_NOTIFY" })).to.contain("default action");
    const notify = { action: "SCMP_ACT_NOTIFY", names: ["read", "write"] };
    expect(refusal({ ...allow(notify), listenerPath: "/l" })).to.contain("write syscall");
    expect(refusal(allow({ action: "SCMP_ACT_NOTIFY" }))).to.contain("listenerPath");
    expect(refusal({ ...allow({}), listenerMetadata: "x" })).to.contain("listenerMetadata");
  });
});

describe("toRuleList: rules", () => {
  it("leaves out rules that repeat the default, but keeps their names", () => {
    const list = toRuleList({
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        { names: ["read", "write"], action: "SCMP_ACT_ALLOW" },
        { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 1 },
        { names: ["read"], action: "SCMP_ACT_ERRNO", errnoRet: 2 },
      ],
    });
    expect(list.names).to.deep.equal(["read", "write", "mount"]);
    expect(list.rules.map((rule) => rule.name)).to.deep.equal([0, 1, 0]);
  });

  it("keeps conditions on different arguments in one rule", () => {
    const list = toRuleList(
      allow({
        args: [
          { index: 0, op: "SCMP_CMP_EQ", value: 1 },
          { index: 5, op: "SCMP_CMP_MASKED_EQ", value: 0xffff_ffff_ffff_fff0n, valueTwo: 32n },
        ],
      }),
    );
    expect(list.rules).to.have.length(1);
    expect(list.rules[0]?.conditions).to.deep.equal([
      { index: 0, op: 4, a: 1n, b: 0n },
      { index: 5, op: 7, a: 0xffff_ffff_ffff_fff0n, b: 32n },
    ]);
  });

  it("makes a rule of each condition when an argument occurs twice", () => {
    const list = toRuleList(
      allow({
        args: [
          { index: 0, op: "SCMP_CMP_EQ", value: 1 },
          { index: 0, op: "SCMP_CMP_EQ", value: 2 },
          { index: 1, op: "SCMP_CMP_NE", value: 3 },
        ],
      }),
    );
    expect(list.rules.map((rule) => rule.conditions.map((c) => c.a))).to.deep.equal([
      [1n],
      [2n],
      [3n],
    ]);
  });

  it("refuses values that are not exact unsigned 64-bit numbers", () => {
    for (const value of [-1, 1.5, 2 ** 53, 1n << 64n, -1n]) {
      const profile = allow({ args: [{ index: 0, op: "SCMP_CMP_EQ", value }] });
      expect(refusal(profile)).to.contain("syscalls[0].args[0].value");
    }
  });

  it("refuses bad operators, argument numbers and names", () => {
    const arg = { index: 0, op: "SCMP_CMP_EQ", value: 1 };
    expect(refusal(allow({ args: [{ ...arg, op: "SCMP_CMP_XX" }] }))).to.contain("valid operator");
    expect(refusal(allow({ args: [{ ...arg, index: 6 }] }))).to.contain("range 0 to 5");
    expect(refusal(allow({ names: [""] }))).to.contain("empty string is not a valid syscall");
    expect(refusal(allow({ names: ["a\0b"] }))).to.contain("not a valid syscall");
    expect(refusal(allow({ names: ["x".repeat(256)] }))).to.contain("longer than 255");
  });
});

describe("toRuleList: architectures and flags", () => {
  const base: Loose = { defaultAction: "SCMP_ACT_ALLOW" };

  it("puts the native architecture first and drops duplicates", () => {
    const list = toRuleList({
      ...base,
      architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_RISCV64", "SCMP_ARCH_X86"],
    });
    expect(list.archs).to.deep.equal([0, 0x40000003, 0xc00000f3]);
    expect(refusal({ ...base, architectures: ["x86"] })).to.contain("x86 is not a valid arch");
  });

  it("tells no flags from flags that were not given", () => {
    expect(toRuleList(base).flags).to.equal(undefined);
    expect(toRuleList({ ...base, flags: [] }).flags).to.equal(0);
  });

  it("ignores TSYNC, adds up the others and refuses the unknown", () => {
    const flags = [
      "SECCOMP_FILTER_FLAG_TSYNC",
      "SECCOMP_FILTER_FLAG_LOG",
      "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ];
    expect(toRuleList({ ...base, flags }).flags).to.equal(2 | 4 | 32);
    expect(refusal({ ...base, flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] })).to.contain(
      "seccomp flag SECCOMP_FILTER_FLAG_NEW_LISTENER is not known",
    );
  });
});

describe("encodeRequest", () => {
  it("writes what native/core/seccomp.h describes", () => {
    const list = toRuleList(
      allow({
        names: ["dup"],
        args: [{ index: 1, op: "SCMP_CMP_GT", value: 0x1122334455667788n }],
      }),
    );
    const bytes = encodeRequest(list);
    const view = new DataView(bytes.buffer);
    const words = [0, 4, 8, 12, 16, 20, 24].map((at) => view.getUint32(at, true));
    expect(words).to.deep.equal([1, 0x00050001, 1, 1, 1, 32, 0]);
    expect([...bytes.subarray(28, 33)]).to.deep.equal([3, 0x64, 0x75, 0x70, 0]);
    const rule = [33, 37, 41, 45, 49].map((at) => view.getUint32(at, true));
    expect(rule).to.deep.equal([0, 0x7fff0000, 1, 1, 6]);
    expect(view.getBigUint64(53, true)).to.equal(0x1122334455667788n);
    expect(view.getBigUint64(61, true)).to.equal(0n);
    expect(bytes.length).to.equal(69);
  });
});
