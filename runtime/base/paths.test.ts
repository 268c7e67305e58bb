import { expect } from "chai";
import { absolutePath, baseName } from "./paths.ts";

describe("absolutePath", () => {
  it("starts a relative path at the working directory", () => {
    expect(absolutePath("a/b", "/w")).to.equal("/w/a/b");
    expect(absolutePath("", "/w")).to.equal("/w");
    expect(absolutePath(".", "/w/")).to.equal("/w");
  });
  it("cleans an absolute one", () => {
    expect(absolutePath("//a/./b/../c/", "/w")).to.equal("/a/c");
  });
  it("does not climb above the root", () => {
    expect(absolutePath("../../../..", "/w/x")).to.equal("/");
    expect(absolutePath("/../a//./b/..", "/")).to.equal("/a");
  });
});

describe("baseName", () => {
  it("is the part after the last slash", () => {
    expect(baseName("/usr/bin/tsrunc")).to.equal("tsrunc");
    expect(baseName("tsrunc")).to.equal("tsrunc");
  });
});
