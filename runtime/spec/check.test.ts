/** Each rule that a schema cannot say: one config that breaks it, and what is said then. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { Linux, Process, Spec } from "../../schemas/generated/config.ts";
import { type Code, RuntimeError } from "../base/errors.ts";
import { parseJson } from "../base/u64.ts";
import { checkProcess, checkResources, checkSpec, rootlessProblem } from "./check.ts";
import { specTemplate } from "./template.ts";

const base = specTemplate({ cgroup2: false });

function withLinux(linux: Linux): Spec {
  return { ...base, linux: { ...base.linux, ...linux } };
}

function withProcess(process: Partial<Process>): Spec {
  return { ...base, process: { cwd: "/", args: ["sh"], ...process } };
}

function withSeccomp(seccomp: Partial<NonNullable<Linux["seccomp"]>>): Spec {
  return withLinux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", ...seccomp } });
}

/** The template without namespaces of this type. */
function without(type: string, more: Partial<Spec> = {}, linux: Linux = {}): Spec {
  const namespaces = (base.linux?.namespaces ?? []).filter((namespace) => namespace.type !== type);
  return { ...base, ...more, linux: { ...base.linux, namespaces, ...linux } };
}

function messageOf(action: () => void, code: Code = "InvalidArgument"): string {
  try {
    action();
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    expect(error.code).to.equal(code);
    return error.message;
  }
  return "accepted";
}

function drop<Key extends keyof Spec>(key: Key): Spec {
  const { [key]: _dropped, ...rest } = base;
  return rest as Spec;
}

