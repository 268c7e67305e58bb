import { expect } from "chai";
import { checkNamespace, checkTarget, parseCommandLine } from "./flags.ts";

describe("shim flags", () => {
  it("reads what containerd passes to start", () => {
    const { flags, action } = parseCommandLine(
      "-namespace ns -address /a -publish-binary /c -id t1 -debug start".split(" "),
    );
    expect(action).to.equal("start");
    expect(flags).to.include({ namespace: "ns", address: "/a", publishBinary: "/c", id: "t1" });
    expect([flags.debug, flags.info, flags.version]).to.deep.equal([true, false, false]);
  });
  it("takes one dash or two, and values after =", () => {
    const { flags, action } = parseCommandLine([
      "--namespace=a=b",
      "--id",
      "-x",
      "-debug=false",
      "--info=T",
      "-bundle=",
      "delete",
    ]);
    expect(flags).to.include({ namespace: "a=b", id: "-x", debug: false, info: true, bundle: "" });
    expect(action).to.equal("delete");
  });
  it("ends at the first argument without a dash and after --", () => {
    expect(parseCommandLine(["start", "-bogus"]).action).to.equal("start");
    expect(parseCommandLine(["--", "-v"]).action).to.equal("-v");
    expect(parseCommandLine(["-", "start"]).action).to.equal("-");
    expect(parseCommandLine([]).action).to.equal("");
  });
  it("says what is wrong in Go's words", () => {
    const cases = {
      "-bogus": "flag provided but not defined: -bogus",
      "-constructor": "flag provided but not defined: -constructor",
      "-id": "flag needs an argument: -id",
      "-debug=maybe": 'invalid boolean value "maybe" for -debug',
      "---id": "bad flag syntax: ---id",
      "-=x": "bad flag syntax: -=x",
    };
    for (const [argument, text] of Object.entries(cases)) {
      expect(() => parseCommandLine([argument]), argument).to.throw(text);
    }
  });
  it("knows both spellings of version", () => {
    expect(parseCommandLine(["-v"]).flags.version).to.equal(true);
    expect(parseCommandLine(["--version"]).flags.version).to.equal(true);
  });
  it("refuses names that could leave their directory", () => {
    expect(() => checkNamespace("")).to.throw("shim namespace cannot be empty");
    expect(() => checkNamespace("..")).to.throw('invalid namespace ".."');
    expect(() => checkNamespace("a/b")).to.throw("invalid namespace");
    const { flags } = parseCommandLine(["-namespace", "k8s.io"]);
    expect(() => checkTarget(flags)).to.throw("shim id cannot be empty");
    expect(() => checkTarget({ ...flags, id: "../x" })).to.throw("invalid container ID format");
    checkTarget({ ...flags, id: "a_b-c.1" });
  });
});
