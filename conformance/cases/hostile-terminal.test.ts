/** Images that put something else where a terminal is looked for or mounted (CVE-2025-52565). */
import { execFileSync, spawn } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { type Container, container } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { runtimeFlags, runtimePath } from "../harness/environment.ts";
import { requires } from "../harness/requires.ts";
import { scratchDirectory, stateRoot } from "../harness/scratch.ts";
import { onPty } from "../harness/terminal.ts";

/** A container with a terminal in whose root `attack` has put something; the image's /dev is not covered. */
function attacked(args: string[], attack: (root: string, config: Config) => void): Container {
  return container((config) => {
    const root = ownRootfs(config);
    const isBelow = ({ destination }: { destination: string }) =>
      destination === "/dev" || destination === "/dev/shm" || destination === "/dev/mqueue";
    config.mounts = config.mounts.filter((mount) => !isBelow(mount));
    config.process.terminal = true;
    config.process.args = args;
    attack(root, config);
  });
}

async function runOnPty(c: Container): Promise<{ status: number; output: string }> {
  const words = [...runtimeFlags, "--root", stateRoot(), "run", "--bundle", c.bundle.path, c.id];
  const terminal = onPty([runtimePath, ...words]);
  return { status: await terminal.exit(), output: terminal.output };
}

describe("/dev/console of an image", () => {
  it(
    "that leads to a file inside is not followed: the terminal covers nothing else",
    known("runc <1.2.8", "CVE-2025-52565", async () => {
      const c = attacked(["/bin/cat", "/proc/self/mountinfo"], (root) => {
        writeFileSync(join(root, "etc", "victim"), "victim\n");
        symlinkSync("/etc/victim", join(root, "dev", "console"));
      });
      const { output } = await runOnPty(c);
      expect(output).to.not.match(/ \/etc\/victim /);
    }),
  );

  it("that dangles out of the container makes no file on the host", async () => {
    const host = scratchDirectory("canary");
    const c = attacked(["/bin/true"], (root) => {
      symlinkSync(join(host, "made"), join(root, "dev", "console"));
    });
    await runOnPty(c);
    expect(() => lstatSync(join(host, "made"))).to.throw(/ENOENT/);
  });

  it("that leads to a file of the host leaves that as it was", async () => {
    const host = join(scratchDirectory("canary"), "file");
    writeFileSync(host, "canary");
    const before = lstatSync(host);
    const c = attacked(["/bin/true"], (root) => symlinkSync(host, join(root, "dev", "console")));
    await runOnPty(c);
    const { mode, uid, ctimeMs } = lstatSync(host);
    expect([mode, uid, ctimeMs]).to.deep.equal([before.mode, before.uid, before.ctimeMs]);
    expect(readFileSync(host, "utf8")).to.equal("canary");
  });
});

describe("/dev/pts/ptmx of an image without devpts", () => {
  function withoutDevpts(plant: (path: string) => void): Container {
    return attacked(["/bin/true"], (root, config) => {
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/dev/pts");
      mkdirSync(join(root, "dev", "pts"));
      plant(join(root, "dev", "pts", "ptmx"));
    });
  }

  for (const [title, plant] of [
    ["a plain file", (path: string) => writeFileSync(path, "")],
    ["a link to the host's", (path: string) => symlinkSync("/dev/ptmx", path)],
    ["another device", (path: string) => void execFileSync("mknod", [path, "c", "1", "3"])],
    [
      "a node outside of any devpts",
      (path: string) => void execFileSync("mknod", [path, "c", "5", "2"]),
    ],
  ] as const) {
    it(`${title} is no terminal`, async function () {
      if (/another device|a node/.test(title)) requires({ root: true }).call(this);
      expect((await runOnPty(withoutDevpts(plant))).status).to.not.equal(0);
    });
  }

  it(
    "is not even opened when it is a fifo",
    known("runc <1.2.8", "CVE-2025-52565: opens whatever is there", async () => {
      let path = "";
      const c = withoutDevpts((fifo) => {
        path = fifo;
        execFileSync("mkfifo", [fifo]);
      });
      // waits in open(2) until somebody opens the other end
      const reader = spawn("cat", [path], { stdio: "ignore" });
      let isOpened = false;
      const ended = new Promise<void>((resolve) => {
        reader.on("exit", (_code, signal) => {
          isOpened = signal === null;
          resolve();
        });
      });
      expect((await runOnPty(c)).status).to.not.equal(0);
      reader.kill("SIGKILL");
      await ended;
      expect(isOpened).to.equal(false);
    }),
  );
});
