/** An ordinary user's container: `spec --rootless`, run, and a second process, without any privilege. */
import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { runtimePath } from "../harness/environment.ts";
import { requires } from "../harness/requires.ts";
import { scratchDirectory, sharedRootfs } from "../harness/scratch.ts";

const user = 65534;
const drop = ["--reuid", String(user), "--regid", String(user), "--clear-groups"];

/** Runs the runtime as that user, in a bundle directory of its own. */
function asUser(directory: string, args: readonly string[]) {
  const env = { PATH: process.env["PATH"] ?? "", XDG_RUNTIME_DIR: join(directory, "run") };
  return spawnSync("setpriv", [...drop, runtimePath, ...args], {
    cwd: directory,
    env,
    encoding: "utf8",
  });
}

function bundleOfUser(args: readonly string[]): string {
  const directory = scratchDirectory("rootless");
  const run = join(directory, "run");
  mkdirSync(run, { mode: 0o700 });
  for (const path of [directory, run]) chownSync(path, user, user);
  const made = asUser(directory, ["spec", "--rootless"]);
  expect(made.status, made.stderr).to.equal(0);
  const file = join(directory, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.root.path = sharedRootfs();
  Object.assign(config.process, { args, terminal: false });
  writeFileSync(file, JSON.stringify(config));
  return directory;
}

describe("an ordinary user", () => {
  before(function () {
    requires({ root: true, userns: true, program: "setpriv" }).call(this);
    // a checkout below a closed home directory
    const reachable = spawnSync("setpriv", [...drop, "test", "-x", runtimePath]).status === 0;
    if (!reachable) {
      console.log(`    skipped: ${runtimePath} cannot be executed by other users`);
      this.skip();
    }
  });

  it("is root of a container of its own", () => {
    const script = "id -u; cat /proc/self/uid_map; cat /proc/self/setgroups; ls -d /proc/1";
    const { status, stdout, stderr } = asUser(bundleOfUser(["/bin/sh", "-c", script]), [
      "run",
      "r",
    ]);
    expect(status, stderr).to.equal(0);
    expect(stdout.split(/\s+/)).to.deep.equal(["0", "0", String(user), "1", "deny", "/proc/1", ""]);
  });

  it("creates, enters and deletes it in steps", () => {
    const directory = bundleOfUser(["/bin/sleep", "100"]);
    const outcomes = [
      ["create", "r"],
      ["start", "r"],
      ["exec", "r", "/bin/id", "-u"],
    ].map((args) => {
      const { status, stdout, stderr } = spawnWithFiles(directory, args);
      return `${status} ${stdout.trim()}${stderr}`;
    });
    const removed = asUser(directory, ["delete", "--force", "r"]);
    expect(outcomes).to.deep.equal(["0 ", "0 ", "0 0"]);
    expect(removed.status, removed.stderr).to.equal(0);
  });
});

describe("the root of a user namespace", () => {
  before(requires({ root: true, userns: true, program: "unshare" }));

  it("runs containers without a user namespace of their own, with the host's device nodes", () => {
    const script = "id -u; ls /dev/null /dev/zero /dev/urandom; echo >/dev/null; id -G";
    const directory = bundleOfUser(["/bin/sh", "-c", script]);
    const file = join(directory, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    config.linux = {
      ...config.linux,
      namespaces: config.linux.namespaces.filter(({ type }: { type: string }) => type !== "user"),
      uidMappings: undefined,
      gidMappings: undefined,
    };
    writeFileSync(file, JSON.stringify(config));
    const options = ["--user", "--map-root-user", "--mount", runtimePath];
    const { status, stdout, stderr } = spawnSync(
      "unshare",
      [...options, "--root", scratchDirectory("state"), "run", `rootless-${process.pid}`],
      { cwd: directory, encoding: "utf8" },
    );
    expect(status, stderr).to.equal(0);
    expect(stdout.split("\n").slice(0, 4)).to.deep.equal([
      "0",
      "/dev/null",
      "/dev/urandom",
      "/dev/zero",
    ]);
  });
});

/** The container inherits our pipes and would keep spawnSync waiting: stdio goes to files. */
function spawnWithFiles(directory: string, args: readonly string[]) {
  const words = args.map((word) => `'${word}'`).join(" ");
  const command = `'${runtimePath}' ${words} >out 2>err </dev/null`;
  const { status } = spawnSync("setpriv", [...drop, "sh", "-c", command], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", XDG_RUNTIME_DIR: join(directory, "run") },
  });
  const read = (name: string) => readFileSync(join(directory, name), "utf8");
  return { status, stdout: read("out"), stderr: read("err") };
}
