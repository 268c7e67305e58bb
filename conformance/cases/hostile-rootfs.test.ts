/**
 * Images that attack the runtime: links where it mounts, makes or masks something. Whatever it answers, nothing outside of
 * the root filesystem may change.
 */
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { container, textFile } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { requires } from "../harness/requires.ts";
import type { Result } from "../harness/runtime.ts";
import { scratchDirectory } from "../harness/scratch.ts";

/** A directory of the host that looks like what an image would like to reach. */
function canary(): string {
  const path = scratchDirectory("canary");
  for (const name of ["pts", "shm", "sub", "fs"]) mkdirSync(join(path, name));
  for (const name of ["null", "console", "file", "ptmx"]) writeFileSync(join(path, name), "canary");
  return path;
}

/** Everything about a tree that an attack could change; links are not followed. */
function snapshot(path: string): string[] {
  const { mode, uid, gid, ino, size, mtimeMs, ctimeMs } = lstatSync(path);
  const own = [path, mode, uid, gid, ino, size, mtimeMs, ctimeMs].join(" ");
  if (!lstatSync(path).isDirectory()) return [own];
  const names = readdirSync(path).sort();
  return [own, ...names.flatMap((name) => snapshot(join(path, name)))];
}

/** Replaces a path of the root filesystem by a link. */
function replace(root: string, path: string, target: string): void {
  rmSync(join(root, path), { recursive: true, force: true });
  symlinkSync(target, join(root, path));
}

/** Runs a container whose root `attack` has prepared, and demands that the canary is as before. */
function attacked(attack: (root: string, host: string, config: Config) => void): Result {
  const host = canary();
  const c = container((config) => attack(ownRootfs(config), host, config));
  const before = snapshot(host);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const { mode, size } = statSync("/dev/null");
  const result = c.run();
  expect(snapshot(host)).to.deep.equal(before);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).to.equal(mounts);
  expect([statSync("/dev/null").mode, statSync("/dev/null").size]).to.deep.equal([mode, size]);
  expect(traces(c.id)).to.deep.equal([]);
  return result;
}

describe("links in the place of mount points", () => {
  const targets = [
    "proc",
    "sys",
    "dev",
    "tmp",
    "dev/pts",
    "dev/shm",
    "dev/mqueue",
    "sys/fs",
    "sys/fs/cgroup",
  ];
  for (const target of targets) {
    const body = () => {
      attacked((root, host, config) => {
        // Without their own mount above, the image's directories are what the runtime walks.
        const parent = target.split("/")[0];
        if (target.includes("/"))
          config.mounts = config.mounts.filter(({ destination }) => destination !== `/${parent}`);
        mkdirSync(join(root, target), { recursive: true });
        replace(root, target, host);
      });
    };
    it(
      `/${target} to a directory of the host`,
      target === "dev" ? known("runc <1.3.6", "CVE-2026-41579", body) : body,
    );
  }

  it("/proc and /sys as links inside the root are refused: other mounts would trust them", () => {
    for (const target of ["proc", "sys"]) {
      const result = attacked((root) => {
        mkdirSync(join(root, "elsewhere"));
        replace(root, target, "/elsewhere");
      });
      result.fails();
    }
  });

  it("/proc below a link", () => {
    attacked((root, host, config) => {
      symlinkSync(host, join(root, "link"));
      const proc = config.mounts.find(({ type }) => type === "proc");
      if (proc) proc.destination = "/link/sub";
    });
  });

  for (const [title, target] of [
    ["absolute", "HOST"],
    ["with many ..", "../../../../../../../../../../HOST"],
    ["by /proc/1/root", "/proc/1/root/HOST"],
    ["by /proc/self/cwd", "/proc/self/cwd/../../../HOST"],
    ["by /proc/self/fd", "/proc/self/fd/7/HOST"],
  ] as const) {
    it(`a bind mount's target is a link out, ${title}`, () => {
      attacked((root, host, config) => {
        symlinkSync(
          target.replace("HOST", host.slice(target.startsWith("HOST") ? 0 : 1)),
          join(root, "out"),
        );
        const source = scratchDirectory("payload");
        writeFileSync(join(source, "payload"), "");
        config.mounts.push({ destination: "/out", source, options: ["bind"] });
        config.mounts.push({ destination: "/out/new/deep", type: "tmpfs", source: "t" });
      });
    });
  }

  it("a bind-mounted volume with links out for the next mount (CVE-2021-30465)", () => {
    attacked((_root, host, config) => {
      const volume = scratchDirectory("volume");
      symlinkSync(host, join(volume, "link"));
      config.mounts.push({ destination: "/mnt", source: volume, options: ["bind"] });
      config.mounts.push({ destination: "/mnt/link", type: "tmpfs", source: "t" });
      config.mounts.push({ destination: "/mnt/link/made", type: "tmpfs", source: "t" });
    });
  });

  it("a file target that is a link to a file of the host", () => {
    attacked((root, host, config) => {
      replace(root, "etc/hostname", join(host, "file"));
      config.mounts.push({ destination: "/etc/hostname", source: "/etc/hosts", options: ["bind"] });
    });
  });
});

