/** Mount options: the whole table of the spec (config.md, Linux mount options), as flags of the mount and as kernel behaviour. */
import { mkdirSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, shareDirectory } from "../harness/bundle.ts";
import { container, runActions, runReport } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { tmpfsOnHost, unmountAll } from "../harness/host-mounts.ts";
import { traces } from "../harness/leaks.ts";
import { requires } from "../harness/requires.ts";
import { scratchDirectory } from "../harness/scratch.ts";

type Kind = "tmpfs" | "bind" | "rbind";

/** Options of the mount at /mnt: the mount's own and, after them, those of the file system. */
function optionsOf(kind: Kind, options: readonly string[], target = "/mnt"): Set<string> {
  const report = runReport((config) => addMount(config, kind, options));
  const entry = report.mounts.findLast((mount) => mount.target === target);
  if (entry === undefined) throw new Error(`nothing is mounted on ${target}`);
  return new Set([...entry.options.split(","), ...entry.superOptions.split(",")]);
}

function addMount(config: Config, kind: Kind, options: readonly string[]): void {
  if (kind === "tmpfs")
    config.mounts.push({
      destination: "/mnt",
      type: "tmpfs",
      source: "tmpfs",
      options: [...options],
    });
  else {
    const source = scratchDirectory("bound");
    mkdirSync(`${source}/sub`);
    tmpfsOnHost(`${source}/sub`);
    config.mounts.push({ destination: "/mnt", source, options: [kind, ...options] });
  }
}

/** An option, what it must show, and what must not be there. */
type Row = readonly [option: string, shows: string, hides?: string];

const flags: readonly Row[] = [
  ["ro", "ro"],
  ["rw", "rw", "ro"],
  ["nosuid", "nosuid"],
  ["nodev", "nodev"],
  ["noexec", "noexec"],
  ["noatime", "noatime", "relatime"],
  ["nodiratime", "nodiratime"],
  ["relatime", "relatime", "noatime"],
  ["strictatime", "rw", "relatime"],
];

const superFlags: readonly Row[] = [
  ["sync", "sync"],
  ["dirsync", "dirsync"],
  ["async", "rw", "sync"],
];

/** Each takes the one before it back. */
const opposites: readonly (readonly [string, string])[] = [
  ["ro", "rw"],
  ["nosuid", "suid"],
  ["nodev", "dev"],
  ["noexec", "exec"],
  ["noatime", "atime"],
  ["nodiratime", "diratime"],
  ["sync", "async"],
];

describe("options of a tmpfs", () => {
  for (const [option, shows, hides] of [...flags, ...superFlags]) {
    it(option, () => {
      const options = optionsOf("tmpfs", [option]);
      expect([...options]).to.include(shows);
      if (hides) expect([...options]).to.not.include(hides);
    });
  }

  for (const [set, clear] of opposites) {
    it(`${clear} takes ${set} back`, () => {
      expect([...optionsOf("tmpfs", [set, clear])]).to.not.include(set);
    });
  }

  for (const option of ["silent", "loud", "norelatime", "nostrictatime", "mand", "nomand"]) {
    it(`${option} is accepted`, () => {
      optionsOf("tmpfs", [option]);
    });
  }

  for (const option of ["iversion", "noiversion"]) {
    it(
      `${option} is accepted`,
      known("crun", "sent to the file system as data", () => void optionsOf("tmpfs", [option])),
    );
  }

  for (const option of ["lazytime", "nolazytime"]) {
    it(option, () => {
      const options = optionsOf("tmpfs", [option]);
      expect(options.has("lazytime")).to.equal(option === "lazytime");
    });
  }

  it(
    "defaults is accepted",
    known("runc", "EINVAL although the table has it", () => void optionsOf("tmpfs", ["defaults"])),
  );

  it("what the table does not have goes to the file system, which may refuse it", () => {
    expect([...optionsOf("tmpfs", ["nr_inodes=1000"])]).to.include("nr_inodes=1000");
    const c = container((config) => addMount(config, "tmpfs", ["no-such-option"]));
    c.run().fails(/\/mnt/);
    expect(traces(c.id)).to.deep.equal([]);
  });
});

