/** Container ids: what is accepted, and what could escape from the state directory. */
import { expect } from "chai";
import { RuntimeError } from "./errors.ts";
import { checkContainerId } from "./ids.ts";

describe("container ids", () => {
  it("accepts what runc accepts", () => {
    for (const id of [
      "a",
      "0",
      "_x",
      "-x",
      ".hidden",
      "a.b-c_d+e",
      "...",
      "f".repeat(64),
      "x".repeat(1024),
    ]) {
      expect(() => checkContainerId(id), id).not.to.throw();
    }
  });

  it("refuses everything that is not a plain name", () => {
    for (const id of [".", "..", "a/b", "../x", "a b", "a\n", "ü", "a\0b", "x:y", "a\\b"]) {
      expect(() => checkContainerId(id), JSON.stringify(id))
        .to.throw(RuntimeError, /^invalid container ID format: /)
        .with.property("code", "InvalidArgument");
    }
    expect(() => checkContainerId("")).to.throw("container id cannot be empty");
    expect(() => checkContainerId("x".repeat(1025))).to.throw("longer than 1024");
  });

  it("keeps control characters out of the message", () => {
    expect(() => checkContainerId("a\nb")).to.throw('invalid container ID format: "a\\nb"');
  });
});