describe("links below /dev", () => {
  /** The image's own /dev: no tmpfs is mounted there. */
  function imageDev(config: Config): void {
    config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
  }

  it(
    "/dev itself leads out: no node or link is made there",
    known("runc <1.3.6", "CVE-2026-41579", () => {
      attacked((root, host, config) => {
        imageDev(config);
        replace(root, "dev", host);
        config.linux["devices"] = [{ path: "/dev/evil", type: "c", major: 1, minor: 1 }];
      });
    }),
  );

  for (const name of ["null", "console", "ptmx", "fd", "stdin", "tty"]) {
    it(`/dev/${name} leads to a file of the host`, () => {
      attacked((root, host, config) => {
        imageDev(config);
        symlinkSync(join(host, "file"), join(root, "dev", name));
        config.linux.maskedPaths = ["/etc/passwd", ...(config.linux.maskedPaths ?? [])];
      });
    });
  }

  it("a device's path goes through a link", () => {
    attacked((root, host, config) => {
      symlinkSync(host, join(root, "var", "link"));
      const device = { type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 5, gid: 5 };
      config.linux["devices"] = [
        { ...device, path: "/var/link/made" },
        { ...device, path: "/var/link/file" },
      ];
    });
  });

  it("a device is there already as a link to a file: the file keeps its mode and owner", () => {
    attacked((root, host, config) => {
      imageDev(config);
      symlinkSync(join(host, "file"), join(root, "dev", "zero"));
      const device = { path: "/dev/zero", type: "c", major: 1, minor: 5, fileMode: 0o777, uid: 9 };
      config.linux["devices"] = [device];
    });
  });
});

