/** light-fs.ts answers as node:fs does: every function is called on both, results and errors are compared. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { libexecDir } from "./binding.ts";
import * as light from "./light-fs.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;
const isBuilt = fs.existsSync(`${libexecDir()}/tsrunc.node`);

/** What a call yields: its value, or code and system call of its error. */
function outcome(call: () => unknown): unknown {
  try {
    return { value: call() };
  } catch (error) {
    const { code, errno, syscall } = error as NodeJS.ErrnoException;
    return { code, errno, syscall };
  }
}

describe("light-fs", () => {
  let directory = "";

  before(function () {
    if (!isBuilt) this.skip();
  });

  beforeEach(() => {
    directory = fs.mkdtempSync(join(tmpdir(), "light-fs-"));
    fs.writeFileSync(join(directory, "file"), "grüße\n");
    fs.mkdirSync(join(directory, "full/below"), { recursive: true });
    fs.symlinkSync("file", join(directory, "link"));
  });

  afterEach(() => {
    fs.rmSync(directory, { recursive: true, force: true });
  });

  const names = ["file", "full", "link", "absent", "file/below"];

  /** Calls both for every name and expects the same outcome. */
  function agree(call: (module: typeof fs | typeof light, path: string) => unknown): void {
    for (const name of names) {
      const path = join(directory, name);
      expect(
        outcome(() => call(light, path)),
        name,
      ).to.deep.equal(outcome(() => call(fs, path)));
    }
  }

  it("reads texts, those without a size too", () => {
    agree((module, path) => module.readFileSync(path, "utf8"));
    agree((module, path) => module.readFileSync(path, "latin1"));
    expect(light.readFileSync("/proc/self/cgroup", "utf8")).to.equal(
      fs.readFileSync("/proc/self/cgroup", "utf8"),
    );
    const long = "x".repeat(100_000);
    fs.writeFileSync(join(directory, "long"), long);
    expect(light.readFileSync(join(directory, "long"), "utf8")).to.equal(long);
  });

  it("replaces invalid UTF-8 as node does", () => {
    const path = join(directory, "bytes");
    fs.writeFileSync(path, Uint8Array.of(0x61, 0xff, 0x62));
    expect(light.readFileSync(path, "utf8")).to.equal(fs.readFileSync(path, "utf8"));
    expect(light.readFileSync(path, "latin1")).to.equal(fs.readFileSync(path, "latin1"));
  });

  it("opens close-on-exec and reads at positions", () => {
    const fd = light.openSync(join(directory, "file"), "r");
    expect(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")).to.match(/flags:\s*0?2\d{6}\b/);
    const data = new Uint8Array(4);
    expect(light.readSync(fd, data, 1, 2, 0)).to.equal(2);
    expect([...data]).to.deep.equal([0, 0x67, 0x72, 0]);
    expect(light.readSync(fd, data)).to.equal(4);
    light.closeSync(fd);
    expect(outcome(() => light.closeSync(fd))).to.deep.include({ code: "EBADF", syscall: "close" });
    agree((module, path) => module.closeSync(module.openSync(path, module.constants.O_NOFOLLOW)));
    agree((module, path) => module.closeSync(module.openSync(path, module.constants.O_DIRECTORY)));
  });

  it("has the engine's numbers for the flags", () => {
    for (const [name, value] of Object.entries(light.constants)) {
      expect(fs.constants[name as keyof typeof light.constants], name).to.equal(value);
    }
  });

  it("writes, appends, truncates and sets the mode", () => {
    const path = join(directory, "new");
    light.writeFileSync(path, "größer als zuvor", { mode: 0o600 });
    expect(fs.readFileSync(path, "utf8")).to.equal("größer als zuvor");
    expect(fs.statSync(path).mode & 0o777).to.equal(0o600);
    light.writeFileSync(path, "kurz");
    const fd = light.openSync(path, "a", 0o600);
    expect(light.writeSync(fd, "ß!")).to.equal(3);
    expect(light.writeSync(fd, Uint8Array.of(1, 0x2e, 0x2e, 2), 1, 2)).to.equal(2);
    light.writeFileSync(fd, "ende");
    light.closeSync(fd);
    light.appendFileSync(path, "?");
    expect(fs.readFileSync(path, "utf8")).to.equal("kurzß!..ende?");
    expect(outcome(() => light.writeFileSync(path, "x", { flag: "wx" }))).to.deep.include({
      code: "EEXIST",
    });
  });

  it("tells what is there", () => {
    agree((module, path) => module.existsSync(path));
    agree((module, path) => module.readlinkSync(path));
    agree((module, path) => module.statSync(path)?.isDirectory());
    agree((module, path) => module.statSync(path, { throwIfNoEntry: false })?.isFile());
    agree((module, path) => module.statSync(path)?.isFIFO());
    agree((module, path) => {
      const stats = module.statSync(path);
      return [stats?.dev, stats?.ino, stats?.mode, stats?.nlink, stats?.uid, stats?.size];
    });
    agree((module, path) => module.statSync(path)?.mtimeMs);
    agree((module, path) => module.statfsSync(path).type);
    const fd = fs.openSync(join(directory, "file"), "r");
    expect(light.fstatSync(fd).ino).to.equal(fs.fstatSync(fd).ino);
    fs.closeSync(fd);
    expect(light.realpathSync(join(directory, "link"))).to.equal(
      fs.realpathSync(join(directory, "file")),
    );
  });

  it("lists directories", () => {
    agree((module, path) => [...module.readdirSync(path)].sort());
    const entries = light.readdirSync(directory, { withFileTypes: true }) as fs.Dirent[];
    const shown = entries.map((entry) => `${entry.name} ${entry.isDirectory()}`).sort();
    expect(shown).to.deep.equal(["file false", "full true", "link false"]);
  });

  it("makes and removes directories", () => {
    expect(outcome(() => light.mkdirSync(join(directory, "full")))).to.deep.include({
      code: "EEXIST",
      syscall: "mkdir",
    });
    light.mkdirSync(join(directory, "full"), { recursive: true });
    light.mkdirSync(join(directory, "a/b/c"), { recursive: true, mode: 0o700 });
    expect(fs.statSync(join(directory, "a/b/c")).mode & 0o777).to.equal(0o700);
    expect(
      outcome(() => light.mkdirSync("/proc/absent/below", { recursive: true })),
    ).to.deep.include({ code: "ENOENT", syscall: "mkdir" });
    light.chmodSync(join(directory, "a"), 0o1750);
    expect(fs.statSync(join(directory, "a")).mode & 0o7777).to.equal(0o1750);
    light.rmdirSync(join(directory, "a/b/c"));
    expect(fs.existsSync(join(directory, "a/b/c"))).to.equal(false);
    expect(outcome(() => light.rmdirSync(join(directory, "full")))).to.deep.include({
      code: "ENOTEMPTY",
    });
  });

  it("removes trees without following links, renames and unlinks", () => {
    fs.mkdirSync(join(directory, "outside"));
    fs.symlinkSync(join(directory, "outside"), join(directory, "full/below/link"));
    fs.writeFileSync(join(directory, "outside/kept"), "");
    light.rmSync(join(directory, "full"), { recursive: true, force: true });
    expect(fs.existsSync(join(directory, "full"))).to.equal(false);
    expect(fs.existsSync(join(directory, "outside/kept"))).to.equal(true);
    light.rmSync(join(directory, "absent"), { force: true });
    light.symlinkSync("nowhere", join(directory, "outside/new"));
    expect(fs.readlinkSync(join(directory, "outside/new"))).to.equal("nowhere");
    light.renameSync(join(directory, "file"), join(directory, "moved"));
    light.unlinkSync(join(directory, "moved"));
    expect(fs.readdirSync(directory).sort()).to.deep.equal(["link", "outside"]);
  });

  it("syncs and changes owners", () => {
    const path = join(directory, "file");
    const fd = fs.openSync(path, "r+");
    light.fsyncSync(fd);
    fs.closeSync(fd);
    const owner = process.geteuid?.() ?? 0;
    light.chownSync(path, owner, -1);
    expect(fs.statSync(path).uid).to.equal(owner);
    agree((module, path) => module.chownSync(path, owner, -1));
    expect(outcome(() => light.fchownSync(fd, owner, 0))).to.deep.equal(
      outcome(() => fs.fchownSync(fd, owner, 0)),
    );
    const open = fs.openSync(path, "r");
    light.fchownSync(open, owner, process.getegid?.() ?? 0);
    fs.closeSync(open);
  });
});
