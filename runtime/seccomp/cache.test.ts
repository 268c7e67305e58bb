import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import type { Seccomp } from "../../schemas/generated/config.ts";
import { compileSeccompCached } from "./cache.ts";
import { compileSeccomp } from "./compile.ts";
import { openLibraryOrSkip } from "./open-library.ts";

const profile: Seccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [
    { names: ["read", "no_such_call"], action: "SCMP_ACT_ALLOW" },
    {
      names: ["dup"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, op: "SCMP_CMP_EQ", value: 0xffff_ffff_ffff_ffffn }],
    },
  ],
};

describe("compileSeccompCached", () => {
  let root: string;
  let dir: string;

  before(function () {
    openLibraryOrSkip(this);
  });

  beforeEach(() => {
    root = mkdtempSync(`${tmpdir()}/tsrunc-cache-`);
    dir = `${root}/.cache/seccomp`;
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  /** Path of the only entry. */
  const entry = (): string => {
    const names = readdirSync(dir);
    expect(names).to.have.length(1);
    return `${dir}/${names[0]}`;
  };

  /** Changes the filter inside the entry, so that a hit can be told from a compilation. */
  const mark = (): void => {
    const bytes = readFileSync(entry());
    bytes[28] = (bytes[28] as number) ^ 0xff;
    writeFileSync(entry(), bytes);
  };

  const isHit = async (): Promise<boolean> => {
    const cached = await compileSeccompCached(profile, root);
    return cached.filter[0] !== compileSeccomp(profile).filter[0];
  };

  it("returns on a hit what was compiled, warnings included", async () => {
    const first = await compileSeccompCached(profile, root);
    const inode = lstatSync(entry()).ino;
    const second = await compileSeccompCached(profile, root);
    expect(second).to.deep.equal(first);
    expect(second).to.deep.equal(compileSeccomp(profile));
    expect(second.warnings).to.have.length(1);
    expect(lstatSync(entry()).ino).to.equal(inode);
    mark();
    expect(await isHit()).to.equal(true);
  });

  it("writes files only for us", async () => {
    await compileSeccompCached(profile, root);
    expect(lstatSync(entry()).mode & 0o7777).to.equal(0o600);
    expect(lstatSync(dir).mode & 0o7777).to.equal(0o700);
  });

  it("does not trust a file that others could have written", async () => {
    await compileSeccompCached(profile, root);
    mark();
    chmodSync(entry(), 0o620);
    expect(await isHit()).to.equal(false);
    expect(lstatSync(entry()).mode & 0o7777).to.equal(0o600);
  });

  it("does not follow a symlink", async () => {
    await compileSeccompCached(profile, root);
    mark();
    const path = entry();
    renameSync(path, `${root}/elsewhere`);
    symlinkSync(`${root}/elsewhere`, path);
    expect(await isHit()).to.equal(false);
    expect(lstatSync(path).isSymbolicLink()).to.equal(false);
  });

  it("does not take a truncated file or one of another key", async () => {
    await compileSeccompCached(profile, root);
    const path = entry();
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.length - 1));
    expect(await isHit()).to.equal(false);
    whole[whole.length - 2] = 0x20;
    whole[28] = 0xff;
    writeFileSync(path, whole);
    expect(await isHit()).to.equal(false);
  });

  it("tells profiles apart that differ in one argument", async () => {
    const syscalls = profile.syscalls?.map((entry) =>
      entry.args === undefined
        ? entry
        : { ...entry, args: [{ index: 0, op: "SCMP_CMP_EQ" as const, value: 1 }] },
    );
    const other: Seccomp = { ...profile, syscalls: syscalls ?? [] };
    await compileSeccompCached(profile, root);
    const second = await compileSeccompCached(other, root);
    expect(second.filter).not.to.deep.equal(compileSeccomp(profile).filter);
  });

  it("compiles when nothing can be written", async () => {
    mkdirSync(`${root}/.cache`);
    writeFileSync(dir, "a file where the directory should be");
    expect(await isHit()).to.equal(false);
  });

  it("empties a directory that has grown too large", async () => {
    mkdirSync(dir, { recursive: true });
    for (let i = 0; i < 64; i++) writeFileSync(`${dir}/old-${i}`, "");
    await compileSeccompCached(profile, root);
    expect(readdirSync(dir)).to.have.length(1);
  });
});
