/** mounts: each type, their order, and what is made for them in the root filesystem. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, type MountConfig, ownRootfs, shareDirectory } from "../harness/bundle.ts";
import { container, runActions, runReport, runShell } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { tmpfsOnHost, unmountAll } from "../harness/host-mounts.ts";
import { traces } from "../harness/leaks.ts";
import type { MountEntry, Report } from "../harness/probe.ts";
import { cgroupMounts } from "../harness/processes.ts";
import { requires } from "../harness/requires.ts";
import { scratchDirectory, scratchPath } from "../harness/scratch.ts";

function mountOf(report: Report, target: string): MountEntry | undefined {
  return report.mounts.findLast((entry) => entry.target === target);
}

/** The mount entry at the added mount's destination. */
function mounted(added: MountConfig, edit?: (config: Config) => void): MountEntry | undefined {
  const report = runReport((config) => {
    config.mounts.push(added);
    edit?.(config);
  });
  return mountOf(report, added.destination);
}

/** A host directory with one file "name" in it. */
function directoryWith(name: string, text = name): string {
  const path = scratchDirectory("source");
  writeFileSync(`${path}/${name}`, text);
  return path;
}

describe("many mounts", () => {
  const limits = { caller: 64, program: 40, mounts: 200 };

  it("do not need the caller's soft limit of open files, nor the program's", () => {
    const c = container((config) => {
      config.process.args = ["/bin/sh", "-c", "ulimit -n; grep -c ' /many/' /proc/mounts"];
      config.process.rlimits = [
        { type: "RLIMIT_NOFILE", soft: limits.program, hard: limits.program },
      ];
      for (let i = 0; i < limits.mounts; i++)
        config.mounts.push({ destination: `/many/${i}`, type: "tmpfs", source: "tmpfs" });
    });
    const wrapper = ["/bin/sh", "-c", `ulimit -Sn ${limits.caller}; exec "$@"`, "sh"];
    const { stdout } = c.run([], { wrapper }).ok();
    expect(stdout).to.equal(`${limits.program}\n${limits.mounts}\n`);
  });
});

describe("bind mounts", () => {
  afterEach(unmountAll);

  it("show a directory, writable by default", () => {
    const source = directoryWith("hello");
    const text = runShell("cat /data/hello; echo new >/data/made", (config) => {
      config.mounts.push({ destination: "/data", type: "bind", source, options: ["bind"] });
    });
    expect(text).to.equal("hello");
    expect(readFileSync(`${source}/made`, "utf8")).to.equal("new\n");
  });

  it("are made by the option, whatever the type says", () => {
    for (const type of [undefined, "none", "bind", "ext4"]) {
      const source = directoryWith("hello");
      const text = runShell("cat /data/hello", (config) => {
        config.mounts.push({
          destination: "/data",
          source,
          options: ["bind"],
          ...(type ? { type } : {}),
        });
      });
      expect(text, String(type)).to.equal("hello");
    }
  });

  it("show a file", () => {
    const source = `${directoryWith("hosts", "127.0.0.1 me\n")}/hosts`;
    const text = runShell("cat /etc/hostname", (config) => {
      config.mounts.push({ destination: "/etc/hostname", source, options: ["bind", "ro"] });
    });
    expect(text).to.equal("127.0.0.1 me\n");
  });

  it("take a relative source from the bundle", () => {
    const c = container((config) => {
      config.mounts.push({ destination: "/data", source: "below", options: ["bind"] });
      config.process.args = ["/bin/cat", "/data/file"];
    });
    mkdirSync(`${c.bundle.path}/below`);
    writeFileSync(`${c.bundle.path}/below/file`, "relative");
    expect(c.run().ok().stdout).to.equal("relative");
  });

  it("rbind shows submounts, bind does not", () => {
    const source = scratchDirectory("tree");
    mkdirSync(`${source}/sub`);
    tmpfsOnHost(`${source}/sub`);
    writeFileSync(`${source}/sub/deep`, "");
    for (const [option, expected] of [
      ["rbind", "deep"],
      ["bind", ""],
    ] as const) {
      const text = runShell("ls /data/sub", (config) => {
        config.mounts.push({ destination: "/data", source, options: [option] });
      });
      expect(text.trim(), option).to.equal(expected);
    }
  });

  it("of a fifo works", () => {
    const source = scratchPath("fifo");
    execFileSync("mkfifo", [source]);
    const text = runShell("test -p /etc/hostname && echo fifo", (config) => {
      config.mounts.push({ destination: "/etc/hostname", source, options: ["bind"] });
    });
    expect(text).to.equal("fifo\n");
  });
});

