/** The user of `exec --user`: numbers only, parsed strictly. */
import { fail, type RuntimeError } from "./errors.ts";

/** A numeric user with an optional group of its own. */
export interface NumericUser {
  readonly uid: number;
  /** Undefined: the group of the container's process stays. */
  readonly gid: number | undefined;
}

/** (uid_t) -1 means "no change" to the kernel and can never be an id. */
const maxId = 0xffff_fffe;

function invalid(text: string, what: string): RuntimeError {
  return fail("InvalidArgument", `invalid user "${text}": ${what}`, {
    hint: "write UID or UID:GID in decimal; names are not looked up",
  });
}

/** One id in plain decimal, or undefined: no sign, blank, prefix, trailing text or overflow (CVE-2026-30892). */
export function parseId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= maxId ? id : undefined;
}

/**
 * Reads `UID` or `UID:GID`. Rejected, not guessed: empty parts (`1:`, `:1`), trailing text, signs, `0x`, and
 * 4294967295 (a lenient parser ran `-u 1` as root, CVE-2026-30892; numeric names, CVE-2016-3697).
 * @throws InvalidArgument
 */
export function parseUser(text: string): NumericUser {
  const colon = text.indexOf(":");
  const uid = parseId(colon === -1 ? text : text.slice(0, colon));
  if (uid === undefined) throw invalid(text, "bad uid");
  if (colon === -1) return { uid, gid: undefined };
  const gid = parseId(text.slice(colon + 1));
  if (gid === undefined) throw invalid(text, "bad gid");
  return { uid, gid };
}
