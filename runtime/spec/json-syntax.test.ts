/** The scanner agrees with JSON.parse about what is JSON, and points at the right place. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { findSyntaxProblem } from "./json-syntax.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("JSON syntax", () => {
  const cases: readonly (readonly [string, number, number, string])[] = [
    ["", 1, 1, "expected a value, found the end of the file"],
    ['{"a":1,}', 1, 8, 'expected a property name in quotes, found "}"'],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'expected "," or "}", found "\\""'],
    ["[1,\n2", 2, 2, 'expected "," or "]", found the end of the file'],
    ["[1,]", 1, 4, 'expected a value, found "]"'],
    ["{a:1}", 1, 2, 'expected a property name in quotes, found "a"'],
    ["{'a':1}", 1, 2, 'expected a property name in quotes, found "\'"'],
    ['{"a" 1}', 1, 6, 'expected ":", found "1"'],
    ["[True]", 1, 2, 'expected a value, found "True"'],
    ["[nul]", 1, 2, 'expected a value, found "nul"'],
    ["[01]", 1, 3, 'expected the end of the number, found "1"'],
    ["[-]", 1, 3, 'expected a digit, found "]"'],
    ["[1.]", 1, 3, 'expected the end of the number, found "."'],
    ["[0x1]", 1, 3, 'expected the end of the number, found "x"'],
    ['["abc', 1, 2, "string without an end"],
    ['["a\nb"]', 1, 4, "control character in a string"],
    ['["\\x"]', 1, 3, "invalid escape in a string"],
    ['["\\u12g4"]', 1, 3, "invalid escape in a string"],
    ["{} {}", 1, 4, 'expected the end of the document, found "{"'],
    ["[// comment\n]", 1, 2, 'expected a value, found "/"'],
    ["[\u00a01]", 1, 2, 'expected a value, found "\u00a0"'],
  ];
  for (const [text, line, column, problem] of cases) {
    it(`points at the mistake in ${JSON.stringify(text)}`, () => {
      expect(isJson(text)).to.equal(false);
      expect(findSyntaxProblem(text)).to.deep.equal({ line, column, text: problem });
    });
  }

  it("finds nothing in what is JSON", () => {
    for (const text of [
      '"\\u00e9\\n"',
      " [1e5, -0.5E-3, true, null, {}] ",
      '{"a":{"b":[[]]}}',
      "0",
      '"\u2028"',
    ]) {
      expect(isJson(text), text).to.equal(true);
      expect(findSyntaxProblem(text), text).to.equal(undefined);
    }
  });

  it("agrees with JSON.parse on a config with any one character changed", () => {
    const config = readFileSync("schemas/fixtures/go-nulls.json", "utf8");
    for (let at = 0; at < config.length; at++) {
      for (const change of ["", "x", '"', "}", ",", "1", "\\", "\n"]) {
        const text = config.slice(0, at) + change + config.slice(at + 1);
        expect(findSyntaxProblem(text) === undefined, `${at} ${JSON.stringify(change)}`).to.equal(
          isJson(text),
        );
      }
    }
  });

  it("stops at hostile nesting", () => {
    expect(findSyntaxProblem("[".repeat(1_000_000))?.text).to.equal(
      "nested more than 512 levels deep",
    );
  });
});