describe("file systems", () => {
  it("tmpfs takes size and mode", () => {
    const entry = mounted({
      destination: "/mnt",
      type: "tmpfs",
      source: "scratch",
      options: ["size=1m", "mode=0710", "nosuid"],
    });
    expect(entry?.type).to.equal("tmpfs");
    expect(entry?.source).to.equal("scratch");
    expect(entry?.superOptions.split(",")).to.include.members(["size=1024k", "mode=710"]);
  });

  it("a tmpfs limit holds", () => {
    const text = runShell(
      "dd if=/dev/zero of=/mnt/f bs=1k count=200 2>/dev/null || echo full",
      (c) => {
        c.mounts.push({ destination: "/mnt", type: "tmpfs", source: "t", options: ["size=64k"] });
      },
    );
    expect(text.trim()).to.equal("full");
  });

  it("tmpfs without a mode takes that of the directory it covers", () => {
    const text = runShell("stat -c %a /var/tmp", (config) => {
      config.mounts.push({ destination: "/var/tmp", type: "tmpfs", source: "tmpfs" });
    });
    expect(text.trim()).to.equal("1777");
  });

  it("tmpcopyup copies what was there, with modes, owners and links", () => {
    let root = "";
    const script =
      "cd /full; stat -c '%n %a %u:%g' f d d/inner; cat f; readlink l; echo x >f; ls -a";
    const text = runShell(script, (config) => {
      root = ownRootfs(config);
      mkdirSync(`${root}/full/d`, { recursive: true });
      writeFileSync(`${root}/full/f`, "text\n", { mode: 0o640 });
      writeFileSync(`${root}/full/d/inner`, "", { mode: 0o755 });
      symlinkSync("/nowhere", `${root}/full/l`);
      config.mounts.push({
        destination: "/full",
        type: "tmpfs",
        source: "tmpfs",
        options: ["tmpcopyup"],
      });
    });
    const lines = text.trim().split("\n");
    expect(lines.slice(0, 5)).to.deep.equal([
      "f 640 0:0",
      "d 755 0:0",
      "d/inner 755 0:0",
      "text",
      "/nowhere",
    ]);
    expect(readFileSync(`${root}/full/f`, "utf8")).to.equal("text\n");
  });

  for (const [title, exists] of [
    ["exists", true],
    ["is missing", false],
  ] as const) {
    const body = () => {
      const text = runShell("stat -c %a /full", (config) => {
        const root = ownRootfs(config);
        if (exists) mkdirSync(`${root}/full/d`, { recursive: true });
        config.mounts.push({
          destination: "/full",
          type: "tmpfs",
          source: "tmpfs",
          options: ["tmpcopyup", "mode=1700"],
        });
      });
      expect(text).to.equal("1700\n");
    };
    it(
      `tmpcopyup leaves a mode that the config gives alone where the directory ${title}`,
      exists
        ? known("runc", "it takes over the directory's all the same; crun does not", body)
        : body,
    );
  }

  /** Runs with an overlay of `count` directories whose names have more than 200 bytes, and shows that first and last are there. */
  function joinsLayers(count: number): void {
    const text = runShell("cat /joined/first /joined/last", (config) => {
      const base = `${scratchDirectory("long")}/${"x".repeat(200)}`;
      const layers = Array.from({ length: count }, (_, i) => `${base}/layer-${i}`);
      for (const name of layers) mkdirSync(name, { recursive: true });
      writeFileSync(`${layers[0]}/first`, "1");
      writeFileSync(`${layers[count - 1]}/last`, "2");
      const options = [`lowerdir=${layers.join(":")}`];
      config.mounts.push({ destination: "/joined", type: "overlay", source: "overlay", options });
    });
    expect(text).to.equal("12");
  }

  it("overlay takes a list of directories above the 255 bytes of fsconfig(2)", () =>
    joinsLayers(2));

  it(
    "overlay takes a list of directories above the page of mount(2)",
    known("runc", "it uses mount(2)", function () {
      requires({ kernel: "6.7" }).call(this);
      joinsLayers(40);
    }),
  );

  it("proc shows the container's processes and is a proc", () => {
    const entry = mountOf(runReport(), "/proc");
    expect(entry?.type).to.equal("proc");
    expect(entry?.options.split(",")).to.include.members(["nosuid", "nodev", "noexec"]);
  });

  it("sysfs is read-only as asked", () => {
    const entry = mountOf(runReport(), "/sys");
    expect([entry?.type, entry?.options.split(",")[0]]).to.deep.equal(["sysfs", "ro"]);
  });

  it("devpts is an instance of its own", () => {
    const report = runReport();
    const entry = mountOf(report, "/dev/pts");
    expect(entry?.type).to.equal("devpts");
    expect(entry?.superOptions.split(",")).to.include.members([
      "gid=5",
      "mode=620",
      "ptmxmode=666",
    ]);
    const [opened] = runActions(["open", "/dev/ptmx", "rw"]);
    expect(opened?.errno).to.equal(null);
    expect(runShell("ls /dev/pts").trim()).to.equal("ptmx");
  });

  it("mqueue belongs to the ipc namespace", () => {
    expect(mountOf(runReport(), "/dev/mqueue")?.type).to.equal("mqueue");
    expect(runShell("ls /dev/mqueue")).to.equal("");
  });

  it("an unknown type is refused by name", () => {
    const c = container((config) => {
      config.mounts.push({ destination: "/mnt", type: "nosuchfs", source: "x" });
    });
    c.run().fails(/nosuchfs|\/mnt/);
    expect(traces(c.id)).to.deep.equal([]);
  });
});

