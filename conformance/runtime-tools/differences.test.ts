import { expect } from "chai";
import { behind, type Difference, judge } from "./differences.ts";
import type { TapTest } from "./tap.ts";

function test(name: string, status: TapTest["status"]): TapTest {
  return { name, status, detail: "" };
}

const entry: Difference = { program: "start", test: "x", spec: "runtime.md#start", reason: "r" };

describe("known differences of the suite", () => {
  it("take listed failures, however often they come", () => {
    const results = { start: [test("x", "failed"), test("x (2)", "failed"), test("y", "passed")] };
    expect(judge(results, [entry])).to.deep.equal({ unlisted: [], outdated: [], known: 2 });
  });

  it("let no other failure through", () => {
    const results = {
      start: [test("x", "failed"), test("y", "failed")],
      kill: [test("x", "failed")],
    };
    const { unlisted } = judge(results, [entry]);
    expect(unlisted.map(({ title }) => title)).to.deep.equal(["start: y", "kill: x"]);
  });

  it("report an entry that passes, or has no test any more", () => {
    expect(judge({ start: [test("x", "passed")] }, [entry]).outdated).to.deep.equal([entry]);
    expect(judge({ start: [test("y", "passed")] }, [entry]).outdated).to.deep.equal([entry]);
  });

  it("say nothing of a program that did not run", () => {
    expect(judge({ kill: [] }, [entry]).outdated).to.deep.equal([]);
  });
});

describe("comparison of runtimes", () => {
  it("finds what only the other passes", () => {
    const ours = { a: [test("x", "failed"), test("y", "failed"), test("z", "passed")] };
    const other = { a: [test("x", "passed"), test("y", "failed"), test("z", "failed")] };
    expect(behind(ours, other)).to.deep.equal(["a: x"]);
  });

  it("counts a program that only breaks off with us", () => {
    const ours = { a: [test("(program) ends without an error", "failed")] };
    expect(behind(ours, { a: [test("x", "passed")] })).to.have.length(1);
    expect(behind(ours, { a: [test("(program) ends in time", "failed")] })).to.deep.equal([]);
    expect(behind(ours, {})).to.deep.equal([]);
  });
});
