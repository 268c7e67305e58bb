// Runs the lanes of tests on what `make test` has built and sums them up in one last line:
// "N passed, N failed, N skipped". Exits 1 when anything failed. A lane that cannot run here counts as one skip.
// ALL=1 runs the long lanes, too; LANES='text' those whose name matches.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const minute = 60_000;
const mocha = ["node_modules/.bin/mocha", "--reporter", ".ci/reporter.cjs"];
const counts = "build/report/counts.json";
const suite = "build/conformance/runtime-tools/main.js";
/** What failed, one text a test. */
const failures = [];
const isRoot = process.getuid() === 0;

/** Runs a command with our own output; true when it ended well and in time. */
function run(command, env, minutes) {
  const [file, ...args] = command;
  const options = { stdio: "inherit", env: { ...process.env, ...env }, timeout: minutes * minute };
  const { status, error } = spawnSync(file, args, { ...options, killSignal: "SIGKILL" });
  if (error?.code === "ETIMEDOUT") console.log(`stopped after ${minutes} minutes`);
  return status === 0;
}

/** A run that leaves its counts. One that ends badly without a failed test (crash, leak check) is a failure itself. */
function countedLane(command, env, minutes) {
  rmSync(counts, { force: true });
  const good = run(command, { ...env, TEST_COUNTS: counts }, minutes);
  const result = existsSync(counts)
    ? JSON.parse(readFileSync(counts, "utf8"))
    : { passed: 0, failed: 0, skipped: 0 };
  if (!good && result.failed === 0) result.failed = 1;
  // named once more at the end, where a log is read first
  for (const text of result.failures ?? []) failures.push(text.slice(0, 400));
  return result;
}

function mochaLane(args, env, minutes) {
  return countedLane([...mocha, ...args], env, minutes);
}

/** The C tests: an executable is one test. */
function nativeLane() {
  const result = { passed: 0, failed: 0, skipped: 0 };
  const directory = "build/native/test";
  if (!existsSync(directory)) return skipLane("there are no C tests");
  for (const name of readdirSync(directory).filter((file) => file.endsWith("_test"))) {
    const good = run([`${directory}/${name}`], {}, 5);
    console.log(`${good ? "passed" : "FAILED"}: ${name}`);
    result[good ? "passed" : "failed"] += 1;
  }
  return result;
}

function skipLane(reason) {
  console.log(`skipped: ${reason}`);
  return { passed: 0, failed: 0, skipped: 1 };
}

function casesLane(runtime, strict) {
  if (!isRoot) return skipLane("conformance cases need root");
  const env = { RUNTIME: runtime, ...(strict ? { CONFORMANCE_STRICT: strict } : {}) };
  return mochaLane(["--config", "conformance/mocharc.json"], env, 20);
}

const runc = (process.env.PATH ?? "")
  .split(":")
  .concat("/usr/sbin", "/sbin")
  .map((directory) => `${directory}/runc`)
  .find((path) => existsSync(path));

function crossCheckLane() {
  return runc === undefined ? skipLane("runc is not installed") : casesLane(runc, "");
}

const containerdSuite = ["--config", "conformance/e2e/containerd/mocharc.json"];
const withoutLoad = ["--ignore", "build/conformance/e2e/containerd/load.test.js"];

/** The host's containerd with our shim, or with runc's to see whether the tests are right; load once is enough. */
function containerdLane(shim) {
  if (!isRoot) return skipLane("containerd needs root");
  if (!existsSync("/usr/bin/containerd")) return skipLane("containerd is not installed");
  const env = { RUNTIME_TYPE: `io.containerd.${shim}.v2`, CONTAINERD_BIN: "/usr/bin" };
  const ours = shim === "tsrunc";
  if (ours) env.CONFORMANCE_STRICT = "all";
  return mochaLane([...containerdSuite, ...(ours ? [] : withoutLoad)], env, 6);
}

/** Programs of Debian sid, which the first run fetches: `directories`, or why there are none. */
function fromSid(program, packages) {
  const command = ["build/conformance/e2e/sid.js", program, ...packages];
  const { status, stdout, stderr } = spawnSync("node", command, { encoding: "utf8" });
  return status === 0 ? { directories: stdout.trim() } : { reason: stderr.trim() };
}

function newContainerdLane() {
  if (!isRoot) return skipLane("containerd needs root");
  const { directories, reason } = fromSid("containerd", ["containerd"]);
  if (directories === undefined) return skipLane(reason);
  const env = { RUNTIME_TYPE: "io.containerd.tsrunc.v2", CONTAINERD_BIN: directories };
  return mochaLane([...containerdSuite, ...withoutLoad], env, 6);
}

const dockerSuite = ["--config", "conformance/e2e/docker/mocharc.json"];
const packagesOfDocker = ["docker.io", "docker-cli", "containerd"];

const withoutDocker = (names) =>
  names.flatMap((name) => ["--ignore", `build/conformance/e2e/docker/${name}.test.js`]);
