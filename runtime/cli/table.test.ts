import { expect } from "chai";
import { formatTable } from "./table.ts";

const title = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

describe("formatTable", () => {
  it("prints the title as runc does", () => {
    expect(formatTable([title])).to.equal(
      "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n",
    );
  });
  it("widens a column to three more than its widest cell", () => {
    const row = ["a-rather-long-id", "7", "running", "/b", "2026-01-02T03:04:05.6Z", "root"];
    expect(formatTable([title, row])).to.equal(
      "ID                 PID         STATUS      BUNDLE      CREATED                  OWNER\n" +
        "a-rather-long-id   7           running     /b          2026-01-02T03:04:05.6Z   root\n",
    );
  });
  it("counts characters, not UTF-16 units", () => {
    expect(formatTable([["😀", "x"]])).to.equal(`😀${" ".repeat(11)}x\n`);
  });
});
