import { expect } from "chai";
import { parseTap, stableName } from "./tap.ts";

describe("TAP reader", () => {
  it("reads results, skips, details and the plan", () => {
    const report = parseTap(
      [
        "TAP version 13",
        "ok 1 - has expected hostname",
        "not ok 2 - root is read-only",
        "  ---",
        '  error: "no"',
        "  ...",
        "ok 3 # SKIP linux.sysctl not set",
        "noise",
        "1..3",
      ].join("\n"),
    );
    expect(report.planned).to.equal(3);
    expect(report.tests.map((test) => [test.name, test.status])).to.deep.equal([
      ["has expected hostname", "passed"],
      ["root is read-only", "failed"],
      ["linux.sysctl not set", "skipped"],
    ]);
    expect(report.tests[1]?.detail).to.contain('error: "no"');
  });

  it("tells tests of one name apart", () => {
    const { tests } = parseTap("ok 1 - x\nnot ok 2 - x\nok 3 - x\n");
    expect(tests.map((test) => test.name)).to.deep.equal(["x", "x (2)", "x (3)"]);
  });

  it("adds up the plans of a program with several streams", () => {
    const { planned, tests } = parseTap("ok 1 - a\n1..1\nTAP version 13\nok 1 - b\n1..1\n");
    expect([planned, tests.length]).to.deep.equal([2, 2]);
  });

  it("finds the error of a program that has no tests", () => {
    const text =
      'TAP version 13\n  ---\n  {\n    "error": "Hooks \\"x\\"\\nRefer"\n  }\n  ...\n1..0\n';
    expect(parseTap(text)).to.deep.include({ tests: [], planned: 0, error: 'Hooks "x"\nRefer' });
    expect(parseTap('ok 1 - a\n  "error": "b"\n').error).to.equal(undefined);
  });

  it("has no plan when the program died", () => {
    expect(parseTap("TAP version 13\nok 1 - x\n").planned).to.equal(undefined);
    expect(parseTap("").tests).to.deep.equal([]);
  });

  it("names tests the same in every run", () => {
    expect(stableName("state of c8a3b1f0-1111-2222-3333-0123456789ab")).to.equal("state of <id>");
    expect(stableName("open /tmp/ocitest123/output: gone")).to.equal("open <bundle>/output: gone");
    expect(stableName("ns /proc/123/ns/net")).to.equal("ns /proc/<pid>/ns/net");
  });
});
