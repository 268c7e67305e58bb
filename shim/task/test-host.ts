/** For tests with real containers: what serve.ts builds, with events that are kept, and bundles of busybox. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Logger } from "../../runtime/base/log.ts";
import { initPath } from "../../runtime/lifecycle/init-session.ts";
import { libexecDir, loadNative } from "../../runtime/native/binding.ts";
import { specTemplate } from "../../runtime/spec/template.ts";
import type { Spec } from "../../schemas/generated/config.ts";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { decodeTaskExit } from "../../schemas/generated/proto/events.ts";
import { defaultOptions } from "../bootstrap/options.ts";
import { watchChildren } from "../event-loop/children.ts";
import { type Reactor, startReactor } from "../event-loop/reactor.ts";
import { Containers } from "./containers.ts";
import type { CreateRequest } from "./create.ts";
import type { Host } from "./host.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

const busybox = "/bin/busybox";

/** Why containers cannot be made here; undefined when they can. */
export function problem(): string | undefined {
  if (process.geteuid?.() !== 0) return "needs root";
  if (!fs.existsSync(`${libexecDir()}/tsrunc.node`)) return "needs the addon (make native)";
  return fs.existsSync(busybox) ? undefined : `needs a static ${busybox}`;
}

export interface TestHost {
  readonly host: Host;
  readonly containers: Containers;
  /** Topics without /tasks/; for exits `exit <id> <status>`. */
  readonly events: string[];
  readonly logged: string[];
  readonly directory: string;
  readonly fifos: { readonly stdin: string; readonly stdout: string };
  /** How often a container has gone. */
  gone: number;
  /** A bundle with a busybox for a root; the container runs `sh -c script`. */
  request(id: string, script: string, change?: (spec: Spec) => Spec): CreateRequest;
  /** Ends all containers that are left, too. */
  end(): Promise<void>;
}

export function startHost(): TestHost {
  const directory = fs.mkdtempSync(join(tmpdir(), "shim-task-"));
  const fifos = { stdin: join(directory, "stdin"), stdout: join(directory, "stdout") };
  // before children are watched: node's own way to start one takes the notices of their ends over
  execFileSync("mkfifo", Object.values(fifos));
  const native = loadNative(PLAN_ABI);
  native.setSubreaper(true);
  const reactor = startReactor(native);
  const children = watchChildren(native, reactor);
  const logged: string[] = [];
  const events: string[] = [];
  const image = native.sealedCopy(initPath());
  const host: Host = {
    namespace: "tests",
    children,
    reactor,
    events: {
      publish: (topic, _type, message) => void events.push(describeEvent(topic, message)),
      drain: () => Promise.resolve(),
    },
    log: keepLog(logged),
    debug: true,
    endingLoggers: new Set(),
    initImage: () => image,
  };
  const test: TestHost = {
    host,
    containers: new Containers(host, {
      containerAdded: () => undefined,
      containerGone: () => {
        test.gone++;
      },
    }),
    events,
    logged,
    directory,
    fifos,
    gone: 0,
    request: (id, script, change = (spec) => spec) => makeRequest(directory, id, script, change),
    end: async () => {
      try {
        for (const bundle of [...test.containers.bundles()]) await endContainer(test, bundle);
      } finally {
        native.setSubreaper(false);
        endHost(reactor, image, directory);
      }
    },
  };
  return test;
}

async function endContainer({ containers }: TestHost, bundle: string): Promise<void> {
  const { id, init } = containers.get(bundle.slice(bundle.lastIndexOf("/") + 1));
  // one that is ending is fine
  if (init.exit === undefined) await containers.kill(id, "", 9, true).catch(() => undefined);
  await init.wait();
  await containers.delete(id, "");
}

function endHost(reactor: Reactor, image: number, directory: string): void {
  reactor.stop();
  fs.closeSync(image);
  fs.rmSync(directory, { recursive: true, force: true });
}

function describeEvent(topic: string, message: Uint8Array): string {
  const name = topic.replace("/tasks/", "");
  if (name !== "exit") return name;
  const { id, exitStatus } = decodeTaskExit(message);
  return `exit ${id} ${exitStatus}`;
}

function keepLog(logged: string[]): Logger {
  const at = (level: string) => (text: string) => void logged.push(`${level} ${text}`);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    toStderr: false,
  };
}

function makeRequest(
  directory: string,
  id: string,
  script: string,
  change: (spec: Spec) => Spec,
): CreateRequest {
  const bundle = join(directory, id);
  const bin = join(bundle, "rootfs/bin");
  fs.mkdirSync(bin, { recursive: true });
  for (const name of ["proc", "dev", "sys", "tmp"]) fs.mkdirSync(join(bundle, "rootfs", name));
  fs.copyFileSync(busybox, join(bin, "busybox"));
  for (const name of ["sh", "sleep", "true", "cat", "echo", "setsid", "stty"]) {
    fs.symlinkSync("busybox", join(bin, name));
  }
  const base = specTemplate({ cgroup2: false });
  const spec: Spec = {
    ...base,
    process: { ...base.process, cwd: "/", terminal: false, args: ["sh", "-c", script] },
    root: { path: "rootfs" },
    linux: { ...base.linux, cgroupsPath: `/tsrunc-test-${process.pid}-${id}` },
  };
  fs.writeFileSync(join(bundle, "config.json"), JSON.stringify(change(spec)));
  return {
    id,
    bundle,
    rootfs: [],
    stdio: { stdin: "", stdout: "", stderr: "", terminal: false },
    checkpoint: "",
    options: { ...defaultOptions, root: join(directory, "state") },
  };
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds, 8 s at most. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    expect(tries, `${what}: within 8 s`).to.be.below(800);
    await sleep(10);
  }
}
