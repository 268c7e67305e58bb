/**
 * Builds the executable with Bun, or only prints what it would contain; run by `make build`.
 *
 *     bun runtime/build.ts                      dist/bin/tsrunc and containerd-shim-tsrunc-v2
 *     bun runtime/build.ts --graph              the bundler's metafile as JSON on stdout, nothing is written
 *     bun runtime/build.ts --entry x.ts --out f an executable of another entry, with the same settings
 *
 * Start-up of `tsrunc --root dir state id`, medians of 150 interleaved runs on 2 cores with Bun 1.4.5; an empty
 * executable (4.6 ms) is 0. Lines are cumulative:
 *
 *     commander as it comes, without bytecode   +3.9 ms    (a small program with the same parser)
 *     with bytecode                             +2.0 ms    (the same)
 *     without commander's built-ins             +1.4 ms    (the same; no commander at all: +0.1 ms)
 *     tsrunc                                    +2.4 ms
 *     without commander's unused loops          +2.3 ms
 *     JIT policy                                +1.9 ms
 *     no node:fs, no regular expressions in
 *     commander, cgroup code when needed        +1.0 ms
 *
 * Not used: a bytecode order recorded by a run (bytecodeOrder, -0.2 ms), minChunkSize (nothing), one chunk (+0.1 ms).
 * Compare executables in the same page cache state only: one that was evicted and read back starts 1 ms slower than
 * the same bytes freshly written (small folios). `cp` each of them right before.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { keepFileLimit } from "./build-limits.ts";

/** The little that is used of Bun's own API; its type package would replace node's types everywhere. */
declare const Bun: { build(options: BuildOptions): Promise<BuildResult> };

interface BuildOptions {
  readonly entrypoints: readonly string[];
  readonly target: "bun";
  readonly format: "esm";
  readonly splitting: boolean;
  readonly minify: boolean;
  readonly bytecode?: boolean;
  readonly metafile: boolean;
  readonly define: Readonly<Record<string, string>>;
  readonly plugins: readonly Plugin[];
  readonly compile?: {
    readonly outfile: string;
    readonly autoloadDotenv: boolean;
    readonly autoloadBunfig: boolean;
    readonly jitPolicy: number;
  };
}

interface BuildResult {
  readonly success: boolean;
  readonly logs: readonly unknown[];
  readonly metafile: unknown;
}

interface Plugin {
  readonly name: string;
  setup(build: {
    onLoad(
      options: { readonly filter: RegExp },
      load: (file: { readonly path: string }) => { contents: string; loader: "js" | "ts" },
    ): void;
  }): void;
}

const root = join(import.meta.dirname, "..");

type Edit = readonly [line: string, replacement: string];
type Edits = Readonly<Record<string /* file of the package */, readonly Edit[]>>;

/**
 * What is left out of commander, file by file and line by line. It starts executables for subcommands (child_process,
 * fs, path), which we never ask for, and derives a program name from a path, which we always give. Options implied by
 * others, in conflict with others, or read from the environment: our flag tables have none, and the first run of each
 * of these loops costs more than all other parsing (0.5 ms together). So does a regular expression: the engine compiles
 * each on first use, 0.03 ms, and all of our options but help have the form `--name <value>`.
 */
const commanderEdits: Edits = {
  "index.js": [["exports.program = new Command();", ""]],
  "lib/option.js": [
    ["this.variadic = /\\w\\.\\.\\.[>\\]]$/.test(flags);", "this.variadic = false;"],
    [
      "const optionFlags = splitOptionFlags(flags);",
      `const optionFlags = flags.startsWith('--')
        ? { longFlag: flags.slice(0, flags.indexOf(' ')) } : splitOptionFlags(flags);`,
    ],
    ["return this.long.replace(/^--/, '');", "return this.long.slice(2);"],
  ],
  "lib/command.js": [
    [
      "const EventEmitter = require('node:events').EventEmitter;",
      `class EventEmitter {
        listeners = {};
        on(name, listener) { (this.listeners[name] ??= []).push(listener); return this; }
        emit(name, ...args) {
          for (const listener of this.listeners[name] ?? []) listener.apply(this, args);
          return name in this.listeners;
        }
        listenerCount(name) { return this.listeners[name]?.length ?? 0; }
      }`,
    ],
    ["const childProcess = require('node:child_process');", ""],
    ["const path = require('node:path');", ""],
    ["const fs = require('node:fs');", ""],
    ["const process = require('node:process');", ""],
    ["this._parseOptionsEnv();", ""],
    ["this._parseOptionsImplied();", ""],
    ["this._checkForConflictingOptions();", ""],
    ["if (/^--[^=]+=/.test(arg)) {", "if (arg.startsWith('--') && arg.indexOf('=') > 2) {"],
  ],
};

/**
 * What is left out of protobufjs, 1.2 -> 0.4 ms. "long" compiles WebAssembly when it loads; schemas/protobuf.ts does
 * without it. Metrics alone have floating point numbers; text in base64 and services nobody has.
 */
