import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { formatForTerminal, formatLine, openLog } from "./log.ts";

const now = new Date("2026-01-02T03:04:05.678Z");

describe("formatLine", () => {
  it("writes runc's JSON object: level, msg, time", () => {
    expect(formatLine("json", "error", 'no "x"\nat all', now)).to.equal(
      '{"level":"error","msg":"no \\"x\\"\\nat all","time":"2026-01-02T03:04:05Z"}',
    );
  });
  it("writes logrus' text format", () => {
    expect(formatLine("text", "error", "container does not exist", now)).to.equal(
      'time="2026-01-02T03:04:05Z" level=error msg="container does not exist"',
    );
    expect(formatLine("text", "warning", "oops", now)).to.match(/ level=warning msg=oops$/);
  });
  it("escapes line breaks, so that an entry stays one line", () => {
    expect(formatLine("text", "error", "a\nb", now)).to.match(/ msg="a\\nb"$/);
  });
});

describe("formatForTerminal", () => {
  it("has a coloured tag and the seconds since the start", () => {
    expect(formatForTerminal("error", "gone", 12.9)).to.equal("\x1b[31mERRO\x1b[0m[0012] gone");
  });
});

describe("openLog", () => {
  let dir = "";
  beforeEach(() => {
    dir = mkdtempSync(`${tmpdir()}/log-`);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("appends to the file and keeps debug lines to itself unless asked for", () => {
    const file = `${dir}/log.json`;
    const first = openLog({ file, format: "json", debug: false });
    first.debug("hidden");
    first.error("one");
    const second = openLog({ file, format: "json", debug: true });
    second.debug("two");
    const entries = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(entries.map((line) => JSON.parse(line).msg)).to.deep.equal(["one", "two"]);
    expect(first.toStderr).to.equal(false);
  });
  it("creates the file 0644 (less the umask) at once, so that a bad path is known early", () => {
    const umask = process.umask(0o022);
    openLog({ file: `${dir}/log`, format: "text", debug: false });
    process.umask(umask);
    expect(statSync(`${dir}/log`).mode & 0o777).to.equal(0o644);
  });
  it("names the file that cannot be opened", () => {
    expect(() => openLog({ file: `${dir}/none/log`, format: "text", debug: false })).to.throw(
      `open log file ${dir}/none/log: ENOENT`,
    );
  });
});
