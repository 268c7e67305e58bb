/** Owns the order of measurements: which command runs when, for the stopwatch. Pure. */
import type { Scene, Subject } from "./subjects.ts";

/** With pauses a command meets idle caches and, on cgroup v1, the wait for an RCU grace period; without, neither. */
export type Mode = "tight" | "paced";

/** What one measurement is of; `label` of the stopwatch is these three, joined. */
export interface Key {
  readonly mode: Mode;
  readonly command: string;
  readonly subject: string;
}

export interface Schedule {
  /** Lines for the stopwatch. */
  readonly steps: readonly string[];
  /** How many of them report a time. */
  readonly measurements: number;
}

export const containerId = "tsrunc-bench";
const pauseMicroseconds = 60_000;

export function labelOf({ mode, command, subject }: Key): string {
  return `${mode}/${command}/${subject}`;
}

export function keyOf(label: string): Key {
  const [mode, command = "", subject = ""] = label.split("/");
  return { mode: mode === "paced" ? "paced" : "tight", command, subject };
}

type Block = readonly string[];

function step(key: Key, argv: readonly string[]): string {
  const pause = key.mode === "paced" ? pauseMicroseconds : 0;
  return ["run", labelOf(key), String(pause), ...argv].join("\t");
}

function runBlock(scene: Scene, mode: Mode, { name, executable, stateRoot }: Subject): Block {
  const argv = [executable, "--root", stateRoot, "run", "--bundle", scene.shortBundle, containerId];
  return [step({ mode, command: "run", subject: name }, argv)];
}

function lifeBlock(scene: Scene, mode: Mode, { name, executable, stateRoot }: Subject): Block {
  const verb = (command: string, ...args: readonly string[]): string =>
    step({ mode, command, subject: name }, [executable, "--root", stateRoot, command, ...args]);
  return [
    verb("create", "--bundle", scene.longBundle, containerId),
    verb("start", containerId),
    verb("state", containerId),
    verb("exec", containerId, "/bin/true"),
    verb("kill", containerId, "KILL"),
    "reap",
    verb("delete", containerId),
  ];
}

function startUpBlocks(scene: Scene, mode: Mode): Block[] {
  const block = (subject: string, argv: readonly string[]): Block => [
    step({ mode, command: "start-up", subject }, argv),
  ];
  const blocks = scene.runtimes.map(({ name, executable }) =>
    block(`${name} --version`, [executable, "--version"]),
  );
  blocks.push(block("empty", [scene.emptyExecutable]));
  blocks.push(block("first line", [scene.firstLineExecutable]));
  return blocks;
}

/** Every subject in turn, `repeat` times each before the next; each round begins with another subject. */
function interleave(blocks: readonly Block[], rounds: number, repeat: number): string[] {
  const steps: string[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < blocks.length; turn++) {
      const block = blocks[(round + turn) % blocks.length] ?? [];
      for (let time = 0; time < repeat; time++) steps.push(...block);
    }
  }
  return steps;
}

/** Repetitions in a tight row: the second and later ones meet what the one before has left. */
const tightRow = 4;

/** The whole run; `rounds` is how often a paced command is measured. */
export function plan(scene: Scene, rounds: number): Schedule {
  const steps: string[] = [];
  for (const mode of ["tight", "paced"] as const) {
    const [times, row] = mode === "tight" ? [Math.ceil(rounds / 2), tightRow] : [rounds, 1];
    steps.push(...interleave(startUpBlocks(scene, mode), times, row));
    const { runtimes } = scene;
    steps.push(
      ...interleave(
        runtimes.map((subject) => runBlock(scene, mode, subject)),
        times,
        row,
      ),
    );
    steps.push(
      ...interleave(
        runtimes.map((subject) => lifeBlock(scene, mode, subject)),
        times,
        row,
      ),
    );
  }
  return { steps, measurements: steps.filter((line) => line !== "reap").length };
}
