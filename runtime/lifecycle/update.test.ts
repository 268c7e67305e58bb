import { expect } from "chai";
import { completeResources } from "./update.ts";

describe("completeResources", () => {
  it("lifts the swap limit together with the memory limit", () => {
    expect(completeResources({ memory: { limit: -1 } }).memory?.swap).to.equal(-1);
    expect(completeResources({ memory: { limit: -1n } }).memory?.swap).to.equal(-1);
  });
  it("leaves a swap limit that was given, and other updates, alone", () => {
    const given = { memory: { limit: -1, swap: 5 } };
    expect(completeResources(given)).to.equal(given);
    const limited = { memory: { limit: 5 } };
    expect(completeResources(limited)).to.equal(limited);
  });
});
