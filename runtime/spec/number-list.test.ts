import { expect } from "chai";
import { isNumberList } from "./number-list.ts";

describe("lists of numbers", () => {
  it("takes numbers and ranges below the limit", () => {
    for (const text of ["0", "0-3,7", "1,1", "5-5", "0, 2"])
      expect(isNumberList(text, 8), text).to.equal(true);
  });

  it("refuses everything else", () => {
    for (const text of [
      "",
      ",",
      "1,",
      "3-1",
      "1-",
      "-1",
      "8",
      "0-8",
      "1 2",
      "x",
      "1-2-3",
      "999999",
    ])
      expect(isNumberList(text, 8), text).to.equal(false);
  });
});