describe("rules for a config", () => {
  it("accept the template and what engines write", () => {
    checkSpec(base);
    for (const name of ["everything", "dockerd", "go-nulls"]) {
      const text = readFileSync(`schemas/fixtures/${name}.json`, "utf8").replaceAll(
        /: null/g,
        ": []",
      );
      const spec = parseJson(text) as Spec;
      if (name !== "go-nulls") checkSpec(spec);
    }
  });

  it("accept every 1.x version, and no other", () => {
    for (const ociVersion of ["1.0.0", "1.0.2-dev", "1.1.0+dev", "1.3.0-rc.1", "1.99.0"]) {
      checkSpec({ ...base, ociVersion });
    }
    for (const ociVersion of ["", "1", "1.0", "v1.0.0", "1.0.0 ", "latest", "1.0.0-"]) {
      expect(
        messageOf(() => checkSpec({ ...base, ociVersion })),
        ociVersion,
      ).to.include("semantic version");
    }
    for (const ociVersion of ["0.2.0", "2.0.0", "11.0.0"]) {
      expect(messageOf(() => checkSpec({ ...base, ociVersion }), "Unimplemented")).to.equal(
        `ociVersion: ${ociVersion} is not supported, only 1.x`,
      );
    }
  });

  const broken: readonly (readonly [string, Spec])[] = [
    ["root must be specified", drop("root")],
    ["root.path: must not be empty", { ...base, root: { path: "" } }],
    ["process property must not be empty", drop("process")],
    ["process.cwd: must not be empty", withProcess({ cwd: "" })],
    ['process.cwd: "tmp" is not an absolute path', withProcess({ cwd: "tmp" })],
    ["process.args: must not be empty", withProcess({ args: [] })],
    ['process.env: "FOO" is not of the form NAME=value', withProcess({ env: ["A=", "FOO"] })],
    ['process.env: "=x" is not of the form NAME=value', withProcess({ env: ["=x"] })],
    ['process.env: "" is not of the form NAME=value', withProcess({ env: [""] })],
    ["process.user: 4294967295 is not an id", withProcess({ user: { uid: 0xffffffff } })],
    [
      "process.user: 4294967295 is not an id",
      withProcess({ user: { additionalGids: [1, 0xffffffff] } }),
    ],
    [
      "process.rlimits: RLIMIT_FOO is not known",
      withProcess({ rlimits: [{ type: "RLIMIT_FOO", soft: 1, hard: 1 }] }),
    ],
    [
      "process.rlimits: RLIMIT_CPU is listed twice",
      withProcess({
        rlimits: [
          { type: "RLIMIT_CPU", soft: 1, hard: 1 },
          { type: "RLIMIT_CPU", soft: 1, hard: 1 },
        ],
      }),
    ],
    [
      "process.rlimits: the soft limit of RLIMIT_AS is above the hard limit",
      withProcess({ rlimits: [{ type: "RLIMIT_AS", soft: 2n ** 64n - 1n, hard: 5 }] }),
    ],
    [
      "process.oomScoreAdj: -1001 is not between -1000 and 1000",
      withProcess({ oomScoreAdj: -1001 }),
    ],
    [
      "process.ioPriority.priority: 8 is not between 0 and 7",
      withProcess({ ioPriority: { class: "IOPRIO_CLASS_BE", priority: 8 } }),
    ],
    [
      "process.scheduler.nice: 20 is not between -20 and 19",
      withProcess({ scheduler: { policy: "SCHED_OTHER", nice: 20 } }),
    ],
    [
      "process.scheduler.priority: only for SCHED_FIFO and SCHED_RR",
      withProcess({ scheduler: { policy: "SCHED_OTHER", priority: 1 } }),
    ],
    [
      "process.scheduler: runtime, deadline and period are only for SCHED_DEADLINE",
      withProcess({ scheduler: { policy: "SCHED_FIFO", period: 1 } }),
    ],
    ["annotations: a key is empty", { ...base, annotations: { "": "x" } }],
    ["hostname: longer than 64 characters", { ...base, hostname: "x".repeat(65) }],
    [
      "linux.namespaces: pid is listed twice",
      withLinux({ namespaces: [{ type: "pid" }, { type: "pid" }] }),
    ],
    [
      'linux.namespaces: path "proc/1/ns/net" is not absolute',
      withLinux({ namespaces: [{ type: "network", path: "proc/1/ns/net" }] }),
    ],
    ["unable to set hostname without a private UTS namespace", without("uts")],
    [
      "unable to set domainname without a private UTS namespace",
      without("uts", { hostname: "", domainname: "example.com" }),
    ],
    ["unable to restrict sys entries without a private MNT namespace", without("mount")],
    [
      "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
      withLinux({ namespaces: [...(base.linux?.namespaces ?? []), { type: "user" }] }),
    ],
    [
      "user namespace mappings specified, but user namespace isn't enabled in the config",
      withLinux({ uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] }),
    ],
    [
      "time namespace offsets specified, but time namespace isn't enabled in the config",
      withLinux({ timeOffsets: { boottime: { secs: 1 } } }),
    ],
    [
      'sysctl "net.ipv4.ip_forward" not allowed in host network namespace',
      without("network", {}, { sysctl: { "net/ipv4/ip_forward": "1" } }),
    ],
    [
      'sysctl "kernel.sem" is not allowed in the hosts ipc namespace',
      without("ipc", {}, { sysctl: { "kernel.sem": "1" } }),
    ],
    [
      'sysctl "vm.swappiness" is not in a separate kernel namespace',
      withLinux({ sysctl: { "vm.swappiness": "1" } }),
    ],
    [
      'linux.sysctl: "net/../vm/x" is not a name of a setting',
      withLinux({ sysctl: { "net/../vm/x": "1" } }),
    ],
    [
      "unable to move network devices without a private NET namespace",
      without("network", {}, { netDevices: { eth0: {} } }),
    ],
    [
      'linux.netDevices: invalid network device name "a/b"',
      withLinux({ netDevices: { eth0: { name: "a/b" } } }),
    ],
    [
      'linux.netDevices: two devices would be named "eth1"',
      withLinux({ netDevices: { eth0: { name: "eth1" }, eth1: {} } }),
    ],
    [
      'linux.maskedPaths[1]: "proc" is not an absolute path',
      withLinux({ maskedPaths: ["/x", "proc"] }),
    ],
    ['linux.readonlyPaths[0]: "" is not an absolute path', withLinux({ readonlyPaths: [""] })],
    [
      'linux.devices: path "fuse" is not absolute',
      withLinux({ devices: [{ type: "p", path: "fuse" }] }),
    ],
    [
      "linux.devices: /dev/fuse: type c needs major and minor",
      withLinux({ devices: [{ type: "c", path: "/dev/fuse", major: 1 }] }),
    ],
    [
      "linux.devices: /dev/x: there is no device -1:0",
      withLinux({ devices: [{ type: "b", path: "/dev/x", major: -1, minor: 0 }] }),
    ],
    ['linux.cgroupsPath: ".." is not allowed in "/a/../b"', withLinux({ cgroupsPath: "/a/../b" })],
    ['invalid intelRdt.ClosID "a/b"', withLinux({ intelRdt: { closID: "a/b" } })],
    [
      "linux.memoryPolicy: MPOL_BIND needs nodes",
      withLinux({ memoryPolicy: { mode: "MPOL_BIND" } }),
    ],
    [
      "linux.memoryPolicy: MPOL_LOCAL takes no nodes",
      withLinux({ memoryPolicy: { mode: "MPOL_LOCAL", nodes: "0" } }),
    ],
    [
      'linux.memoryPolicy: "0-" is not a list of nodes',
      withLinux({ memoryPolicy: { mode: "MPOL_BIND", nodes: "0-" } }),
    ],
    [
      'linux.resources.devices: invalid cgroup device type "p"',
      withLinux({ resources: { devices: [{ allow: true, type: "p" }] } }),
    ],
    [
      'linux.resources.devices: unknown device access "rx" (want r, w, m)',
      withLinux({ resources: { devices: [{ allow: true, access: "rx" }] } }),
    ],
    [
      'unified resource "../x" must be a file name (no slashes)',
      withLinux({ resources: { unified: { "../x": "1" } } }),
    ],
    ["mounts[0] (): destination must not be empty", { ...base, mounts: [{ destination: "" }] }],
    [
      "mounts[0] (/x): id-mapped mounts are only supported for bind mounts",
      { ...base, mounts: [{ destination: "/x", type: "tmpfs", options: ["idmap"] }] },
    ],
    [
      "mounts[0] (/x): an id-mapped mount needs uidMappings and gidMappings, or a user namespace to take them from",
      { ...base, mounts: [{ destination: "/x", options: ["bind", "ridmap"] }] },
    ],
    [
      "mounts[0] (/x): id-mapped mounts need both uidMappings and gidMappings",
      {
        ...base,
        mounts: [
          {
            destination: "/x",
            options: ["bind"],
            uidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
          },
        ],
      },
    ],
    [
      'hooks.poststop[0].path: "hook" is not an absolute path',
      { ...base, hooks: { poststop: [{ path: "hook" }] } },
    ],
    ["linux.seccomp: SCMP_ACT_ALLOW cannot return an errno", withSeccomp({ defaultErrnoRet: 1 })],
    [
      "linux.seccomp: SCMP_ACT_LOG cannot return an errno",
      withSeccomp({ syscalls: [{ names: ["read"], action: "SCMP_ACT_LOG", errnoRet: 1 }] }),
    ],
    [
      "SCMP_ACT_NOTIFY cannot be used as default action",
      withSeccomp({ defaultAction: "SCMP_ACT_NOTIFY" }),
    ],
    [
      "SCMP_ACT_NOTIFY cannot be used for the write syscall",
      withSeccomp({
        listenerPath: "/x",
        syscalls: [{ names: ["write"], action: "SCMP_ACT_NOTIFY" }],
      }),
    ],
    [
      "linux.seccomp.listenerPath: needed for SCMP_ACT_NOTIFY",
      withSeccomp({ syscalls: [{ names: ["getcwd"], action: "SCMP_ACT_NOTIFY" }] }),
    ],
    [
      'linux.seccomp.listenerPath: "agent" is not an absolute path',
      withSeccomp({ listenerPath: "agent" }),
    ],
    ["linux.seccomp.listenerMetadata: needs listenerPath", withSeccomp({ listenerMetadata: "x" })],
  ];
  for (const [message, spec] of broken) {
    it(`say: ${message}`, () => {
      expect(messageOf(() => checkSpec(spec))).to.equal(message);
    });
  }

  it("warn of what is ignored, once for each name", () => {
    const warnings: string[] = [];
    const spec: Spec = {
      ...withProcess({
        capabilities: { bounding: ["CAP_KILL", "CAP_NEW"], effective: ["CAP_NEW", "kill"] },
      }),
      mounts: [
        { destination: "proc", type: "proc" },
        { destination: "/b", source: "/b", options: ["rbind", "ro", "size=1"] },
      ],
      linux: {
        ...base.linux,
        personality: { domain: "LINUX", flags: ["X"] },
        resources: { memory: { kernel: 5 } },
      },
    };
    checkSpec(spec, (text) => warnings.push(text));
    expect(warnings).to.deep.equal([
      "mount destination proc is not absolute: it is taken as relative to /",
      "bind mount on /b: ignoring file system options size=1",
      "ignoring unknown or unavailable capabilities: [CAP_NEW kill]",
      "ignoring unsupported personality flags: X",
      "kernel memory settings are ignored: the kernel has no such limits",
    ]);
  });

  it("are the same for exec and update", () => {
    expect(() => checkProcess({ cwd: "x", args: ["y"] })).to.throw(
      'process.cwd: "x" is not an absolute path',
    );
    expect(() => checkResources({ unified: { "": "1" } })).to.throw("must be a file name");
  });
});

describe("rules for a config without privileges", () => {
  const rootless = specTemplate({ cgroup2: false, rootless: { uid: 1000, gid: 1000 } });

  it("accept the rootless template", () => {
    checkSpec(rootless);
    expect(rootlessProblem(rootless)).to.equal(undefined);
  });

  it("demand a user namespace and mappings for what mounts name", () => {
    expect(rootlessProblem(base)).to.equal("rootless container requires user namespaces");
    const { uidMappings: _uid, ...noUid } = rootless.linux ?? {};
    expect(rootlessProblem({ ...rootless, linux: noUid })).to.equal(
      "rootless containers requires at least one UID mapping",
    );
    const mounts = [{ destination: "/x", type: "tmpfs", options: ["gid=5"] }];
    expect(rootlessProblem({ ...rootless, mounts })).to.equal(
      "cannot specify gid=5 mount option for unmapped ID in rootless container",
    );
    expect(
      rootlessProblem({ ...rootless, mounts: [{ destination: "/x", options: ["uid=0"] }] }),
    ).to.equal(undefined);
  });
});
