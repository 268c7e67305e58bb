import { expect } from "chai";
import { parseSize } from "./size.ts";

describe("parseSize", () => {
  const good: readonly (readonly [string, bigint])[] = [
    ["0", 0n],
    ["4096", 4096n],
    ["4096b", 4096n],
    ["1k", 1024n],
    ["1KB", 1024n],
    ["64m", 67108864n],
    ["64 MiB", 67108864n],
    ["1.5g", 1610612736n],
    ["2t", 2199023255552n],
    ["1p", 1125899906842624n],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854775807", 9223372036854775807n],
  ];
  for (const [text, bytes] of good) {
    it(`reads ${text}`, () => expect(parseSize(text)).to.equal(bytes));
  }
  for (const text of ["", "m", "-1", "-1k", "1x", "1bb", "1kbb", "1  k", " 1", "0x10", "1e3"]) {
    it(`refuses "${text}"`, () => expect(() => parseSize(text)).to.throw("invalid size"));
  }
  it("refuses what does not fit int64", () => {
    expect(() => parseSize("9223372036854775808")).to.throw("invalid size");
    expect(() => parseSize("8388608t")).to.throw("invalid size");
  });
});
