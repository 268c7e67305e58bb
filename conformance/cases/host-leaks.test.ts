/** What a container could take from the runtime: its program file, descriptors, directories; and texts with NUL. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { runtimePath } from "../harness/environment.ts";
import { traces } from "../harness/leaks.ts";
import type { Outcome } from "../harness/probe.ts";
import { jsonLines } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";
import { sharedRootfs } from "../harness/scratch.ts";
import { until } from "../harness/wait.ts";

function hash(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

describe("the runtime's program file (CVE-2019-5736)", () => {
  it("cannot be overwritten through /proc/1/exe of a created container", async () => {
    const before = hash(runtimePath);
    const c = sleeper((config) => {
      for (const set of ["bounding", "effective", "permitted"] as const)
        config.process.capabilities?.[set]?.push("CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH");
    });
    c.create().ok();
    const attack = c.launchExec(["/probe", "overwrite-exe", "1"]);
    // Either the file is out of reach at once, or it is held until nobody runs it any more.
    await until("the attack to begin", () => /holding|"action"/.test(attack.stdout()));
    c.start().ok();
    const outcome = await until("the attack's outcome", () => {
      return jsonLines<Outcome>(attack.stdout()).find(({ action }) => action === "overwrite-exe");
    });
    expect(outcome.errno).to.be.oneOf(["EACCES", "EPERM", "EROFS", "ETXTBSY"]);
    await attack.done;
    expect(hash(runtimePath)).to.equal(before);
  });

  it("cannot be overwritten when /proc/self/exe is the program", () => {
    const before = hash(runtimePath);
    const c = container((config) => {
      config.process.args = ["/proc/self/exe", "--version"];
    });
    c.run([], { timeoutMs: 20_000 });
    expect(hash(runtimePath)).to.equal(before);
  });

  it(
    "is out of reach for a program without CAP_SYS_PTRACE",
    known("runc", "its init waits dumpable, with descriptors to see", () => {
      const c = sleeper();
      c.create().ok();
      const paths = ["/proc/1/exe", "/proc/1/root", "/proc/1/cwd", "/proc/1/fd/0"];
      const actions = paths.flatMap((path) => ["open", path, "+"]);
      const { stdout } = c.exec(["/probe", ...actions]).ok();
      const outcomes = jsonLines<Outcome>(stdout);
      for (const { errno } of outcomes) expect(errno).to.be.oneOf(["EACCES", "EPERM"]);
    }),
  );
});

/** True for a directory on no mount of the container's own; a private procfs, mounted nowhere, is none of the host's. */
function leadsOut(pid: number, fd: string): boolean {
  const path = `/proc/${pid}/fd/${fd}`;
  if (!statSync(path).isDirectory() || statfsSync(path).type === procMagic) return false;
  const mount = /^mnt_id:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1];
  const own = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n");
  return !own.some((line) => line.startsWith(`${mount} `));
}

const procMagic = 0x9fa0;

describe("a created container's init", () => {
  function inspect(look: (pid: number) => void): void {
    const c = sleeper();
    c.create().ok();
    look(c.state().pid);
  }

  it("holds no directory of the host", () => {
    inspect((pid) => {
      for (const fd of readdirSync(`/proc/${pid}/fd`))
        expect(leadsOut(pid, fd), `${fd} is ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`).to.equal(
          false,
        );
    });
  });

  it("has the container's root and a working directory inside it", () => {
    inspect((pid) => {
      expect(readlinkSync(`/proc/${pid}/root`)).to.equal("/");
      expect(readlinkSync(`/proc/${pid}/cwd`)).to.equal("/");
    });
  });

  it("is in its namespaces and cgroups already", () => {
    inspect((pid) => {
      for (const name of ["pid", "net", "ipc", "uts", "mnt"])
        expect(readlinkSync(`/proc/${pid}/ns/${name}`)).to.not.equal(
          readlinkSync(`/proc/self/ns/${name}`),
        );
    });
  });

  it("does not show the host's environment", () => {
    const c = sleeper();
    c.create([], { env: { CONFORMANCE_SECRET: "do not show" } }).ok();
    const text = readFileSync(`/proc/${c.state().pid}/environ`, "utf8");
    expect(text).to.not.include("do not show");
  });
});

