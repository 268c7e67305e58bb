import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { globalFlags, openGlobalLog, rootlessMode, stateRoot } from "./global.ts";
import { parse } from "./parse.ts";

function globalsOf(...argv: string[]) {
  const parsed = parse(argv, globalFlags, "leading");
  if (parsed.kind !== "values") throw new TypeError("expected values");
  return parsed.flags;
}

describe("stateRoot", () => {
  it("makes --root absolute and clean", () => {
    expect(stateRoot(globalsOf("--root", "/a/../b/"), true)).to.equal("/b");
    expect(stateRoot(globalsOf("--root", "x"), true)).to.equal(`${process.cwd()}/x`);
  });
  it("refuses what ends up as the root directory", () => {
    for (const root of ["/", "//", "/a/..", "../".repeat(40)]) {
      expect(() => stateRoot(globalsOf("--root", root), true), root).to.throw(
        "should not be set to /",
      );
    }
  });
  describe("without --root", () => {
    const saved = { XDG_RUNTIME_DIR: process.env["XDG_RUNTIME_DIR"], USER: process.env["USER"] };
    let dir = "";
    beforeEach(() => {
      dir = mkdtempSync(`${tmpdir()}/xdg-`);
      process.env["XDG_RUNTIME_DIR"] = dir;
      process.env["USER"] = "root";
    });
    afterEach(() => {
      rmSync(dir, { recursive: true });
      for (const [name, value] of Object.entries(saved)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    });

    it("is a private directory of the user, or the system's for root", () => {
      const root = stateRoot(globalsOf(), false);
      if (process.geteuid?.() === 0) {
        expect(root).to.equal("/run/tsrunc");
      } else {
        expect(root).to.equal(`${dir}/tsrunc`);
        expect(statSync(root).mode & 0o7777).to.equal(0o1700);
      }
    });
    it("is the system's when there is no runtime directory", () => {
      delete process.env["XDG_RUNTIME_DIR"];
      expect(stateRoot(globalsOf(), false)).to.equal("/run/tsrunc");
    });
  });
});

describe("rootlessMode", () => {
  it("takes Go's booleans, auto and nothing", () => {
    expect(["true", "1", "T"].map(rootlessMode)).to.deep.equal(["true", "true", "true"]);
    expect(["False", "0", "f"].map(rootlessMode)).to.deep.equal(["false", "false", "false"]);
    expect(["", "AUTO"].map(rootlessMode)).to.deep.equal(["auto", "auto"]);
  });
  it("refuses anything else", () => {
    expect(() => rootlessMode("maybe")).to.throw('invalid value "maybe" for --rootless');
  });
});

describe("openGlobalLog", () => {
  it("refuses an unknown format", () => {
    expect(() => openGlobalLog(globalsOf("--log-format", "xml"))).to.throw(
      "invalid log-format: xml",
    );
  });
  it("logs to standard error without --log", () => {
    expect(openGlobalLog(globalsOf()).toStderr).to.equal(true);
  });
});
