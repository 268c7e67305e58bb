import { writeFileSync } from "node:fs";
import { expect } from "chai";
import { isAlive, liveProcess, processStat } from "./process-stat.ts";

describe("process stat", () => {
  it("names us", () => {
    const stat = processStat(process.pid);
    expect(stat).to.include({ parent: process.ppid });
    expect(stat?.startTime).to.match(/^\d+$/);
  });

  it("reads a name with anything in it", () => {
    writeFileSync("/proc/self/comm", "a) R (b");
    expect(processStat(process.pid)).to.include({ name: "a) R (b", parent: process.ppid });
    writeFileSync("/proc/self/comm", "node");
  });

  it("knows a process by its start time, not by its number alone", () => {
    const startTime = processStat(process.pid)?.startTime ?? "";
    expect(isAlive(process.pid, startTime)).to.equal(true);
    expect(isAlive(process.pid, `${startTime}1`)).to.equal(false);
    expect(isAlive(0, "")).to.equal(false);
    expect(liveProcess(process.pid, startTime)?.startTime).to.equal(startTime);
  });
});