describe("exec into a running container (CVE-2016-9962)", () => {
  it("shows none of its own processes with descriptors to the host", async function () {
    requires({ root: true }).call(this);
    const c = sleeper((config) => {
      for (const set of ["bounding", "effective", "permitted"] as const)
        config.process.capabilities?.[set]?.push("CAP_SYS_PTRACE");
      // Looks at whatever enters, as fast as it can.
      const loop =
        "while :; do for p in /proc/[0-9]*; do readlink $p/fd/* $p/cwd $p/root; done; done";
      config.process.args = ["/bin/sh", "-c", `${loop} 2>/dev/null`];
    });
    c.up();
    for (let i = 0; i < 10; i++) c.exec(["/bin/true"]).ok();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    const seen = new Set(c.output().split("\n").filter(Boolean));
    const host = [...seen].filter((path) => /^\/(home|root|var|usr|work|tmp)\//.test(path));
    expect(host).to.deep.equal([]);
  });
});

describe("the program's path (CVE-2024-21626)", () => {
  it("reaches no file of the host by a descriptor of the runtime", () => {
    const privileged = (config: Config) => {
      // or /proc/PID/root of a host process would be closed anyway
      for (const set of ["bounding", "effective", "permitted"] as const)
        config.process.capabilities?.[set]?.push("CAP_SYS_PTRACE");
    };
    const program = `${sharedRootfs()}/probe`;
    const inner = sleeper(privileged).up();
    for (let fd = 3; fd < 12; fd++) {
      for (const middle of ["", `/${process.pid}/root`]) {
        const args = [`/proc/self/fd/${fd}${middle}${program}`, "say", "escaped"];
        const c = container((config) => {
          privileged(config);
          config.process.args = args;
        });
        expect(c.run().fails().stdout, `run ${args[0]}`).to.equal("");
        expect(inner.exec(args).fails().stdout, `exec ${args[0]}`).to.equal("");
      }
    }
  });
});

describe("long texts (CVE-2021-43784)", () => {
  it("of more than 16 bits arrive whole", () => {
    const long = "x".repeat(70_000);
    const many = Array.from({ length: 3000 }, (_, i) => `V${i}=${"y".repeat(40)}`);
    const c = container((config) => {
      config.process.env.push(`LONG=${long}`, ...many);
      config.process.args = ["/probe", "report", "identity", long];
    });
    const [report] = jsonLines<{ env: string[]; args: string[] }>(c.run().ok().stdout);
    expect(report?.args.at(-1)).to.equal(long);
    expect(report?.env).to.include.members([`LONG=${long}`, ...many]);
  });

  it("in place of a path are refused", () => {
    for (const length of [4096, 65_535, 65_536, 65_540, 131_072]) {
      const path = `/${"d".repeat(length - 1)}`;
      const c = container((config) => {
        ownRootfs(config);
        config.mounts.push({ destination: path, type: "tmpfs", source: "t" });
      });
      c.run().fails();
      expect(traces(c.id)).to.deep.equal([]);
    }
  });
});

describe("texts with NUL and other traps in the config", () => {
  const rows: readonly [string, (config: Config) => void][] = [
    ["process.args", (config) => config.process.args.push("a\0b")],
    ["process.env", (config) => config.process.env.push("A=b\0C=d")],
    ["process.cwd", (config) => (config.process.cwd = "/\0etc")],
    ["root.path", (config) => (config.root.path += "\0x")],
    ["hostname", (config) => (config.hostname = "a\0b")],
    [
      "a mount's destination",
      (config) => config.mounts.push({ destination: "/mnt\0x", type: "tmpfs" }),
    ],
    [
      "a mount's source",
      (config) => config.mounts.push({ destination: "/mnt", source: "/etc\0x", options: ["bind"] }),
    ],
    [
      "a mount's option",
      (config) =>
        config.mounts.push({ destination: "/mnt", type: "tmpfs", options: ["mode=755\0,size=1"] }),
    ],
    ["maskedPaths", (config) => config.linux.maskedPaths?.push("/etc/passwd\0x")],
    ["cgroupsPath", (config) => (config.linux.cgroupsPath = "/conformance\0x")],
    ["sysctl", (config) => (config.linux["sysctl"] = { "kernel.shmmni\0x": "1" })],
    [
      "a namespace's path",
      (config) =>
        (config.linux.namespaces = [
          ...config.linux.namespaces.filter(({ type }) => type !== "ipc"),
          { type: "ipc", path: "/proc/self/ns/ipc\0x" },
        ]),
    ],
  ];
  for (const [field, edit] of rows) {
    const body = () => {
      const c = container(edit);
      c.run().fails();
      expect(traces(c.id)).to.deep.equal([]);
    };
    const cut = field === "hostname" ? known("runc", "the text is cut there", body) : body;
    it(`NUL in ${field} is refused`, cut);
  }

  it("an env entry without = or with an empty name does no harm", () => {
    for (const entry of ["NOEQUALS", "=x", ""]) {
      const c = container((config) => void config.process.env.push(entry));
      const result = c.run();
      if (result.status === 0) expect(result.stdout).to.include('"env":["PATH=');
    }
  });
});
