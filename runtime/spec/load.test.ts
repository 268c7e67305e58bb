/** Reading configs: what comes through, and how each kind of mistake is reported. */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { type Code, RuntimeError } from "../base/errors.ts";
import { loadProcess, loadResources, loadSpec, parseSpec } from "./load.ts";

// The tests run from the repository's root, where the sources are.
const fixtures = "schemas/fixtures";

function refusal(action: () => unknown): RuntimeError {
  try {
    action();
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

function expectRefusal(text: string, message: string, code: Code = "InvalidArgument"): void {
  const error = refusal(() => parseSpec(text));
  expect(error.message).to.equal(message);
  expect(error.code).to.equal(code);
}

const good = {
  ociVersion: "1.3.0",
  root: { path: "rootfs" },
  process: { cwd: "/", args: ["sh"] },
};

describe("loading a config", () => {
  let bundle = "";
  beforeEach(() => {
    bundle = mkdtempSync(`${tmpdir()}/spec-`);
  });
  afterEach(() => rmSync(bundle, { recursive: true }));

  function write(text: string): void {
    writeFileSync(`${bundle}/config.json`, text);
  }

  it("reads what engines write, keeping 64-bit numbers", () => {
    for (const name of ["everything", "dockerd", "go-nulls"]) {
      write(readFileSync(`${fixtures}/${name}.json`, "utf8"));
      expect(loadSpec(bundle).ociVersion, name).to.match(/^1\./);
    }
    write(readFileSync(`${fixtures}/dockerd.json`, "utf8"));
    const { process, linux } = loadSpec(bundle);
    expect(process?.rlimits?.[0]?.hard).to.equal(18446744073709551615n);
    expect(linux?.resources?.memory).to.deep.equal({ limit: 9223372036854771712n, swap: -1 });
    write(readFileSync(`${fixtures}/everything.json`, "utf8"));
    expect(loadSpec(bundle).process?.rlimits?.[1]).to.deep.equal({
      type: "RLIMIT_CORE",
      soft: 9223372036854775807n,
      hard: 18446744073709551615n,
    });
  });

  it("uses runc's text when there is none", () => {
    const error = refusal(() => loadSpec(bundle));
    expect(error.message).to.equal("JSON specification file config.json not found");
    expect(error.code).to.equal("NotFound");
    expect(refusal(() => loadSpec(`${bundle}/gone`)).message).to.equal(
      `open bundle ${bundle}/gone: ENOENT (no such file or directory)`,
    );
  });

  it("reports other errors of reading with the path", () => {
    mkdirSync(`${bundle}/config.json`);
    expect(refusal(() => loadSpec(bundle)).message).to.equal(
      `read ${bundle}/config.json: EISDIR (is a directory)`,
    );
  });

  it("refuses a file beyond 16 MiB unread", () => {
    execFileSync("truncate", ["-s", "1T", `${bundle}/config.json`]);
    expect(refusal(() => loadSpec(bundle)).message).to.equal("config.json is larger than 16 MiB");
  });

  it("stops reading a device that has no end", () => {
    symlinkSync("/dev/zero", `${bundle}/config.json`);
    expect(refusal(() => loadSpec(bundle)).message).to.equal(
      `${bundle}/config.json is larger than 16 MiB`,
    );
  });

  it("says line and column of what is not JSON", () => {
    expectRefusal(
      '{\n  "ociVersion": "1.0.0"\n  "root": {}\n}',
      'config.json:3:3: invalid JSON: expected "," or "}", found "\\""',
    );
    expectRefusal("", "config.json:1:1: invalid JSON: expected a value, found the end of the file");
    expectRefusal("\ufeff{}", 'config.json:1:1: invalid JSON: expected a value, found "\ufeff"');
    expectRefusal(
      `{"x":${"[".repeat(100000)}`,
      "config.json:1:518: invalid JSON: nested more than 512 levels deep",
    );
  });

  it("says where the shape is wrong", () => {
    const text = (spec: object) => JSON.stringify({ ...good, ...spec });
    expectRefusal(
      text({ process: { cwd: "/", args: "sh" } }),
      'config.json: process.args: expected array of strings, found "sh"',
    );
    expectRefusal(
      text({ process: { args: ["sh"] } }),
      "config.json: process.cwd: missing, expected string",
    );
    expectRefusal(
      text({ linux: { sysctl: { "net.ipv4.ip_forward": 1 } } }),
      'config.json: linux.sysctl["net.ipv4.ip_forward"]: expected string, found 1',
    );
    expectRefusal(
      text({ linux: { resources: { pids: { limit: 1.5 } } } }),
      "config.json: linux.resources.pids.limit: expected 64-bit integer, found 1.5",
    );
    expectRefusal(
      text({ hooks: { poststop: [{ path: "/x", timeout: 0 }] } }),
      "config.json: hooks.poststop[0].timeout: expected integer from 1 to 2147483647, found 0",
    );
    expectRefusal(
      text({ mounts: {} }),
      "config.json: mounts: expected array of objects, found an object",
    );
    expectRefusal("[]", "config.json: expected object, found an empty array");
    expectRefusal(
      text({ process: { cwd: "/", args: ["sh"], user: { uid: -1 } } }),
      "config.json: process.user.uid: expected integer from 0 to 4294967295, found -1",
    );
    expectRefusal(
      text({ process: 0 }).replace("0}", "99999999999999999999}"),
      "config.json: process: expected object, found 99999999999999999999",
    );
  });

  it("refuses NUL in values and names, wherever they are", () => {
    expectRefusal(
      JSON.stringify({ ...good, process: { cwd: "/", args: ["sh", "a\0b"] } }),
      "config.json: process.args[1]: contains a NUL byte",
    );
    expectRefusal(
      JSON.stringify({ ...good, annotations: { "a\0": "" } }),
      'config.json: annotations["a\\u0000"]: contains a NUL byte',
    );
  });

  it("does not mistake the text of an escape for a NUL", () => {
    const text = JSON.stringify({ ...good, annotations: { a: "\\u0000" } });
    expect(parseSpec(text).annotations).to.deep.equal({ a: "\\u0000" });
  });

  it("makes relative mount destinations absolute and says so", () => {
    const warnings: string[] = [];
    const mounts = [
      { destination: "proc", type: "proc" },
      { destination: "/sys", type: "sysfs" },
    ];
    const spec = parseSpec(JSON.stringify({ ...good, mounts }), (text) => warnings.push(text));
    expect(spec.mounts?.map(({ destination }) => destination)).to.deep.equal(["/proc", "/sys"]);
    expect(warnings).to.deep.equal([
      "mount destination proc is not absolute: it is taken as relative to /",
    ]);
  });
});

describe("64-bit integers of a config", () => {
  const resources = (limit: string) => loadResources(`{"memory":{"limit":${limit}}}`);
  const rlimit = (hard: string) =>
    parseSpec(
      JSON.stringify({
        ...good,
        process: { ...good.process, rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: "hard" }] },
      }).replace('"hard":"hard"', `"hard":${hard}`),
    ).process?.rlimits?.[0]?.hard;

  it("pass up to the last value and no further", () => {
    expect(rlimit("18446744073709551615")).to.equal(18446744073709551615n);
    expect(() => rlimit("18446744073709551616")).to.throw(
      "config.json: process.rlimits[0].hard: expected unsigned 64-bit integer, found 18446744073709551616",
    );
    expect(() => rlimit("-1")).to.throw("expected unsigned 64-bit integer, found -1");
    expect(resources("-9223372036854775808").memory?.limit).to.equal(-9223372036854775808n);
    expect(() => resources("-9223372036854775809")).to.throw(
      "resources: memory.limit: expected 64-bit integer, found -9223372036854775809",
    );
    expect(() => resources("9223372036854775808")).to.throw("found 9223372036854775808");
  });
});

