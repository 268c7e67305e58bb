/** Commands without a container: spec, features, --version and help. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, writeConfig } from "../harness/bundle.ts";
import { container } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { parseReport } from "../harness/probe.ts";
import { missing, requires } from "../harness/requires.ts";
import { invoke } from "../harness/runtime.ts";
import { scratchDirectory, sharedRootfs } from "../harness/scratch.ts";

function readConfig(directory: string): Config {
  return JSON.parse(readFileSync(`${directory}/config.json`, "utf8")) as Config;
}

describe("spec", () => {
  it("writes a config.json into the current directory", () => {
    const cwd = scratchDirectory("spec");
    const result = invoke(["spec"], { cwd }).ok();
    expect(result.stdout).to.equal("");
    const config = readConfig(cwd);
    expect(config.ociVersion).to.match(/^1\./);
    expect(config.process.args).to.deep.equal(["sh"]);
    expect(config.process.terminal).to.equal(true);
    expect(config.process.cwd).to.equal("/");
    expect(config.root).to.deep.equal({ path: "rootfs", readonly: true });
    expect(config.process.noNewPrivileges).to.equal(true);
    expect(config.linux.namespaces.map(({ type }) => type)).to.include.members([
      "pid",
      "network",
      "ipc",
      "uts",
      "mount",
    ]);
    expect(config.mounts.map(({ destination }) => destination)).to.include.members([
      "/proc",
      "/dev",
      "/dev/pts",
      "/dev/shm",
      "/dev/mqueue",
      "/sys",
      "/sys/fs/cgroup",
    ]);
    expect(statSync(`${cwd}/config.json`).mode & 0o022).to.equal(0);
  });

  it(
    "has no inheritable and no ambient capabilities (CVE-2022-29162)",
    known("runc <1.2", "the default config of 1.1 still has ambient ones", () => {
      const cwd = scratchDirectory("spec");
      invoke(["spec"], { cwd }).ok();
      const { capabilities } = readConfig(cwd).process;
      expect(capabilities?.inheritable ?? []).to.deep.equal([]);
      expect(capabilities?.ambient ?? []).to.deep.equal([]);
    }),
  );

  it("--bundle names the directory", () => {
    const bundle = scratchDirectory("spec");
    invoke(["spec", "--bundle", bundle]).ok();
    expect(existsSync(`${bundle}/config.json`)).to.equal(true);
  });

  it("does not overwrite an existing config.json", () => {
    const bundle = scratchDirectory("spec");
    writeFileSync(`${bundle}/config.json`, "mine");
    invoke(["spec", "-b", bundle]).fails(/config\.json exists/, 1);
    expect(readFileSync(`${bundle}/config.json`, "utf8")).to.equal("mine");
  });

  it("its config runs once the terminal is taken out", () => {
    const c = container();
    c.removeConfig();
    invoke(["spec", "--bundle", c.bundle.path]).ok();
    const config = readConfig(c.bundle.path);
    config.process.terminal = false;
    config.process.args = ["/probe"];
    config.root.path = sharedRootfs();
    // This host's limits may be lower than the template's, and raising them takes CAP_SYS_RESOURCE.
    if (missing({ capability: 24 }).length > 0) delete config.process.rlimits;
    writeConfig(c.bundle.path, config);
    const report = parseReport(c.run().ok().stdout);
    expect(report.pid).to.equal(1);
    expect(report.noNewPrivs).to.equal(1);
    expect(report.hostname).to.equal(config.hostname);
    expect(report.caps.effective).to.have.members(config.process.capabilities?.effective ?? []);
  });

  it("--rootless maps the caller into a user namespace and drops what needs privileges", () => {
    const bundle = scratchDirectory("spec");
    invoke(["spec", "--rootless", "--bundle", bundle]).ok();
    const { linux, mounts } = readConfig(bundle);
    const types = linux.namespaces.map(({ type }) => type);
    expect(types).to.include("user").and.not.include("network");
    expect(linux["uidMappings"]).to.deep.equal([
      { containerID: 0, hostID: process.getuid?.(), size: 1 },
    ]);
    expect(linux["gidMappings"]).to.deep.equal([
      { containerID: 0, hostID: process.getgid?.(), size: 1 },
    ]);
    expect(linux.resources ?? {}).to.not.have.property("devices");
    expect(
      mounts.flatMap(({ options }) => options ?? []).some((option) => option.startsWith("gid=")),
    ).to.equal(false);
    expect(mounts.find(({ destination }) => destination === "/sys")?.type).to.not.equal("sysfs");
  });
});

describe("features", () => {
  before(requires({ command: "features" }));

  interface Features {
    ociVersionMin: string;
    ociVersionMax: string;
    hooks: string[];
    mountOptions: string[];
    linux: {
      namespaces: string[];
      capabilities: string[];
      cgroup: Record<string, boolean>;
      seccomp: { enabled: boolean; actions?: string[]; operators?: string[]; archs?: string[] };
    };
    annotations: Record<string, string>;
  }

  it("prints what the runtime can do (features.md)", () => {
    const features = JSON.parse(invoke(["features"]).ok().stdout) as Features;
    expect(features.ociVersionMin).to.match(/^1\.0\.\d/);
    expect(features.ociVersionMax).to.match(/^1\.\d+\.\d/);
    expect(features.hooks).to.have.members([
      "prestart",
      "createRuntime",
      "createContainer",
      "startContainer",
      "poststart",
      "poststop",
    ]);
    expect(features.mountOptions).to.include.members([
      "bind",
      "rbind",
      "ro",
      "rro",
      "nosuid",
      "rprivate",
      "tmpcopyup",
    ]);
    expect(features.linux.namespaces).to.include.members([
      "cgroup",
      "ipc",
      "mount",
      "network",
      "pid",
      "user",
      "uts",
    ]);
    expect(features.linux.capabilities).to.include.members(["CAP_CHOWN", "CAP_SYS_ADMIN"]);
    expect(features.linux.cgroup).to.include({ v1: true, v2: true });
    expect(features.linux.seccomp.enabled).to.equal(true);
    expect(features.linux.seccomp.actions).to.include.members([
      "SCMP_ACT_ERRNO",
      "SCMP_ACT_NOTIFY",
      "SCMP_ACT_LOG",
    ]);
    expect(features.linux.seccomp.operators).to.include("SCMP_CMP_MASKED_EQ");
    expect(features.linux.seccomp.archs).to.include.members([
      "SCMP_ARCH_X86_64",
      "SCMP_ARCH_AARCH64",
    ]);
  });
});

describe("--version and help", () => {
  it("--version has the shape that go-runc parses", () => {
    for (const flag of ["--version", "-v"]) {
      const lines = invoke([flag], { root: null, globals: [] }).ok().stdout.trim().split("\n");
      expect(lines[0]).to.match(/^\S+ version \d+\.\d+\.\d+/);
      expect(lines.some((line) => /^commit: \S+/.test(line))).to.equal(true);
      expect(lines.some((line) => /^spec: 1\.\d+\.\d+/.test(line))).to.equal(true);
      expect(lines.some((line) => /^libseccomp: \d/.test(line))).to.equal(true);
    }
  });

  it("--help names every command", () => {
    const help = invoke(["--help"], { root: null, globals: [] }).ok().stdout;
    for (const verb of [
      "checkpoint",
      "create",
      "delete",
      "events",
      "exec",
      "features",
      "kill",
      "list",
      "pause",
      "ps",
      "restore",
      "resume",
      "run",
      "spec",
      "start",
      "state",
      "update",
    ]) {
      expect(help).to.match(new RegExp(`^\\s+${verb}\\b`, "m"));
    }
  });

  for (const verb of ["create", "exec", "kill", "run", "update"]) {
    it(`${verb} --help names its flags and needs no container`, () => {
      const help = invoke([verb, "--help"]).ok().stdout;
      expect(help).to.match(
        {
          create: /--pid-file/,
          exec: /--process/,
          kill: /signal/i,
          run: /--detach/,
          update: /--pids-limit/,
        }[verb] ?? /^$/,
      );
    });
  }
});
