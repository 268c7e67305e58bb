import { expect } from "chai";
import { fail, describe as textOf } from "../base/errors.ts";
import { prefixed } from "./failure.ts";

describe("prefixed", () => {
  it("keeps the code and shows the hint once", () => {
    const error = prefixed(fail("NotFound", "no x", { hint: "make x" }), "exec failed", 255);
    expect(error.code).to.equal("NotFound");
    expect(textOf(error)).to.equal("exec failed: no x (make x)");
  });
  it("ends with the given status unless the error has one", () => {
    expect(prefixed(fail("Unknown", "a"), "p", 255).exitStatus).to.equal(255);
    expect(prefixed(fail("Unknown", "a", { exitStatus: 126 }), "p", 255).exitStatus).to.equal(126);
    expect(prefixed(new TypeError("odd"), "p", 1).message).to.equal("p: odd");
  });
});
