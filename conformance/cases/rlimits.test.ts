/** process.rlimits: values up to 2^64-1, infinity, and lists that must be refused. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Container, container } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { parseReport } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";

const infinity = "18446744073709551615";

interface Limit {
  type: string;
  /** Decimal text: JavaScript numbers would round it. */
  soft: string;
  hard: string;
}

function limited(...limits: Limit[]): Container {
  const c = container((config) => {
    config.process.rlimits = limits.map(({ type, soft, hard }) => ({
      type,
      soft: `@${soft}@` as unknown as number,
      hard: `@${hard}@` as unknown as number,
    }));
  });
  const file = join(c.bundle.path, "config.json");
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(/"@([^"]*)@"/g, "$1"));
  return c;
}

function seen(...limits: Limit[]): Limit[] {
  const { rlimits } = parseReport(
    limited(...limits)
      .run()
      .ok().stdout,
  );
  return limits.map(({ type }) => ({
    type,
    soft: rlimits[type]?.soft ?? "",
    hard: rlimits[type]?.hard ?? "",
  }));
}

describe("process.rlimits", () => {
  const plain: Limit[] = [
    { type: "RLIMIT_NOFILE", soft: "256", hard: "512" },
    { type: "RLIMIT_CORE", soft: "0", hard: "1" },
    { type: "RLIMIT_CPU", soft: "100", hard: "200" },
    { type: "RLIMIT_FSIZE", soft: "1000000", hard: "2000000" },
    { type: "RLIMIT_DATA", soft: "1000000000", hard: "2000000000" },
    { type: "RLIMIT_STACK", soft: "4194304", hard: "8388608" },
    { type: "RLIMIT_RSS", soft: "1000000000", hard: "1000000001" },
    { type: "RLIMIT_NPROC", soft: "1000", hard: "1001" },
    { type: "RLIMIT_MEMLOCK", soft: "4096", hard: "8192" },
    { type: "RLIMIT_AS", soft: "4000000000", hard: "5000000000" },
    { type: "RLIMIT_LOCKS", soft: "10", hard: "11" },
    { type: "RLIMIT_SIGPENDING", soft: "12", hard: "13" },
    { type: "RLIMIT_MSGQUEUE", soft: "4096", hard: "8192" },
    { type: "RLIMIT_NICE", soft: "0", hard: "0" },
    { type: "RLIMIT_RTPRIO", soft: "0", hard: "0" },
    { type: "RLIMIT_RTTIME", soft: "1000000", hard: "2000000" },
  ];

  it("sets all sixteen", () => {
    expect(seen(...plain)).to.deep.equal(plain);
  });

  it("keeps numbers above 2^53 exact", () => {
    const limits: Limit[] = [
      { type: "RLIMIT_FSIZE", soft: "9007199254740993", hard: "9223372036854775807" },
      { type: "RLIMIT_CORE", soft: "9223372036854775807", hard: "9223372036854775807" },
    ];
    expect(seen(...limits)).to.deep.equal(limits);
  });

  it("takes 2^64-1 as infinity", () => {
    const limits: Limit[] = [{ type: "RLIMIT_FSIZE", soft: infinity, hard: infinity }];
    expect(seen(...limits)).to.deep.equal(limits);
  });

  it("may set soft alone to infinity's counterpart", () => {
    const limits: Limit[] = [{ type: "RLIMIT_CORE", soft: "0", hard: infinity }];
    expect(seen(...limits)).to.deep.equal(limits);
  });

  it("may raise a hard limit", function () {
    requires({ capability: 24 }).call(this);
    const wrapper = ["/bin/sh", "-c", 'ulimit -Hn 1024; exec "$@"', "sh"];
    const c = limited({ type: "RLIMIT_NOFILE", soft: "4096", hard: "4096" });
    const { rlimits } = parseReport(c.run([], { wrapper }).ok().stdout);
    expect(rlimits["RLIMIT_NOFILE"]?.hard).to.equal("4096");
  });
});

describe("rlimits that must be refused", () => {
  it("an unknown type", () => {
    limited({ type: "RLIMIT_FOO", soft: "1", hard: "1" })
      .run()
      .fails(/RLIMIT_FOO/);
  });

  it("a type without RLIMIT_", () => {
    limited({ type: "NOFILE", soft: "1", hard: "1" }).run().fails();
  });

  it("soft above hard", () => {
    limited({ type: "RLIMIT_NOFILE", soft: "1025", hard: "1024" }).run().fails();
  });

  for (const value of ["-1", "1.5", "18446744073709551616", '"5"']) {
    it(`the value ${value}`, () => {
      limited({ type: "RLIMIT_CORE", soft: value, hard: value }).run().fails();
    });
  }

  it(
    "the same type twice",
    known("runc", "not checked; config.md, POSIX process: duplicates MUST be an error", () => {
      const limit: Limit = { type: "RLIMIT_CORE", soft: "0", hard: "1" };
      limited(limit, { ...limit, hard: "0" })
        .run()
        .fails(/RLIMIT_CORE/);
    }),
  );
});
