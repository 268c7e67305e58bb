/** root.path and root.readonly, and that the old root is gone. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { expect } from "chai";
import { ownRootfs } from "../harness/bundle.ts";
import { container, runActions, runReport, runShell } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { scratch, scratchDirectory } from "../harness/scratch.ts";

describe("root.readonly", () => {
  it("true: nothing can be written, mounts above still can", () => {
    const [root, tmp] = runActions(["write", "/etc/new", "+", "write", "/tmp/new"], (config) => {
      ownRootfs(config);
      config.root.readonly = true;
    });
    expect([root?.errno, tmp?.errno]).to.deep.equal(["EROFS", null]);
  });

  for (const value of [false, undefined]) {
    it(`${value}: the root can be written`, () => {
      const [outcome] = runActions(["write", "/etc/new"], (config) => {
        ownRootfs(config);
        if (value === false) config.root.readonly = false;
      });
      expect(outcome?.errno).to.equal(null);
    });
  }

  it("true: a read-only root on the host stays writable there", () => {
    let path = "";
    runReport((config) => {
      path = ownRootfs(config);
      config.root.readonly = true;
    });
    writeFileSync(join(path, "etc", "after"), "");
  });
});

describe("root.path", () => {
  it("relative to the bundle", () => {
    const c = container((config) => {
      config.root = { path: "rootfs", readonly: true };
    });
    const made = container((config) => ownRootfs(config, c.bundle.path));
    expect(existsSync(join(made.bundle.config.root.path, "probe"))).to.equal(true);
    c.run().ok();
  });

  it("with blanks, quotes and other letters in it", () => {
    const odd = join(scratchDirectory("odd"), "a b'\"\\grün,ro:x=1");
    mkdirSync(odd);
    const report = runReport((config) => ownRootfs(config, odd));
    expect(report.mounts.length).to.be.greaterThan(5);
  });

  it("a trailing slash and dots", () => {
    runReport((config) => {
      const path = ownRootfs(config);
      config.root.path = `${path}/../${basename(path)}/.//`;
    });
  });

  for (const path of ["", "missing", "/etc/passwd"]) {
    it(`${JSON.stringify(path)} is refused`, () => {
      const c = container((config) => {
        config.root.path = path;
      });
      c.run().fails();
      expect(traces(c.id)).to.deep.equal([]);
    });
  }

  it("the host's / is refused or made the container's without harm", () => {
    const c = container((config) => {
      config.root = { path: "/", readonly: true };
      config.process.args = ["/nonexistent"];
    });
    c.run().fails();
    expect(existsSync("/etc/passwd")).to.equal(true);
  });
});

describe("the old root", () => {
  it("is not reachable: no mount of the host is left", () => {
    const { mounts } = runReport();
    const roots = mounts.filter(({ target }) => target === "/");
    expect(roots).to.have.length(1);
    expect(mounts.some(({ target }) => target.includes(scratch()))).to.equal(false);
  });

  it("is not the parent of /", () => {
    expect(runShell("cd /; cd ../../..; ls -d probe")).to.equal("probe\n");
  });

  it("cannot be reached by chroot", () => {
    // chroot twice: the classic way out of a root that was only chrooted into.
    const script =
      "mkdir /tmp/x; cp /bin/busybox /tmp/x/; cd /; chroot /tmp/x /busybox ls -d /busybox";
    expect(runShell(script)).to.equal("/busybox\n");
  });

  it("--no-pivot works too, and shows the container's root only", () => {
    const c = container((config) => {
      config.process.args = ["/bin/ls", "-d", "/probe"];
    });
    expect(c.run(["--no-pivot"]).ok().stdout).to.equal("/probe\n");
  });
});

describe("a root that changes", () => {
  it(
    "moved away between create and start: the program still runs",
    known("crun", "opens it again at start", () => {
      let path = "";
      const c = container((config) => {
        path = ownRootfs(config);
        config.process.args = ["/probe", "say", "ran"];
      });
      c.create().ok();
      renameSync(path, `${path}.moved`);
      symlinkSync("/", path);
      c.start().ok();
      expect(readdirSync("/")).to.include("etc");
    }),
  );
});
