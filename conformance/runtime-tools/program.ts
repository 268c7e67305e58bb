/** Runs one validation program against one runtime, apart from the host, and removes what it leaves behind. */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Provision } from "./host.ts";
import type { Suite } from "./suite.ts";
import { parseTap, stableName, type TapReport, type TapTest } from "./tap.ts";

const timeLimitSeconds = 60;

/** Only programs that run alone may clear these away: others would do it while one of those uses them. */
const suiteCgroups = "cgrouptest testdir/cgrouptest/container testdir/cgrouptest testdir";

/**
 * Runs in namespaces of its own: when the first process of the PID namespace is gone, all that the program and its
 * containers left running is gone, and their mounts with them. crun refuses a hybrid host whose unified cgroup hierarchy
 * has controllers left, so all runtimes are shown one that has none. A v1 controller that the program is about and the
 * host has not mounted is mounted for it and handed back.
 */
const script = `
program=$1 runtime=$2 state=$3 created=$4 seconds=$5 wanted=$6 shared=$7
cgroup=/sys/fs/cgroup
if [ "$wanted" ]; then
  mkdir "$state.cgroup"
  mount -t tmpfs -o mode=755 cgroup "$state.cgroup"
  for hierarchy in $cgroup/*/; do
    name=$(basename "$hierarchy")
    mkdir "$state.cgroup/$name" && mount --rbind "$hierarchy" "$state.cgroup/$name"
  done
  for name in $wanted; do
    mkdir "$state.cgroup/$name" && mount -t cgroup -o "$name" cgroup "$state.cgroup/$name"
  done
  mount --move "$state.cgroup" $cgroup
fi
controllers=$cgroup/unified/cgroup.controllers
if [ "$(cat $controllers 2>/dev/null)" ]; then mount --bind /dev/null $controllers; fi

timeout -k 5 "$seconds" "$program"
status=$?

for container in "$state"/*; do
  if [ -d "$container" ]; then "$runtime" delete --force "\${container##*/}" >/dev/null 2>&1; fi
done
# Containers where a runtime puts them, at the root or beside the caller, and what the suite names itself.
parents=$(cut -d: -f3- /proc/self/cgroup | sort -u)
for name in $(cat "$created" 2>/dev/null) $shared; do
  for parent in / $parents; do
    rmdir $cgroup/*/"$parent/$name" 2>/dev/null
  done
done
# The kernel frees a hierarchy when it is unmounted, but not while removed cgroups linger in it.
for name in $wanted; do
  umount "$cgroup/$name"
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    if grep -q "^$name[[:space:]]0[[:space:]]" /proc/cgroups; then break; fi
    sleep 0.1
    mount -t cgroup -o "$name" cgroup "$cgroup/$name" 2>/dev/null && umount "$cgroup/$name"
  done
done
exit $status
`;

/** What went wrong with the program as a whole; "" for nothing. */
function brokenBy(status: number | null, { tests, planned, error }: TapReport): string {
  if (status === 124 || status === 137) return "ends in time";
  if (status !== 0) return "ends without an error";
  if (error !== undefined) return stableName(error.split("\n")[0] ?? "");
  if (planned !== undefined && planned !== tests.length) return "runs all tests that it plans";
  return "";
}

/**
 * The tests in what a program printed. Some programs have none of their own and only report an error, or exit with one:
 * these count as one test.
 */
export function readResult(status: number | null, stdout: string, stderr: string): TapTest[] {
  const report = parseTap(stdout);
  const problem = brokenBy(status, report);
  const detail = stderr.trim();
  if (problem !== "") {
    return [...report.tests, { name: `(program) ${problem}`, status: "failed", detail }];
  }
  if (report.tests.length > 0) return [...report.tests];
  return [{ name: "(program) reports no error", status: "passed", detail }];
}

/** The runtime under a state root of its own; notes what it is asked to create, so that the cgroups can be found. */
function writeWrapper(directory: string, runtime: string): string {
  const path = join(directory, "runtime");
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [
    "#!/bin/sh",
    `directory=${quote(directory)}`,
    'if [ "$1" = create ]; then for id; do :; done; echo "$id" >> "$directory/created"; fi',
    `exec ${quote(runtime)} --root "$directory/state" "$@"`,
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  chmodSync(path, 0o755);
  return path;
}

function capture(
  command: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, ...output }));
  });
}

/** Runs a program of the suite against the runtime (absolute path). */
export async function runProgram(
  suite: Suite,
  program: string,
  runtime: string,
  { controllers, sharesCgroups }: Pick<Provision, "controllers" | "sharesCgroups">,
): Promise<TapTest[]> {
  const directory = mkdtempSync(join(tmpdir(), "runtime-tools-"));
  // Containers with a user of their own walk through here.
  chmodSync(directory, 0o755);
  const [state, scratch] = [join(directory, "state"), join(directory, "tmp")];
  mkdirSync(state);
  mkdirSync(scratch);
  try {
    const wrapper = writeWrapper(directory, runtime);
    const path = join(suite.directory, "programs", program);
    const args = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const created = join(directory, "created");
    const inside = [path, wrapper, state, created, String(timeLimitSeconds)];
    inside.push(controllers.join(" "), sharesCgroups ? suiteCgroups : "");
    const command = ["unshare", ...args, "sh", "-c", script, "sh", ...inside];
    const { status, stdout, stderr } = await capture(command, {
      cwd: suite.directory,
      env: { ...process.env, RUNTIME: wrapper, TMPDIR: scratch },
    });
    return readResult(status, stdout, stderr);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