/** Without what takes long and depends little on the runtime. */
const quickDocker = withoutDocker(["application", "daemon", "swarm", "userns"]);
/** What the calls of another Docker may change. */
const fewDocker = [...quickDocker, ...withoutDocker(["build", "network", "storage", "terminal"])];

/** The host's Docker with a runtime in place of runc; with runc itself to see whether the tests are right. */
function dockerLane(runtime, args) {
  if (!isRoot) return skipLane("Docker needs root");
  if (!existsSync("/usr/sbin/dockerd")) return skipLane("Docker is not installed");
  if (runtime === undefined) return skipLane("runc is not installed");
  return mochaLane([...dockerSuite, ...args], { RUNTIME: runtime }, 12);
}

/** Debian sid's Docker, with tsrunc by its path or by its shim. */
function newDockerLane(env, args) {
  if (!isRoot) return skipLane("Docker needs root");
  const { directories, reason } = fromSid("dockerd", packagesOfDocker);
  if (directories === undefined) return skipLane(reason);
  return mochaLane([...dockerSuite, ...args], { ...env, DOCKER_BIN: directories }, 12);
}

/** A lane on the host's containerd with our shim. */
function onHostContainerd(lane) {
  if (!isRoot) return skipLane("containerd needs root");
  if (!existsSync("/usr/bin/containerd")) return skipLane("containerd is not installed");
  return lane({ RUNTIME_TYPE: "io.containerd.tsrunc.v2", CONTAINERD_BIN: "/usr/bin" });
}

/** Kubernetes' interface; the first run builds the tool that drives it. */
function criLane(tool, lane) {
  return onHostContainerd((env) => {
    const command = ["build/conformance/e2e/cri/tools.js", tool];
    const { status, stdout, stderr } = spawnSync("node", command, { encoding: "utf8" });
    if (status !== 0) return skipLane(stderr.trim());
    return lane({ ...env, [tool.toUpperCase()]: stdout.trim() });
  });
}

const criSuite = ["--config", "conformance/e2e/cri/mocharc.json"];
const critest = ["node", "build/conformance/e2e/cri/critest.js"];

const podmanSuite = ["--config", "conformance/e2e/podman/mocharc.json"];

/** The host's podman with tsrunc in place of runc. */
function podmanLane() {
  if (!isRoot) return skipLane("podman e2e needs root");
  if (!existsSync("/usr/bin/podman")) return skipLane("podman is not installed");
  return mochaLane(podmanSuite, { RUNTIME: `${process.cwd()}/dist/bin/tsrunc` }, 8);
}

const usualLanes = [
  ["unit tests", () => mochaLane([], {}, 5)],
  ["C tests under ASan and UBSan", nativeLane],
  ["conformance cases with tsrunc", () => casesLane(`${process.cwd()}/dist/bin/tsrunc`, "root")],
  ["conformance cases with runc: are the tests right?", crossCheckLane],
  ["containerd e2e with tsrunc", () => containerdLane("tsrunc")],
  ["containerd e2e with runc: are the tests right?", () => containerdLane("runc")],
  ["containerd e2e with tsrunc, containerd 2.x", newContainerdLane],
  ["docker e2e with tsrunc", () => dockerLane(`${process.cwd()}/dist/bin/tsrunc`, [])],
  ["cri e2e with tsrunc", () => criLane("crictl", (env) => mochaLane(criSuite, env, 8))],
  ["critest with tsrunc", () => criLane("critest", (env) => countedLane(critest, env, 8))],
  ["podman e2e with tsrunc", podmanLane],
  ["opencontainers/runtime-tools", () => countedLane(["node", suite], {}, 15)],
];
/** Half an hour more, and what they need is fetched: with ALL=1, or when LANES names them. */
const longLanes = [
  ["docker e2e with runc: are the tests right?", () => dockerLane(runc, quickDocker)],
  ["docker e2e with tsrunc, Docker of Debian sid", () => newDockerLane({}, fewDocker)],
  [
    "docker e2e with our shim, Docker of Debian sid",
    () => newDockerLane({ RUNTIME_TYPE: "io.containerd.tsrunc.v2" }, []),
  ],
  ["vm: cgroup v2", () => countedLane(["node", "build/conformance/vm/main.js"], {}, 20)],
];

function lanesToRun() {
  const { LANES, ALL } = process.env;
  const all = [...usualLanes, ...longLanes];
  if (LANES) return all.filter(([name]) => new RegExp(LANES).test(name));
  return ALL ? all : usualLanes;
}

mkdirSync("build/report", { recursive: true });
const total = { passed: 0, failed: 0, skipped: 0 };
const summary = [];
for (const [name, lane] of lanesToRun()) {
  console.log(`\n=== ${name}`);
  const result = lane();
  for (const key of Object.keys(total)) total[key] += result[key];
  summary.push(
    `${name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`,
  );
}
for (const text of failures) console.log(`\nFAILED: ${text}`);
console.log(`\n${summary.join("\n")}\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
const line = `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`;
writeFileSync("build/report/total", `${line}\n`);
console.log(line);
