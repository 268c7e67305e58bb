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
    points.push(Buffer.from(decodeOctal(field), "latin1").toString("utf8"));
  }
  return points;
}

/** mountinfo writes blank, tab, newline and backslash as \ooo. */
export function decodeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
