import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { isTerminal, readAll, writeAll } from "./stdio.ts";

describe("stdio", () => {
  let dir = "";
  before(() => {
    dir = mkdtempSync(`${tmpdir()}/stdio-`);
  });
  after(() => rmSync(dir, { recursive: true }));

  for (const text of ["", "plain\n", "größer 😀\n", `${"ä".repeat(300_000)}\n`]) {
    it(`writes and reads back ${text.length} characters`, () => {
      const path = `${dir}/file`;
      const out = openSync(path, "w");
      writeAll(out, text);
      closeSync(out);
      expect(readFileSync(path, "utf8")).to.equal(text);
      const input = openSync(path, "r");
      expect(readAll(input, 1 << 20)).to.equal(text);
      closeSync(input);
    });
  }

  it("waits for a reader when a non-blocking pipe is full", async () => {
    // A stream's pipe is non-blocking; the reader starts late and the text is many times the pipe's size.
    const module = new URL("./stdio.js", import.meta.url).href;
    const program = `process.stdout.write(""); import(${JSON.stringify(module)}).then((m) => m.writeOut("é".repeat(400000)));`;
    const child = spawn(process.execPath, ["-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    let bytes = 0;
    for await (const chunk of child.stdout) bytes += (chunk as Uint8Array).length;
    expect(bytes).to.equal(800_000);
  });

  it("refuses to read more than it was told", () => {
    const input = openSync("/dev/zero", "r");
    expect(() => readAll(input, 100_000)).to.throw(RangeError);
    closeSync(input);
  });

  it("tells a file from a terminal", () => {
    const file = openSync("/dev/null", "r");
    expect(isTerminal(file)).to.equal(false);
    closeSync(file);
    expect(isTerminal(-1)).to.equal(false);
  });
});
