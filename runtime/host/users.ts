/** Names of the host's users, from passwd(5) only: an answer for people, not a decision. */
import { readFileSync } from "node:fs";

/** The name, or the number as text when the file has none. */
export function userName(uid: number): string {
  if (uid === 0) return "root";
  let text = "";
  try {
    text = readFileSync("/etc/passwd", "utf8");
  } catch {
    // a host without the file has no names
  }
  for (const line of text.split("\n")) {
    const [name, , number] = line.split(":");
    if (name !== undefined && Number(number) === uid) return name;
  }
  return String(uid);
}
