/** Owns the fifos that ctr makes for a container: finding one, reading it as a client does. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fifoDirectory, workDirectory } from "./daemon.ts";

/** Path of a container's fifo; throws when ctr has not made or already removed it. */
export function fifoOf(id: string, stream: "stdin" | "stdout" | "stderr"): string {
  const directories = readdirSync(fifoDirectory()).map((name) => join(fifoDirectory(), name));
  const path = directories.map((name) => join(name, `${id}-${stream}`)).find(existsSync);
  if (path === undefined) throw new Error(`no fifo for ${stream} of ${id}`);
  return path;
}

/** What a reader of a fifo has got. */
export interface Followed {
  /** So far. */
  readonly text: () => string;
  /** Resolves at the fifo's end. */
  readonly done: Promise<unknown>;
}

const readers = new Set<ChildProcess>();

/** Ends the readers that a failed case has not waited for. */
export function closeReaders(): void {
  for (const child of readers) child.kill("SIGKILL");
}

/** Copies a fifo into a file until its end. */
export function follow(fifo: string): Followed {
  const file = join(workDirectory("follow"), "output");
  const fd = openSync(file, "w");
  const child = spawn("cat", [fifo], { stdio: ["ignore", fd, "ignore"] });
  readers.add(child);
  closeSync(fd);
  const done = new Promise((resolve) => child.on("exit", resolve)).then(() =>
    readers.delete(child),
  );
  return { text: () => readFileSync(file, "utf8"), done };
}
