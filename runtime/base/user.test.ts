import { expect } from "chai";
import { parseUser } from "./user.ts";

describe("parseUser", () => {
  it("reads a uid, and leaves the gid open", () => {
    expect(parseUser("1000")).to.deep.equal({ uid: 1000, gid: undefined });
  });
  it("reads uid and gid", () => {
    expect(parseUser("0:4294967294")).to.deep.equal({ uid: 0, gid: 4294967294 });
  });
  // CVE-2026-30892: each of these ran as root, or as somebody else, where parsing was lenient.
  const bad = [
    "",
    "1:",
    ":1",
    ":",
    "-1",
    "+1",
    "0x1",
    "1x",
    " 1",
    "1 ",
    "1:2:3",
    "root",
    "1.0",
    "1e3",
  ];
  for (const text of [...bad, "4294967295", "4294967296", "99999999999", "1:4294967295", "1:-1"]) {
    it(`refuses "${text}"`, () => expect(() => parseUser(text)).to.throw("invalid user"));
  }
});
