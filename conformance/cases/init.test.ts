/** The runtime's own init inside the container: what a profile may forbid it, what it holds and what hooks get from it. */
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { container, runShell, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { probePath } from "../harness/environment.ts";
import { requires } from "../harness/requires.ts";
import { launch } from "../harness/runtime.ts";
import { scratchDirectory } from "../harness/scratch.ts";
import { type Received, receiver } from "../harness/terminal.ts";

/** What a profile against networking, or one that is older than the kernel, refuses. */
const forbidden = [
  ...["socket", "connect", "sendmsg", "sendto", "recvmsg", "recvfrom", "accept", "accept4"],
  ...["openat2", "close_range", "pidfd_open", "open_tree", "move_mount", "setresuid", "setgroups"],
];

function profile(noNewPrivileges: boolean): (config: Config) => void {
  return (config) => {
    config.process.noNewPrivileges = noNewPrivileges;
    config.linux["seccomp"] = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: forbidden, action: "SCMP_ACT_KILL_PROCESS" }],
    };
  };
}

describe("a seccomp profile that forbids calls of the runtime", () => {
  before(requires({ seccomp: true }));

  for (const noNewPrivileges of [true, false]) {
    const edit = profile(noNewPrivileges);

    const early = (body: () => void) =>
      noNewPrivileges
        ? body
        : known("runc", "without noNewPrivileges it loads the filter early", body);

    it(
      `run, noNewPrivileges ${noNewPrivileges}`,
      early(() => {
        expect(runShell("echo through", edit)).to.equal("through\n");
      }),
    );

    it(
      `create, start and exec, noNewPrivileges ${noNewPrivileges}`,
      early(() => {
        sleeper(edit).up().exec(["/probe", "report"]).ok();
      }),
    );

    it(
      `startContainer hooks run under it, noNewPrivileges ${noNewPrivileges}`,
      known("runc", "with noNewPrivileges it loads the filter after the hooks", () => {
        const c = sleeper((config) => {
          edit(config);
          const args = ["/probe", "syscall", "setgroups"];
          config.hooks = { startContainer: [{ path: "/probe", args }] };
        });
        c.create().ok();
        expect(c.start().fails().stderr).to.match(/signal|bad system call/i);
      }),
    );
  }

  for (const noNewPrivileges of [true, false]) {
    it(`hands over a listener for sendmsg, noNewPrivileges ${noNewPrivileges}`, async () => {
      const { path, terminal } = await receiver();
      const c = sleeper((config) => {
        config.process.noNewPrivileges = noNewPrivileges;
        config.linux["seccomp"] = {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["sendmsg", "sendto"], action: "SCMP_ACT_NOTIFY" }],
          listenerPath: path,
        };
      });
      const created = launch(["create", "--bundle", c.bundle.path, c.id]);
      const received = await terminal.event<Received>("received");
      expect(JSON.parse(received.name).fds).to.deep.equal(["seccompFd"]);
      (await created.done).ok();
      c.start().ok();
    });
  }
});

describe("the program's path", () => {
  /** Each descriptor of the runtime's init, as a way to files that are not the container's (CVE-2024-21626). */
  it("does not lead out by a descriptor of the runtime", () => {
    const marker = `${scratchDirectory("outside")}/program`;
    writeFileSync(marker, readFileSync(probePath()), { mode: 0o755 });
    for (let fd = 3; fd < 12; fd++) {
      for (const way of ["1/root", "../../.."]) {
        const c = container((config) => {
          const root = ownRootfs(config);
          symlinkSync(`/proc/self/fd/${fd}/${way}${marker}`, join(root, "program"));
          config.process.args = ["/program", "report"];
        });
        c.run().fails();
      }
    }
  }).timeout(60_000);
});

describe("hooks in the container's namespaces", () => {
  it("get the caller's umask, not the runtime's", () => {
    const file = `${scratchDirectory("umask")}/made`;
    const c = container((config) => {
      const args = ["sh", "-c", `: >${file}`];
      config.hooks = { createContainer: [{ path: "/bin/sh", args }] };
    });
    c.run().ok();
    expect((statSync(file).mode & 0o777).toString(8)).to.equal(
      (0o666 & ~process.umask()).toString(8),
    );
  });
});

describe("a bind mount", () => {
  it("of a file on a dangling link is made where the link leads, as /etc/resolv.conf in images of systemd", () => {
    const source = `${scratchDirectory("file")}/resolv.conf`;
    writeFileSync(source, "nameserver 192.0.2.1\n");
    const text = runShell("cat /etc/resolv.conf /run/systemd/resolve/stub.conf", (config) => {
      const root = ownRootfs(config);
      mkdirSync(join(root, "etc"), { recursive: true });
      symlinkSync("../run/systemd/resolve/stub.conf", join(root, "etc/resolv.conf"));
      config.mounts.push({ destination: "/etc/resolv.conf", source, options: ["bind"] });
    });
    expect(text).to.equal("nameserver 192.0.2.1\n".repeat(2));
  });

  it("does not follow a link into /proc (CVE-2019-16884)", () => {
    for (const target of ["/proc", "/proc/sys", "/proc/1/attr"]) {
      const source = scratchDirectory("volume");
      const c = container((config) => {
        const root = ownRootfs(config);
        symlinkSync(target, join(root, "volume"));
        config.mounts.push({ destination: "/volume", source, options: ["bind"] });
      });
      c.run().fails();
    }
  });
});