describe("masking with an image's /dev/null (CVE-2025-31133)", () => {
  for (const [title, plant] of [
    ["a link to a file", (path: string, host: string) => symlinkSync(join(host, "file"), path)],
    ["a plain file", (path: string) => writeFileSync(path, "not null")],
    ["a link to procfs", (path: string) => symlinkSync("/proc/sys/kernel/core_pattern", path)],
  ] as const) {
    it(`that is ${title}: the masked file never shows something else`, () => {
      const result = attacked((root, host, config) => {
        const withoutDev = config.mounts.filter(
          ({ destination }) => !destination.startsWith("/dev"),
        );
        config.mounts = withoutDev;
        plant(join(root, "dev", "null"), host);
        writeFileSync(join(root, "etc", "secret"), "secret");
        config.linux.maskedPaths = ["/etc/secret"];
        config.process.args = ["/bin/cat", "/etc/secret"];
      });
      if (result.status === 0) expect(result.stdout).to.equal("");
    });
  }

  // The runtime makes no devices in a /dev that is bound: it stays as it is, and no refusal hides what masks.
  for (const [title, plant] of [
    ["a link to a file", (path: string) => symlinkSync("/etc/hostname", path)],
    ["a plain file", (path: string) => writeFileSync(path, "not null")],
  ] as const) {
    const body = () => {
      const result = attacked((root, _host, config) => {
        const dev = scratchDirectory("dev");
        plant(join(dev, "null"));
        config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
        config.mounts.push({ destination: "/dev", source: dev, options: ["bind"] });
        writeFileSync(join(root, "etc", "secret"), "secret");
        config.linux.maskedPaths = ["/etc/secret"];
        config.process.args = ["/bin/cat", "/etc/secret"];
      });
      expect(result.ok().stdout).to.equal("");
    };
    it(`that is ${title} in a /dev which is bound`, known("runc <1.2.8", "CVE-2025-31133", body));
  }

  it("the host's own is looked at, too: another file there is no mask", () => {
    const c = container((config) => {
      writeFileSync(join(ownRootfs(config), "etc", "secret"), "secret");
      config.linux.maskedPaths = ["/etc/secret"];
      config.process.args = ["/bin/cat", "/etc/secret"];
    });
    const cover = `mount --bind ${textFile("null", "not null")} /dev/null`;
    const wrapper = ["unshare", "--mount", "sh", "-c", `${cover} && exec "$@"`, "sh"];
    const result = c.run([], { wrapper });
    if (result.status === 0) expect(result.stdout).to.equal("");
    else result.fails(/null/);
  });

  it("a masked path that is a link out masks nothing of the host", () => {
    attacked((root, host, config) => {
      symlinkSync(join(host, "file"), join(root, "etc", "link"));
      symlinkSync(host, join(root, "var", "link"));
      config.linux.maskedPaths = ["/etc/link", "/var/link"];
      config.linux.readonlyPaths = ["/etc/link", "/var/link"];
    });
  });
});

describe("other traps in an image", () => {
  it("the working directory leads out: nothing is made there", () => {
    const result = attacked((root, host, config) => {
      symlinkSync(host, join(root, "out"));
      config.process.cwd = "/out/made/here";
      config.process.args = ["/probe", "report", "identity"];
    });
    if (result.status === 0) expect(result.stdout).to.not.include("(unreachable)");
  });

  it("the root filesystem's own path is a link", () => {
    const c = container((config) => {
      const root = ownRootfs(config);
      const link = join(scratchDirectory("link"), "rootfs");
      symlinkSync(root, link);
      config.root = { path: link };
    });
    const result = c.run();
    if (result.status !== 0) result.fails(/rootfs|link/);
  });

  it("/etc/passwd leads to the host's: HOME comes from inside", () => {
    const result = attacked((root, host, config) => {
      writeFileSync(join(host, "passwd"), "x:x:1000:1000::/stolen:/bin/sh\n");
      replace(root, "etc/passwd", join(host, "passwd"));
      config.process.user = { uid: 1000, gid: 1000 };
    });
    if (result.status === 0) expect(result.stdout).to.not.include("/stolen");
  });

  for (const kind of ["an endless device", "a fifo that nobody writes"]) {
    it(`/etc/passwd is ${kind}`, function () {
      if (kind === "an endless device") requires({ root: true }).call(this);
      const c = container((config) => {
        const path = join(ownRootfs(config), "etc/passwd");
        rmSync(path);
        if (kind === "a fifo that nobody writes") execFileSync("mkfifo", [path]);
        else execFileSync("mknod", [path, "c", "1", "5"]);
      });
      const body = () => {
        expect(c.run([], { timeoutMs: 5000 }).timedOut).to.equal(false);
      };
      if (kind === "an endless device") return body();
      return known("runc", "create waits for ever", body).call(this);
    });
  }

  it("the program is a link out", () => {
    const result = attacked((root, host, config) => {
      writeFileSync(join(host, "file"), "#!/bin/sh\necho escaped\n", { mode: 0o755 });
      symlinkSync(join(host, "file"), join(root, "bin", "evil"));
      config.process.args = ["/bin/evil"];
    });
    expect(result.fails().stdout).to.not.include("escaped");
  });
});
