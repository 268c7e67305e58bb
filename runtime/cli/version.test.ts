import { expect } from "chai";
import { specVersion, version } from "../base/version.ts";
import { versionText } from "./version.ts";

describe("versionText", () => {
  const lines = versionText("2.5.4").trimEnd().split("\n");

  it("starts with name and version", () => {
    expect(lines[0]).to.equal(`tsrunc version ${version}`);
  });
  it("has the lines that go-runc looks for by prefix", () => {
    expect(lines).to.include(`spec: ${specVersion}`);
    expect(lines.filter((line) => line.startsWith("commit: ")).length).to.be.at.most(1);
    expect(lines.at(-1)).to.equal("libseccomp: 2.5.4");
  });
  it("says nothing about a library that is not there", () => {
    expect(versionText(undefined)).to.not.match(/libseccomp/);
  });
});
