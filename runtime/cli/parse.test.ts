import { expect } from "chai";
import { globalFlags } from "./global.ts";
import { parse } from "./parse.ts";

const table = [
  { name: "bundle", short: "b", kind: "string", help: "" },
  { name: "format", kind: "string", value: "table", help: "" },
  { name: "no-pivot", kind: "bool", help: "" },
  { name: "tty", short: "t", kind: "bool", help: "" },
  { name: "preserve-fds", kind: "int", value: 0, help: "" },
  { name: "pids-limit", kind: "int", help: "" },
  { name: "interval", kind: "duration", value: 5000, help: "" },
  { name: "env", short: "e", kind: "strings", help: "" },
  { name: "additional-gids", short: "g", kind: "ints", help: "" },
] as const;

function valuesOf(...argv: string[]) {
  const parsed = parse(argv, table, "interspersed");
  if (parsed.kind !== "values") throw new TypeError("expected values");
  return parsed;
}

describe("parse", () => {
  it("yields each row's value when nothing is given", () => {
    expect(valuesOf().flags).to.deep.equal({
      bundle: "",
      format: "table",
      "preserve-fds": 0,
      interval: 5000,
      "no-pivot": undefined,
      tty: undefined,
      "pids-limit": undefined,
      env: [],
      "additional-gids": [],
    });
  });
  it("keeps flags that begin with no- as plain booleans, off unless given", () => {
    expect(valuesOf().flags["no-pivot"]).to.equal(undefined);
    expect(valuesOf("-no-pivot").flags["no-pivot"]).to.equal(true);
    expect(valuesOf("--no-pivot=false").flags["no-pivot"]).to.equal(false);
  });
  it("tells a boolean given as false from one not given", () => {
    expect(valuesOf("--tty=0").flags.tty).to.equal(false);
    expect(valuesOf("--tty=0").given("tty")).to.equal(true);
    expect(valuesOf("-b", "x").given("tty")).to.equal(false);
  });
  it("reads numbers, durations and lists", () => {
    const { flags, operands } = valuesOf(
      ...["--pids-limit=-1", "--preserve-fds", "3", "--interval", "1m", "-e", "A=1,2", "-e", ""],
      ...["c1", "-g", "7", "-g=8"],
    );
    expect(flags["pids-limit"]).to.equal(-1);
    expect(flags["preserve-fds"]).to.equal(3);
    expect(flags.interval).to.equal(60_000);
    expect(flags.env).to.deep.equal(["A=1,2", ""]);
    expect(flags["additional-gids"]).to.deep.equal([7, 8]);
    expect(operands).to.deep.equal(["c1"]);
  });
  it("lets the last of repeated flags win", () => {
    expect(valuesOf("-b", "x", "--bundle=y").flags.bundle).to.equal("y");
  });
  it("does not carry lists over to the next command line", () => {
    valuesOf("-e", "A=1");
    expect(valuesOf().flags.env).to.deep.equal([]);
  });
  it("passes operands through whatever they look like", () => {
    const operands = ["ls", "--help", "-b", "--", "-1", ""];
    const parsed = parse(["c1", ...operands], table, "leading");
    expect(parsed.kind === "values" && parsed.operands).to.deep.equal(["c1", ...operands]);
  });
  it("reports help", () => {
    expect(parse(["c1", "-h"], table, "interspersed").kind).to.equal("help");
  });

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["flag provided but not defined: -bogus", ["--bogus=1", "x"]],
    ["flag provided but not defined: -9", ["-9", "c1"]],
    ["flag needs an argument: -bundle", ["c1", "-b"]],
    ['invalid boolean value "xx" for -tty: parse error', ["-t=xx"]],
    ['invalid value "x" for flag -preserve-fds: parse error', ["--preserve-fds", "x"]],
    ['invalid value "" for flag -pids-limit: parse error', ["--pids-limit="]],
    ['invalid value "5" for flag -interval: parse error', ["--interval", "5"]],
  ];
  for (const [text, argv] of wrong) {
    it(`says "${text}"`, () => expect(() => valuesOf(...argv)).to.throw(text));
  }
});

describe("global flags", () => {
  it("may be repeated, the last wins", () => {
    const argv =
      "--systemd-cgroup --root /a --root=/b --systemd-cgroup=true --criu /x state c1".split(" ");
    const parsed = parse(argv, globalFlags, "leading");
    if (parsed.kind !== "values") throw new TypeError("expected values");
    expect(parsed.flags.root).to.equal("/b");
    expect(parsed.flags["systemd-cgroup"]).to.equal(true);
    expect(parsed.operands).to.deep.equal(["state", "c1"]);
  });
});
