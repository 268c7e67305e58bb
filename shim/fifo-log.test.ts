import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { expect } from "chai";
import { openFifoLog } from "./fifo-log.ts";

describe("openFifoLog", () => {
  let bundle: string;

  beforeEach(() => {
    bundle = mkdtempSync("/tmp/tsrunc-log-");
    execFileSync("mkfifo", [`${bundle}/log`]);
  });

  afterEach(() => rmSync(bundle, { recursive: true }));

  function reader(): number {
    return openSync(`${bundle}/log`, constants.O_RDONLY | constants.O_NONBLOCK);
  }

  function read(fd: number): string {
    const data = new Uint8Array(1 << 17);
    return Buffer.from(data.subarray(0, readSync(fd, data))).toString();
  }

  it("drops lines while nobody reads and goes on when somebody does, again and again", () => {
    const log = openFifoLog({ debug: false, bundles: () => ["/nowhere", bundle] });
    log.warn("nobody");
    for (const text of ["first", "second"]) {
      const fd = reader();
      log.warn(text);
      log.debug("not asked for");
      expect(read(fd)).to.match(new RegExp(`^time="[^"]+" level=warning msg=${text}\n$`));
      closeSync(fd);
      log.warn("nobody");
    }
  });

  it("never waits for a reader that does not read, and cuts lines that a pipe does not take whole", () => {
    const log = openFifoLog({ debug: true, bundles: () => [bundle] });
    const fd = reader();
    for (let line = 0; line < 100; line++) log.debug("x".repeat(8000));
    const lines = read(fd).split("\n");
    expect(lines.pop()).to.equal("");
    expect(lines.length).to.equal(16);
    for (const line of lines) expect(line.length).to.equal(4095);
    log.info("again");
    expect(read(fd)).to.contain("msg=again");
    closeSync(fd);
  });
});
