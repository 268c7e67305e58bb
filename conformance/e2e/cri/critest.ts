/**
 * Owns running critest, cri-tools' validation of Kubernetes' interface, against containerd with the runtime under test.
 *
 *     make critest [RUNTIME_TYPE=io.containerd.runc.v2] [FOCUS='text']
 *
 * Its images are made here: nothing is downloaded. Tests of what cannot be had here are skipped with a reason (`skipped`).
 * It fails when a test fails that is not in `skipped`.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostFacts } from "../../harness/requires.ts";
import { removeScratch, scratchDirectory } from "../../harness/scratch.ts";
import { markedEnvironment } from "../command.ts";
import { ctr } from "../containerd/ctr.ts";
import { address, daemonLog, home, removeHome, stopDaemon } from "../containerd/daemon.ts";
import { buildImage, type Image } from "../containerd/image.ts";
import { containerdVersion, runtimeType } from "../containerd/subject.ts";
import { crictl, startNode } from "./crictl.ts";
import { criNamespace, handlers, images, makeNode, onNode } from "./node.ts";
import { criTool, Unavailable } from "./tools.ts";

/** Tests that cannot say anything here, by the beginning of their full name. */
function skipped(): Record<string, string> {
  const facts = hostFacts();
  const list: Record<string, string> = {
    "[k8s.io] Image Manager": "pulls from a public registry; says nothing about a runtime",
    "[k8s.io] Security Context bucket runtime should support MaskedPaths":
      "masks ls, which the shell of Debian's busybox runs without looking for its file",
  };
  if (!facts.apparmor) list["[k8s.io] AppArmor"] = "the host has no AppArmor";
  if (!facts.selinux) list["[k8s.io] SELinux"] = "the host has no SELinux";
  return list;
}

const registry = "gcr.io/k8s-staging-cri-tools";
const architecture = { x64: "amd64" }[process.arch as string] ?? process.arch;
const web = "registry.k8s.io/e2e-test-images/nginx:1.14-2";
const environment = ["PATH=/bin:/usr/bin:/usr/sbin"];

/** The images of cri-tools, by what their tests use of them. */
function allImages(): Image[] {
  const shell = { Env: environment, Cmd: ["sh"] };
  const server = (port: number) => ({
    Env: environment,
    Cmd: ["/usr/sbin/nginx", String(port), "master process"],
  });
  return [
    { name: images.busybox, config: shell },
    { name: images.pause, config: { Env: environment, Entrypoint: ["/probe", "sleep"] } },
    { name: web, config: server(80) },
    { name: `${registry}/hostnet-nginx-${architecture}:latest`, config: server(12003) },
    {
      name: "registry.k8s.io/e2e-test-images/httpd:2.4.39-4",
      config: { Env: environment, Cmd: ["/usr/sbin/httpd"] },
    },
    {
      name: `${registry}/test-image-predefined-group:latest`,
      config: { ...shell, User: "1000" },
    },
    {
      name: "registry.k8s.io/e2e-test-images/nonewprivs:1.3",
      config: { Env: environment, Entrypoint: ["/nnp"] },
    },
  ];
}

const programs: Record<string, string> = {
  // Found as nginx by its file's name, as the master process by its arguments, and by its pid.
  "usr/sbin/nginx":
    'mkdir -p /var/run; echo $$ >/var/run/nginx.pid; busybox httpd -f -p "$1" -h /www & wait',
  "usr/sbin/httpd": "echo httpd -D FOREGROUND; exec busybox httpd -f -p 80 -h /www",
  // Debian's busybox does not have these.
  "bin/pgrep": 'grep -lx "$1" /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3; true',
  "bin/ipcs": "cat /proc/sysvipc/shm",
};

const passwd = [
  "root:x:0:0:root:/root:/bin/sh",
  "default-user:x:1000:1000::/home/guest:/bin/sh",
  "nobody:x:65534:65534::/:/bin/sh",
];
const group = ["root:x:0:", "default-user:x:1000:", "group-defined-in-image:x:50000:default-user"];

/** What the image nonewprivs holds. */
const effectiveUser = `
#include <stdio.h>
#include <unistd.h>
int main(void) { return printf("Effective uid: %d\\n", (int)geteuid()) < 0; }
`;

/** Adds what cri-tools' images have beyond busybox. */
function furnish(rootfs: string): void {
  const place = (path: string, text: string, mode = 0o644) => {
    const target = join(rootfs, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text, { mode });
  };
  // A file of its own: the test masks it, and needs the shell all the same.
  rmSync(join(rootfs, "bin", "ls"));
  copyFileSync(join(rootfs, "bin", "busybox"), join(rootfs, "bin", "ls"));
  for (const [path, text] of Object.entries(programs)) place(path, `#!/bin/sh\n${text}\n`, 0o755);
  place("www/index.html", "<title>Welcome to nginx!</title>\n");
  place("etc/passwd", `${passwd.join("\n")}\n`);
  place("etc/group", `${group.join("\n")}\n`);
  const source = join(scratchDirectory("nnp"), "nnp.c");
  writeFileSync(source, effectiveUser);
  execFileSync("musl-gcc", ["-static", "-O2", "-o", join(rootfs, "nnp"), source]);
  chmodSync(join(rootfs, "nnp"), 0o4755);
}

