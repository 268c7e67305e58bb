import { expect } from "chai";
import {
  hugePageNames,
  parseBlkio,
  parseCount,
  parseKeys,
  parsePsi,
  parseRanges,
} from "./stats-files.ts";

describe("statistics formats", () => {
  it("reads counts of 64 bits, max and negative ones", () => {
    expect(parseCount("42")).to.equal(42);
    expect(parseCount("9223372036854771712")).to.equal(9223372036854771712n);
    expect(parseCount("max")).to.equal(18446744073709551615n);
    expect(parseCount("-5")).to.equal(0);
  });

  it("reads key lines and ranges", () => {
    expect(parseKeys("nr_periods 3\nthrottled_time 9\n")).to.deep.equal({
      nr_periods: 3,
      throttled_time: 9,
    });
    expect(parseRanges("0-2,7")).to.deep.equal([0, 1, 2, 7]);
    expect(parseRanges("")).to.deep.equal([]);
  });

  it("reads blkio lines without the totals over all devices, and leaves zeros out", () => {
    expect(parseBlkio("8:0 Read 5\n8:0 Total 5\n7:1 0\nTotal 5")).to.deep.equal([
      { major: 8, op: "Read", value: 5 },
      { major: 8, op: "Total", value: 5 },
      { major: 7, minor: 1 },
    ]);
  });

  it("reads pressure, whose full line may be missing", () => {
    const none = { avg10: 0, avg60: 0, avg300: 0, total: 0 };
    expect(parsePsi("some avg10=1.50 avg60=0.10 avg300=0.00 total=123")).to.deep.equal({
      some: { avg10: 1.5, avg60: 0.1, avg300: 0, total: 123 },
      full: none,
    });
  });

  it("names huge pages as the kernel's files do", () => {
    expect(
      hugePageNames(["hugepages-2048kB", "hugepages-1048576kB", "hugepages-64kB", "x"]),
    ).to.deep.equal(["2MB", "1GB", "64KB"]);
  });
});
