import { expect } from "chai";
import { parseDuration } from "./duration.ts";

describe("parseDuration", () => {
  const good: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["-0", 0],
    ["5s", 5000],
    ["500ms", 500],
    ["1.5s", 1500],
    [".5s", 500],
    ["1.s", 1000],
    ["1h2m3s", 3_723_000],
    ["100us", 0.1],
    ["100µs", 0.1],
    ["1ns", 1e-6],
    ["+1m", 60_000],
    ["-1m30s", -90_000],
  ];
  for (const [text, ms] of good) {
    it(`reads ${text}`, () => expect(parseDuration(text)).to.be.closeTo(ms, 1e-9));
  }
  for (const text of [
    "",
    "5",
    "s",
    "-",
    "1d",
    "1 s",
    "1s ",
    ".s",
    "1m5",
    "--1s",
    "300000h9999999h",
  ]) {
    it(`refuses "${text}"`, () => expect(() => parseDuration(text)).to.throw("invalid duration"));
  }
});