describe("loading a process", () => {
  it("reads a path or an fd, and names it in errors", () => {
    const directory = mkdtempSync(`${tmpdir()}/spec-`);
    try {
      const path = `${directory}/process.json`;
      writeFileSync(path, '{"cwd":"/","args":["ls"],"user":{"uid":7},"terminal":null}');
      expect(loadProcess(path)).to.deep.equal({ cwd: "/", args: ["ls"], user: { uid: 7 } });
      expect(loadProcess(openSync(path, "r")).args).to.deep.equal(["ls"]);
      writeFileSync(path, '{"cwd":"/","args":[]}');
      expect(() => loadProcess(path)).to.throw("process.args: must not be empty");
      writeFileSync(path, '{"cwd":1}');
      expect(() => loadProcess(path)).to.throw(`${path}: cwd: expected string, found 1`);
      expect(() => loadProcess(`${path}.gone`)).to.throw(RuntimeError, "ENOENT");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("loading resources", () => {
  it("takes limits and refuses nonsense", () => {
    expect(loadResources('{"memory":{"limit":9223372036854775807},"cpu":null}')).to.deep.equal({
      memory: { limit: 9223372036854775807n },
    });
    expect(() => loadResources('{"memory":{"limit":"1g"}}')).to.throw(
      'resources: memory.limit: expected 64-bit integer, found "1g"',
    );
    expect(() => loadResources('{"unified":{"a/b":"1"}}')).to.throw("must be a file name");
    expect(() => loadResources("{]")).to.throw(
      'resources:1:2: invalid JSON: expected a property name in quotes, found "]"',
    );
  });
});
