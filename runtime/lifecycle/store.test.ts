import * as fs from "node:fs";
import { expect } from "chai";
import { sampleState } from "./sample-state.ts";
import {
  claimDir,
  containerDir,
  freezeConfig,
  hasDir,
  listIds,
  loadFrozenConfig,
  loadState,
  removeDir,
  saveState,
  writeAtomically,
} from "./store.ts";
import { type TestRuntime, testRuntime } from "./test-runtime.ts";

describe("store", () => {
  let rt: TestRuntime;
  beforeEach(() => {
    rt = testRuntime();
  });
  afterEach(() => rt.remove());

  it("gives an id to one claimant, in a directory for nobody else", () => {
    const dir = claimDir(`${rt.root}/deep`, "c1");
    expect(fs.statSync(dir).mode & 0o777).to.equal(0o700);
    expect(() => claimDir(`${rt.root}/deep`, "c1")).to.throw(
      /^container with given ID already exists: c1$/,
    );
  });

  it("does not take a state root that cannot be one for an id in use", () => {
    fs.writeFileSync(`${rt.root}/file`, "");
    expect(() => claimDir(`${rt.root}/file`, "c1")).to.throw(/^make state root .*\/file: E[A-Z]+ /);
  });

  it("names the path of a state that cannot be looked for", () => {
    const id = "x".repeat(300);
    expect(() => hasDir(rt.root, id)).to.throw(/^look for state .*: ENAMETOOLONG /);
    expect(() => freezeConfig(rt.root, id, { ociVersion: "1.2.0" })).to.throw(
      /^freeze config .*: ENAMETOOLONG /,
    );
  });

  it("keeps a state as it is", () => {
    claimDir(rt.root, "c1");
    const state = sampleState({ annotations: { a: "ä" }, cgroups: { mode: "v2", paths: {} } });
    saveState(rt.root, state);
    expect(loadState(rt.root, "c1")).to.deep.equal(state);
  });

  it("says of what is not there, or has no state yet, that it does not exist", () => {
    expect(() => loadState(rt.root, "c1")).to.throw(/^container does not exist$/);
    claimDir(rt.root, "c1");
    expect(() => loadState(rt.root, "c1")).to.throw(/^container does not exist$/);
  });

  it("names the file of a state that is damaged or of another release", () => {
    const dir = claimDir(rt.root, "c1");
    fs.writeFileSync(`${dir}/state.json`, "{");
    expect(() => loadState(rt.root, "c1")).to.throw(/^read state .*state\.json: /);
    fs.writeFileSync(`${dir}/state.json`, '{"version":2}');
    expect(() => loadState(rt.root, "c1")).to.throw(/state version 2 is of another release/);
  });

  it("replaces a file as a whole and leaves no other file, after a failure too", () => {
    const path = `${rt.root}/pid`;
    writeAtomically(path, "first", 0o644);
    const old = fs.openSync(path, "r");
    writeAtomically(path, "second", 0o644);
    expect(fs.readFileSync(old, "utf8")).to.equal("first");
    fs.closeSync(old);
    expect(fs.readFileSync(path, "utf8")).to.equal("second");
    fs.mkdirSync(`${rt.root}/taken`);
    expect(() => writeAtomically(`${rt.root}/taken`, "x", 0o644)).to.throw(
      /^write .*taken: EISDIR/,
    );
    expect(fs.readdirSync(rt.root).sort()).to.deep.equal(["pid", "taken"]);
  });

  it("lists directories, not files nor what begins with a dot (the seccomp cache)", () => {
    claimDir(rt.root, "b");
    claimDir(rt.root, "a");
    fs.mkdirSync(`${rt.root}/.cache`);
    fs.writeFileSync(`${rt.root}/file`, "");
    expect(listIds(rt.root, true)).to.deep.equal(["a", "b"]);
  });

  it("takes a root that is not there for an empty one, unless the user named it", () => {
    expect(listIds(`${rt.root}/none`, false)).to.deep.equal([]);
    expect(() => listIds(`${rt.root}/none`, true)).to.throw(/none: ENOENT/);
  });

  it("lets one of several removals win", () => {
    claimDir(rt.root, "c1");
    saveState(rt.root, sampleState());
    expect(removeDir(rt.root, "c1")).to.equal(true);
    expect(removeDir(rt.root, "c1")).to.equal(false);
    expect(fs.existsSync(containerDir(rt.root, "c1"))).to.equal(false);
  });

  it("freezes numbers of 64 bits", () => {
    claimDir(rt.root, "c1");
    const hard = 18446744073709551615n;
    const rlimits = [{ type: "RLIMIT_NOFILE" as const, soft: 1, hard }];
    freezeConfig(rt.root, "c1", { ociVersion: "1.2.0", process: { cwd: "/", rlimits } });
    expect(loadFrozenConfig(rt.root, "c1").process?.rlimits?.[0]?.hard).to.equal(hard);
  });
});
