import { createHash } from "node:crypto";
import { expect } from "chai";
import { sha256Hex } from "./sha256.ts";

describe("sha256Hex", () => {
  it("agrees with node:crypto for all lengths around the block size", () => {
    for (let length = 0; length < 200; length++) {
      const text = "x/ä€".repeat(length).slice(0, length);
      expect(sha256Hex(text)).to.equal(createHash("sha256").update(text).digest("hex"));
    }
  });
});
