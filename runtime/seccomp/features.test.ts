import { expect } from "chai";
import { seccompFeatures } from "./features.ts";
import type { SeccompLibrary } from "./library.ts";
import { openLibraryOrSkip } from "./open-library.ts";

describe("seccompFeatures", () => {
  let library: SeccompLibrary;

  before(function () {
    library = openLibraryOrSkip(this);
  });

  it("lists what library and kernel can do, sorted", () => {
    const features = seccompFeatures(library);
    expect(features.enabled).to.equal(true);
    expect(features.actions).to.include.members(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"]);
    expect(features.operators).to.have.length(7);
    expect(features.archs).to.include.members(["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]);
    for (const list of [features.actions, features.operators, features.archs]) {
      expect(list).to.deep.equal([...(list ?? [])].sort());
    }
    expect(features.knownFlags).to.include("SECCOMP_FILTER_FLAG_TSYNC");
    expect(features.knownFlags).to.include.members([...(features.supportedFlags ?? [])]);
  });

  it("leaves out what an old kernel refuses", () => {
    const features = seccompFeatures({
      ...library,
      hasAction: (action) => action !== 0x7fc00000,
      hasFlags: () => false,
    });
    expect(features.actions).not.to.include("SCMP_ACT_NOTIFY");
    expect(features.supportedFlags).to.deep.equal(["SECCOMP_FILTER_FLAG_TSYNC"]);
  });

  it("reports a version of three numbers", () => {
    expect(library.version).to.match(/^\d+\.\d+\.\d+$/);
  });
});