describe("options of a bind mount", () => {
  afterEach(unmountAll);

  for (const [option, shows, hides] of flags) {
    it(option, () => {
      const options = optionsOf("bind", [option]);
      expect([...options]).to.include(shows);
      if (hides) expect([...options]).to.not.include(hides);
    });
  }

  it("ro does not reach the host's own mount", () => {
    const c = container((config) => {
      config.process.args = ["/probe", "write", "/data/x", "+", "write", "/mnt/x"];
      const source = shareDirectory(config);
      config.mounts.push({ destination: "/mnt", source, options: ["bind", "ro"] });
    });
    c.run().ok();
    expect(c.outcomes().map(({ errno }) => errno)).to.deep.equal([null, "EROFS"]);
  });

  it("ro of an rbind is not recursive", () => {
    expect([...optionsOf("rbind", ["ro"], "/mnt/sub")]).to.not.include("ro");
  });

  it("the flags the source has stay when the config says nothing", () => {
    const source = scratchDirectory("noexec");
    tmpfsOnHost(source, "nosuid,nodev,noexec");
    const report = runReport((config) => {
      config.mounts.push({ destination: "/mnt", source, options: ["bind"] });
    });
    const entry = report.mounts.find(({ target }) => target === "/mnt");
    expect(entry?.options.split(",")).to.include.members(["nosuid", "nodev", "noexec"]);
  });

  it("file system data is refused or left alone, never applied to the host's file system", () => {
    const c = container((config) => addMount(config, "bind", ["size=1m"]));
    const result = c.run();
    if (result.status !== 0) result.fails(/size=1m|\/mnt/);
  });
});

describe("recursive options", () => {
  before(requires({ kernel: "5.12" }));
  afterEach(unmountAll);

  const rows: readonly Row[] = [
    ["rro", "ro"],
    ["rnosuid", "nosuid"],
    ["rnodev", "nodev"],
    ["rnoexec", "noexec"],
    ["rnoatime", "noatime"],
    ["rnodiratime", "nodiratime"],
    ["rrelatime", "relatime"],
    ["rstrictatime", "rw", "relatime"],
    ["rnosymfollow", "nosymfollow"],
  ];
  const notInCrun = ["rnoatime", "rnodiratime", "rstrictatime", "rnosymfollow"];

  for (const [option, shows, hides] of rows) {
    const body = () => {
      for (const target of ["/mnt", "/mnt/sub"]) {
        const options = [...optionsOf("rbind", [option], target)];
        expect(options, target).to.include(shows);
        if (hides) expect(options, target).to.not.include(hides);
      }
    };
    const reason = "not in its table; config.md has it";
    it(
      `${option} reaches submounts`,
      notInCrun.includes(option) ? known("crun", reason, body) : body,
    );
  }

  for (const [set, clear] of [
    ["ro", "rrw"],
    ["nosuid", "rsuid"],
    ["nodev", "rdev"],
    ["noexec", "rexec"],
  ] as const) {
    it(`${clear} takes ${set} back everywhere`, () => {
      for (const target of ["/mnt", "/mnt/sub"])
        expect([...optionsOf("rbind", [set, clear], target)], target).to.not.include(set);
    });
  }

  const clearing = ["ratime", "rdiratime", "rnorelatime", "rnostrictatime", "rsymfollow"];
  // mount_setattr(2): the access time settings are one field, which is cleared as a whole or not at all.
  const partly = ["ratime", "rnostrictatime"];
  for (const option of clearing) {
    const body = known("crun", "EINVAL or unknown; config.md has it", () => {
      optionsOf("rbind", [option]);
    });
    const reason = "EINVAL: clears a part of the access time field; config.md has it";
    it(`${option} is accepted`, partly.includes(option) ? known("runc", reason, body) : body);
  }
});

describe("what the options do", () => {
  it("ro: EROFS", () => {
    const [write] = runActions(["write", "/mnt/x"], (config) => addMount(config, "tmpfs", ["ro"]));
    expect(write?.errno).to.equal("EROFS");
  });

  it("noexec: the program cannot run", () => {
    const c = container((config) => {
      const source = shareDirectory(config);
      writeFileSync(`${source}/script`, "#!/bin/sh\necho ran\n", { mode: 0o755 });
      config.mounts.push({ destination: "/mnt", source, options: ["bind", "noexec"] });
      config.process.args = ["/bin/sh", "-c", "/mnt/script; /data/script"];
    });
    expect(c.run().stdout).to.equal("ran\n");
  });

  it("nodev: a device node does not open", () => {
    const actions = ["mknod", "/tmp/null", "c", "1", "3", "+", "mknod", "/mnt/null", "c", "1", "3"];
    const [nodev, dev] = runActions(actions, (config) => addMount(config, "tmpfs", []));
    expect([nodev?.errno, dev?.errno]).to.deep.equal(["EACCES", null]);
  });

  it(
    "nosymfollow: a link does not resolve",
    known("crun", "EINVAL; config.md has it", function () {
      requires({ kernel: "5.10" }).call(this);
      const c = container((config) => {
        addMount(config, "tmpfs", ["nosymfollow"]);
        config.process.args = ["/bin/sh", "-c", "ln -s /etc/passwd /mnt/l; cat /mnt/l || echo no"];
      });
      expect(c.run().ok().stdout).to.equal("no\n");
    }),
  );

  it("the last of contradicting options wins", () => {
    expect([...optionsOf("tmpfs", ["rw", "ro"])]).to.include("ro");
    expect([...optionsOf("tmpfs", ["ro", "rw"])]).to.not.include("ro");
  });

  it("propagation options do not need a bind", () => {
    expect([...optionsOf("tmpfs", ["rprivate"])]).to.include("rw");
  });
});