/** Shared memory segments of the host, by id. */
function segments(): string[] {
  const rows = readFileSync("/proc/sysvipc/shm", "utf8").trim().split("\n").slice(1);
  return rows.map((row) => row.trim().split(/\s+/)[1] ?? "");
}

interface Spec {
  ContainerHierarchyTexts: string[] | null;
  LeafNodeType: string;
  LeafNodeText: string;
  State: string;
  RunTime: number;
  Failure?: { Message: string };
}

interface Outcome {
  readonly name: string;
  readonly state: string;
  readonly seconds: number;
  readonly message: string;
}

function readReport(path: string): Outcome[] {
  const suites = JSON.parse(readFileSync(path, "utf8")) as { SpecReports: Spec[] }[];
  const specs = suites.flatMap((suite) => suite.SpecReports);
  return specs
    .filter((spec) => spec.LeafNodeType === "It")
    .map((spec) => ({
      name: [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText].join(" "),
      state: spec.State,
      seconds: spec.RunTime / 1e9,
      message: spec.Failure?.Message ?? "",
    }));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Runs critest and returns what came of each test that was chosen. */
function validate(reasons: Record<string, string>): Outcome[] {
  const work = scratchDirectory("critest");
  const list = join(work, "images.yaml");
  writeFileSync(list, `defaultTestContainerImage: ${images.busybox}\n`);
  const report = join(work, "report.json");
  const focus = process.env["FOCUS"];
  const skip = [...Object.keys(reasons).map(escaped), "benchmark"].join("|");
  const args = [
    `--runtime-endpoint=unix://${address()}`,
    `--image-endpoint=unix://${address()}`,
    `--runtime-handler=${handlers.type}`,
    `--test-images-file=${list}`,
    `--ginkgo.skip=${skip}`,
    ...(focus ? [`--ginkgo.focus=${focus}`] : []),
    `--ginkgo.json-report=${report}`,
    "--ginkgo.timeout=20m",
  ];
  const [program = "", ...rest] = [...onNode(), criTool("critest"), ...args];
  const env = markedEnvironment();
  const { stdout, stderr } = spawnSync(program, rest, {
    encoding: "utf8",
    env,
    cwd: work,
    maxBuffer: 1 << 28,
  });
  if (process.env["CONFORMANCE_VERBOSE"]) process.stdout.write(stdout + stderr);
  try {
    return readReport(report);
  } catch (cause) {
    const output = (stdout + stderr).slice(-4000);
    throw new Error(`critest left no report:\n${output}`, { cause });
  }
}

/** Prints one line a test, and leaves the counts where $TEST_COUNTS says. */
function summarize(outcomes: readonly Outcome[], reasons: Record<string, string>): number {
  const ran = outcomes.filter(({ state }) => state !== "skipped" && state !== "pending");
  for (const { name, state, seconds, message } of ran) {
    console.log(
      `${state === "passed" ? "passed" : "FAILED"} ${seconds.toFixed(1).padStart(5)} s  ${name}`,
    );
    if (state !== "passed") console.log(`    ${message.split("\n").slice(0, 6).join("\n    ")}`);
  }
  const left = outcomes.filter(
    ({ state, name }) => state === "skipped" && !name.includes("benchmark about"),
  );
  for (const [prefix, reason] of Object.entries(reasons)) {
    const count = left.filter(({ name }) => name.startsWith(prefix)).length;
    console.log(`skipped${count > 0 ? ` ${count}` : ""}: ${prefix}: ${reason}`);
  }
  for (const { name, message } of left) {
    if (!Object.keys(reasons).some((prefix) => name.startsWith(prefix)))
      console.log(`skipped 1: ${name}: ${message || "not chosen"}`);
  }
  const failures = ran.filter(({ state }) => state !== "passed").map(({ name }) => name);
  const passed = ran.length - failures.length;
  const counts = { passed, failed: failures.length, skipped: left.length, failures };
  console.log(`${passed} passed, ${failures.length} failed, ${left.length} skipped`);
  const path = process.env["TEST_COUNTS"];
  if (path) writeFileSync(path, JSON.stringify(counts));
  return failures.length;
}

async function run(): Promise<number> {
  const reasons = skipped();
  criTool("crictl");
  criTool("critest");
  console.log(`critest: ${runtimeType} with containerd ${containerdVersion()}`);
  home();
  makeNode();
  const before = segments();
  try {
    await startNode();
    const archive = buildImage(allImages(), furnish);
    (await ctr(["image", "import", archive], { namespace: criNamespace })).ok();
    return summarize(validate(reasons), reasons) === 0 ? 0 : 1;
  } finally {
    const { lines } = await crictl(["pods", "--quiet"]);
    if (lines.length > 0) await crictl(["rmp", "--force", ...lines]);
    await stopDaemon();
    // critest makes these on the host and forgets them.
    for (const id of segments().filter((segment) => !before.includes(segment)))
      spawnSync("ipcrm", ["--shmem-id", id]);
    if (process.env["CONTAINERD_LOG_LEVEL"]) console.log(daemonLog());
    removeHome();
    removeScratch();
  }
}

try {
  process.exitCode = await run();
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  console.log(`skipped: critest: ${error.message}`);
  const path = process.env["TEST_COUNTS"];
  if (path) writeFileSync(path, JSON.stringify({ passed: 0, failed: 0, skipped: 1 }));
}
