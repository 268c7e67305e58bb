import { expect } from "chai";
import { mountPoints, parseMountPoints } from "./mounts.ts";

describe("mount points", () => {
  it("have their escapes undone, byte by byte", () => {
    const text = [
      "22 1 0:20 / / rw shared:1 - ext4 /dev/sda rw",
      "23 22 0:21 / /a\\040b\\134c rw - tmpfs tmpfs rw",
      "24 22 0:22 / /\xc3\xa4 rw - tmpfs tmpfs rw",
      "",
    ].join("\n");
    expect(parseMountPoints(text)).to.deep.equal(["/", "/a b\\c", "/ä"]);
  });

  it("of this host have a root", () => {
    expect(mountPoints()).to.include("/");
  });
});
