/**
 * Somebody exchanges a directory and a link to a directory of the host, over and over, while containers are made with
 * something below that name (CVE-2021-30465, CVE-2024-45310, CVE-2019-19921, CVE-2026-41579). Creating may fail; what is
 * made must be in the container, and the host stays as it was.
 */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { type Container, container } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { scratch, scratchDirectory } from "../harness/scratch.ts";
import { Terminal } from "../harness/terminal.ts";

/** An attack that works by one of two outcomes of a look-up hits about every second time. */
const tries = 20;

interface Row {
  readonly title: string;
  /** Asks for something below /volume/name; `i` is the try. */
  readonly edit: (config: Config, i: number) => void;
  /** What a container that runs must have found, as text of its mountinfo or of the script's output. */
  readonly demands: (output: string, i: number) => void;
  readonly script?: string;
  /** A version of runc before which the host is changed, and why. */
  readonly before?: readonly [version: string, why: string];
}

const marker = (i: number) => `marker${i}x`;

function tmpfs(config: Config, destination: string, i: number): void {
  config.mounts.push({ destination, type: "tmpfs", source: marker(i) });
}

/** The mount is the container's: one that went elsewhere vanished with the old root. */
function hasMount(output: string, i: number): void {
  const mounts = output.split("\n").filter((line) => line.includes(` tmpfs ${marker(i)} `));
  expect(mounts, output).to.have.length(1);
}

function content(): string {
  const path = join(scratchDirectory("payload"), "file");
  writeFileSync(path, "payload");
  return path;
}

const rows: readonly Row[] = [
  {
    title: "a mount on a directory that is there",
    edit: (config, i) => tmpfs(config, "/volume/name/there", i),
    demands: hasMount,
  },
  {
    title: "a mount on the name itself",
    edit: (config, i) => tmpfs(config, "/volume/name", i),
    demands: hasMount,
  },
  {
    title: "a mount whose directories have to be made",
    edit: (config, i) => tmpfs(config, `/volume/name/new${i}/deep/er`, i),
    demands: hasMount,
    before: ["1.1.14", "CVE-2024-45310"],
  },
  {
    title: "a bind mount whose file has to be made",
    before: ["1.1.14", "CVE-2024-45310"],
    edit: (config, i) => {
      const destination = `/volume/name/file${i}`;
      config.mounts.push({ destination, source: content(), options: ["bind"] });
    },
    demands: (output, i) => expect(output).to.match(new RegExp(`/name/file${i} |/file${i} `)),
  },
  {
    title: "a working directory that has to be made",
    before: ["1.1.14", "CVE-2024-45310"],
    edit: (config, i) => {
      config.process.cwd = `/volume/name/cwd${i}`;
    },
    script: "pwd",
    demands: (output, i) => expect(output).to.match(new RegExp(`^/.*/cwd${i}\n$`)),
  },
  {
    title: "a device node",
    before: ["1.3.6", "CVE-2026-41579"],
    edit: (config, i) => {
      const path = `/volume/name/null${i}`;
      config.linux["devices"] = [{ path, type: "c", major: 1, minor: 3, fileMode: 0o666 }];
    },
    demands: () => undefined,
  },
  {
    title: "masked and read-only paths",
    edit: (config) => {
      config.linux.maskedPaths = ["/volume/name/secret"];
      config.linux.readonlyPaths = ["/volume/name/there"];
    },
    demands: () => undefined,
  },
];

/** What an attack could change in a tree; access times are left out, as reading changes them. */
function snapshot(path: string): string[] {
  const { mode, uid, gid, ino, size, mtimeMs } = lstatSync(path);
  const own = [path, mode, uid, gid, ino, size, mtimeMs].join(" ");
  if (!lstatSync(path).isDirectory()) return [own];
  return [own, ...readdirSync(path).flatMap((name) => snapshot(join(path, name)))];
}

function fill(directory: string): string {
  mkdirSync(directory, { recursive: true });
  mkdirSync(join(directory, "there"));
  writeFileSync(join(directory, "secret"), "secret");
  return directory;
}

interface Race {
  readonly host: string;
  /** Makes a container; its root file system is the same in every try. */
  readonly make: (edit: (config: Config) => void) => Container;
}

/** Mounts on the host that a container could have left, whoever else works on this machine. */
function hostMounts(): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.filter((line) => line.includes(scratch()) || / marker\d+x /.test(line));
}

/** Runs `attempt` once in peace, then for every try while the exchange goes on; true means that a container ran. */
async function race(
  names: (root: string, volume: string, host: string) => readonly [string, string],
  attempt: (race: Race, i: number) => boolean,
): Promise<void> {
  const host = fill(scratchDirectory("canary"));
  const volume = scratchDirectory("volume");
  let root = "";
  const make = (edit: (config: Config) => void) =>
    container((config) => {
      if (root === "") root = ownRootfs(config);
      config.root = { path: root };
      config.mounts.push({ destination: "/volume", source: volume, options: ["bind"] });
      edit(config);
    });
  make(() => undefined);
  const exchanged = names(root, volume, host);
  expect(attempt({ host, make }, tries), "without a race").to.equal(true);
  const exchange = new Terminal(["host-exchange", ...exchanged]);
  await exchange.event("started");
  const before = snapshot(host);
  const mounts = hostMounts();
  for (let i = 0; i < tries; i++) {
    attempt({ host, make }, i);
    expect(snapshot(host), `try ${i}`).to.deep.equal(before);
    expect(hostMounts(), `try ${i}`).to.deep.equal(mounts);
  }
  await exchange.close();
  const { exchanges } = await exchange.event<{ exchanges: number }>("closed");
  expect(exchanges).to.be.above(tries);
}

function nameAndLink(directory: string, host: string): readonly [string, string] {
  fill(join(directory, "name"));
  symlinkSync(host, join(directory, "other"));
  return [join(directory, "name"), join(directory, "other")];
}

describe("a directory of a volume is exchanged for a link out, and back", function () {
  this.slow(20_000);
  for (const { title, edit, demands, script, before } of rows) {
    const body = () =>
      race(
        (_root, volume, host) => nameAndLink(volume, host),
        ({ make }, i) => {
          const c = make((config) => {
            config.process.args = ["/bin/sh", "-c", script ?? "cat /proc/self/mountinfo"];
            edit(config, i);
          });
          const result = c.run();
          if (result.status !== 0) return false;
          demands(result.stdout, i);
          return true;
        },
      );
    it(title, before ? known(`runc <${before[0]}`, before[1], body, "sometimes") : body);
  }
});

describe("the image's /proc is exchanged for a link out, and back", () => {
  it("a container has its procfs there, or where that directory went", () =>
    race(
      (root, _volume, host) => {
        symlinkSync(host, join(root, "other"));
        return [join(root, "proc"), join(root, "other")];
      },
      ({ make }) => {
        const c = make((config) => {
          config.process.args = ["/probe", "sleep"];
        });
        if (c.create().status !== 0) return false;
        const mounts = readFileSync(`/proc/${c.state().pid}/mountinfo`, "utf8").split("\n");
        const own = mounts.filter((line) => line.includes(" / /") && line.includes(" - proc "));
        c.delete(["--force"]).ok();
        expect(own.map((line) => line.split(" ")[4])[0]).to.be.oneOf(["/proc", "/other"]);
        return true;
      },
    ));
});
