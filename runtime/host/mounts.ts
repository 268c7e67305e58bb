/** The mount points of our mount namespace (proc_pid_mountinfo(5)). */
import { readFileSync } from "node:fs";

/** Absolute paths in the order of mounting. */
export function mountPoints(): string[] {
  return parseMountPoints(readFileSync("/proc/self/mountinfo", "latin1"));
}

/** In: the text of mountinfo, a character a byte; blanks and backslashes are octal escapes there. */
export function parseMountPoints(text: string): string[] {
  const points: string[] = [];
  for (const line of text.split("\n")) {
    const field = line.split(" ")[4];
    if (field === undefined) continue;
    const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    points.push(Buffer.from(bytes, "latin1").toString("utf8"));
  }
  return points;
}
