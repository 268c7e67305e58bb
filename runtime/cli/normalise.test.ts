import { expect } from "chai";
import type { Flag } from "./flags.ts";
import { normalise } from "./normalise.ts";

const table: readonly Flag[] = [
  { name: "bundle", short: "b", kind: "string", help: "" },
  { name: "detach", short: "d", kind: "bool", help: "" },
  { name: "no-subreaper", kind: "bool", help: "" },
  { name: "memory-swap", kind: "string", help: "" },
  { name: "env", short: "e", kind: "strings", help: "" },
];

function flagsOf(...argv: string[]): readonly string[] {
  return normalise(argv, table, "interspersed").flags;
}

describe("normalise", () => {
  it("takes one dash for two", () => {
    expect(flagsOf("-no-subreaper", "-bundle", "/b")).to.deep.equal([
      "--no-subreaper=true",
      "--bundle=/b",
    ]);
  });
  it("expands short names", () => {
    expect(flagsOf("-d", "-b", "/b", "--e", "A=1")).to.deep.equal([
      "--detach=true",
      "--bundle=/b",
      "--env=A=1",
    ]);
  });
  it("takes the value after the first equals sign", () => {
    expect(flagsOf("-e=A=1", "--bundle=", "--detach=false")).to.deep.equal([
      "--env=A=1",
      "--bundle=",
      "--detach=false",
    ]);
  });
  it("takes the next argument as value whatever it looks like", () => {
    expect(flagsOf("--memory-swap", "-1", "--bundle", "--detach", "--env", "--")).to.deep.equal([
      "--memory-swap=-1",
      "--bundle=--detach",
      "--env=--",
    ]);
  });
  it("gives a boolean no value from the next argument", () => {
    expect(normalise(["--detach", "false"], table, "interspersed")).to.deep.equal({
      flags: ["--detach=true"],
      operands: ["false"],
    });
  });
  it("finds flags after operands when they may be mixed", () => {
    expect(normalise(["c1", "-d", "x", "-b", "/b"], table, "interspersed")).to.deep.equal({
      flags: ["--detach=true", "--bundle=/b"],
      operands: ["c1", "x"],
    });
  });
  it("takes unknown dashes after an operand as operands", () => {
    expect(normalise(["c1", "-9"], table, "interspersed").operands).to.deep.equal(["c1", "-9"]);
  });
  it("ends flags at the first operand when they lead", () => {
    expect(normalise(["-d", "c1", "ls", "-b", "--help"], table, "leading")).to.deep.equal({
      flags: ["--detach=true"],
      operands: ["c1", "ls", "-b", "--help"],
    });
  });
  it("ends flags at --, which is dropped once", () => {
    expect(normalise(["-d", "--", "-b", "--"], table, "interspersed")).to.deep.equal({
      flags: ["--detach=true"],
      operands: ["-b", "--"],
    });
  });
  it("takes - and the empty argument as operands", () => {
    expect(normalise(["-", ""], table, "interspersed").operands).to.deep.equal(["-", ""]);
  });
  it("stops at the first unknown flag, even one that looks like a number", () => {
    expect(flagsOf("-d", "--bogus=1", "-b")).to.deep.equal(["--detach=true", "--bogus"]);
    expect(flagsOf("-9", "c1")).to.deep.equal(["--9"]);
  });
  it("leaves a flag without value bare and last", () => {
    expect(normalise(["c1", "--bundle"], table, "interspersed")).to.deep.equal({
      flags: ["--bundle"],
      operands: [],
    });
  });
  it("knows the spellings of help", () => {
    for (const help of ["-h", "--help", "-help", "--h"])
      expect(flagsOf(help)).to.deep.equal(["--help"]);
  });
});
