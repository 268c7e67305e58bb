import { expect } from "chai";
import { rfc3339 } from "./new-state.ts";

describe("rfc3339", () => {
  it("has no zeros at the end of the fraction, as Go prints it", () => {
    expect(rfc3339(new Date("2026-11-21T04:05:06.120Z"))).to.equal("2026-11-21T04:05:06.12Z");
    expect(rfc3339(new Date("2026-11-21T04:05:10.000Z"))).to.equal("2026-11-21T04:05:10Z");
    expect(rfc3339(new Date("2026-11-21T04:05:00.001Z"))).to.equal("2026-11-21T04:05:00.001Z");
  });
});
