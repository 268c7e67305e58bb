import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { lowerFileLimit, parseFileLimit } from "./file-limit.ts";

describe("parseFileLimit", () => {
  it("reads the line of /proc/PID/limits", () => {
    const text =
      "Limit                     Soft Limit           Hard Limit           Units     \n" +
      "Max processes             7823                 7823                 processes \n" +
      "Max open files            1024                 524288               files     \n";
    expect(parseFileLimit(text)).to.deep.equal({ soft: 1024n, hard: 524288n });
  });
  it("knows nothing without it", () => expect(parseFileLimit("")).to.equal(undefined));
});

describe("lowerFileLimit", () => {
  const low = { soft: 1024n, hard: 4096n };
  const high = { soft: 4096n, hard: 4096n };
  it("is the parent's when ours was raised to the hard limit", () => {
    expect(lowerFileLimit(high, low)).to.equal(low);
  });
  it("is nothing when ours was not raised, or was set apart from the parent's", () => {
    expect(lowerFileLimit(low, low)).to.equal(undefined);
    expect(lowerFileLimit(high, high)).to.equal(undefined);
    expect(lowerFileLimit(high, { soft: 10n, hard: 8192n })).to.equal(undefined);
    expect(lowerFileLimit(high, undefined)).to.equal(undefined);
  });
});

describe("callerFileLimit", () => {
  it("finds the limit of a shell that starts us", () => {
    const module = new URL("./file-limit.js", import.meta.url).href;
    const program = `import(${JSON.stringify(module)}).then((m) => console.log(String(m.callerFileLimit()?.soft)))`;
    // Not the shell's last command, or it would replace itself and not be our parent.
    const script = 'ulimit -Sn 512; "$0" -e "$1"; exit $?';
    const output = execFileSync("sh", ["-c", script, process.execPath, program], {
      encoding: "utf8",
    });
    expect(output.trim()).to.equal("512");
  });
});