const protobufEdits: Edits = {
  "src/index-minimal.js": [['exports.rpc          = require("./rpc");', ""]],
  "src/util/minimal.js": [
    ['var Long = require("long");', "var Long = null;"],
    ['util.base64 = require("./base64");', ""],
    ['util.EventEmitter = require("./eventemitter");', ""],
    [
      'util.float = require("./float");',
      'Object.defineProperty(util, "float", { get: function () { return require("./float"); } });',
    ],
  ],
};

/** Loads a package with edits; throws when a new version of it no longer has one of the lines. */
function lightPackage(name: string, edits: Edits): Plugin {
  return {
    name: `light-${name}`,
    setup(build) {
      for (const [file, changes] of Object.entries(edits)) {
        // not another version of it that a dependency has brought along
        const place = join(root, "node_modules", name, file).replaceAll(/[.+]/g, "\\$&");
        const filter = new RegExp(`^${place}$`);
        build.onLoad({ filter }, ({ path }) => {
          let contents = readFileSync(path, "utf8");
          for (const [line, replacement] of changes) {
            if (!contents.includes(line)) throw new Error(`${path} has no line: ${line}`);
            contents = contents.replaceAll(line, replacement);
          }
          return { contents, loader: "js" };
        });
      }
    },
  };
}

/**
 * Puts light-fs.ts in the place of node:fs, which takes 0.9 ms to load. The import is rewritten, since plugins are not
 * asked about built-in modules; a function that light-fs.ts lacks fails the build.
 */
const lightFileSystem: Plugin = {
  name: "light-fs",
  setup(build) {
    const replacement = `from ${JSON.stringify(join(root, "runtime/native/light-fs.ts"))}`;
    build.onLoad({ filter: /\/(runtime|schemas|shim)\/.*\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8").replaceAll(
        /^(import \{[^}]*\}) from "node:fs"/gm,
        `$1 ${replacement}`,
      );
      return { contents, loader: "ts" };
    });
  },
};

/** The commit of the tree, `-dirty` appended when tracked files differ from it; empty outside of a repository. */
function commitOfTree(): string {
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-C", root, ...args], { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  try {
    const dirty = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-dirty";
    return git("rev-parse", "HEAD") + dirty;
  } catch {
    return "";
  }
}

function settings(entry: string): BuildOptions {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  return {
    entrypoints: [entry],
    target: "bun",
    // Splitting is what makes import() lazy: in a single bundle the built-ins of every command load at start.
    format: "esm",
    splitting: true,
    minify: true,
    metafile: true,
    define: {
      TSRUNC_VERSION: JSON.stringify(manifest.version),
      TSRUNC_COMMIT: JSON.stringify(process.env["TSRUNC_COMMIT"] ?? commitOfTree()),
      "process.env.NODE_ENV": '"production"',
    },
    plugins: [
      lightPackage("commander", commanderEdits),
      lightPackage("protobufjs", protobufEdits),
      lightFileSystem,
    ],
  };
}

async function build(options: BuildOptions): Promise<BuildResult> {
  const result = await Bun.build(options);
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
  return result;
}

/** Writes an executable. An old file of that name is replaced, not written into: it may be running. */
async function compile(entry: string, executable: string): Promise<void> {
  const work = `${executable}.new`;
  // The name is part of the executable (stack traces show it), so the draft has it too.
  const outfile = join(work, basename(executable));
  mkdirSync(work, { recursive: true });
  await build({
    ...settings(entry),
    bytecode: true,
    compile: {
      outfile,
      // By default the executable runs code named by a bunfig.toml in the current directory, which for us is a bundle.
      autoloadDotenv: false,
      autoloadBunfig: false,
      // A command ends before compiled code pays off: -0.3 ms. The shim, which lives long, calls Bun.unsafe.setJITPolicy(1).
      jitPolicy: 1000,
    },
  });
  keepFileLimit(outfile);
  renameSync(outfile, executable);
  rmSync(work, { recursive: true });
}

/**
 * containerd looks for `containerd-shim-<runtime>-<version>`, which is the launcher (native/launcher): it does in 0.5 ms
 * what takes this executable 6 to 8 ms, and executes it for all else. The executable under that name does it all, too.
 */
function linkShim(executable: string): void {
  const link = join(dirname(executable), "containerd-shim-tsrunc-v2");
  rmSync(link, { force: true });
  symlinkSync("../libexec/tsrunc/shim", link);
}

function flagValue(name: string, otherwise: string): string {
  const at = process.argv.indexOf(name);
  return (at === -1 ? undefined : process.argv[at + 1]) ?? otherwise;
}

const entry = flagValue("--entry", join(root, "runtime/main.ts"));
if (process.argv.includes("--graph")) {
  const { metafile } = await build(settings(entry));
  process.stdout.write(JSON.stringify(metafile));
} else {
  const executable = flagValue("--out", join(root, "dist/bin/tsrunc"));
  await compile(entry, executable);
  if (!process.argv.includes("--out")) linkShim(executable);
}