describe("the cgroup mount", () => {
  before(requires({ cgroup: "v1" }));

  it("on v1 is a directory of hierarchies, each at the container's own cgroup and read-only", () => {
    const report = runReport();
    const top = mountOf(report, "/sys/fs/cgroup");
    expect(top?.type).to.equal("tmpfs");
    const below = report.mounts.filter(({ target }) => target.startsWith("/sys/fs/cgroup/"));
    const controllers = below.map(({ target }) => target.slice("/sys/fs/cgroup/".length));
    expect(controllers).to.include.members(["memory", "pids", "devices"]);
    for (const entry of below) {
      expect(entry.options.split(",")[0], entry.target).to.equal("ro");
      if (entry.type === "cgroup") expect(entry.root, entry.target).to.match(/cfm\d+t-\d+$/);
    }
  });

  it("on v1 has a link for each controller of a joint hierarchy", function () {
    const joint = cgroupMounts().flatMap(({ key }) => (key.includes(",") ? key.split(",") : []));
    if (joint.length === 0) requires({ controllers: ["cpu,cpuacct"] }).call(this);
    const text = runShell("cd /sys/fs/cgroup; for f in *; do test -L $f && echo $f; done");
    expect(text.trim().split("\n")).to.have.members(joint);
  });

  it(
    "on v1 the directory itself is read-only too",
    known("runc", "its tmpfs stays writable although the mount asks for ro", () => {
      const [made] = runActions(["mkdir", "/sys/fs/cgroup/new"]);
      expect(made?.errno).to.equal("EROFS");
    }),
  );

  it("shows the container's own limits and processes", () => {
    const text = runShell(
      "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids/tasks",
      (config) => {
        config.linux.resources = { ...config.linux.resources, pids: { limit: 77 } };
      },
    );
    expect(text.split("\n").slice(0, 2)).to.deep.equal(["77", "1"]);
  });

  it("with a cgroup namespace shows the same", () => {
    const report = runReport((config) => {
      config.linux.namespaces.push({ type: "cgroup" });
      config.process.args = ["/probe"];
    });
    const memory = mountOf(report, "/sys/fs/cgroup/memory");
    expect(memory?.type).to.equal("cgroup");
    expect(memory?.root).to.equal("/");
  });

  it("writable when the config does not say ro", () => {
    const text = runShell(
      "mkdir /sys/fs/cgroup/pids/sub && rmdir /sys/fs/cgroup/pids/sub && echo ok",
      (c) => {
        for (const mount of c.mounts)
          if (mount.type === "cgroup") mount.options = ["nosuid", "noexec", "nodev"];
      },
    );
    expect(text).to.equal("ok\n");
  });
});

describe("order of mounts", () => {
  it("is the order of the list: later ones cover earlier ones", () => {
    const [first, second] = [directoryWith("first"), directoryWith("second")];
    const text = runShell("ls /mnt", (config) => {
      for (const source of [first, second])
        config.mounts.push({ destination: "/mnt", source, options: ["bind"] });
    });
    expect(text).to.equal("second\n");
  });

  it("a mount may lie on an earlier one", () => {
    const source = directoryWith("inner");
    const text = runShell("ls /mnt/a/b", (config) => {
      config.mounts.push({ destination: "/mnt", type: "tmpfs", source: "tmpfs" });
      config.mounts.push({ destination: "/mnt/a/b", source, options: ["bind"] });
    });
    expect(text).to.equal("inner\n");
  });

  it("a parent mounted later hides the child", () => {
    const source = directoryWith("inner");
    const text = runShell("ls /mnt", (config) => {
      config.root = { path: ownRootfs(config) };
      config.mounts.push({ destination: "/mnt/child", source, options: ["bind"] });
      config.mounts.push({ destination: "/mnt", type: "tmpfs", source: "tmpfs" });
    });
    expect(text).to.equal("");
  });
});

describe("the host's view", () => {
  it("has no mount of a running container", () => {
    const source = directoryWith("x");
    const before = readFileSync("/proc/self/mountinfo", "utf8");
    const c = container((config) => {
      config.process.args = ["/probe", "sleep"];
      shareDirectory(config);
      config.mounts.push({ destination: "/mnt", source, options: ["rbind"] });
    }).up();
    expect(readFileSync("/proc/self/mountinfo", "utf8")).to.equal(before);
    c.kill("KILL").ok();
  });
});
