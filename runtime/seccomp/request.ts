/** Writes a rule list in the form which native/core/seccomp.h reads. */
import type { RuleList } from "./rules.ts";

/** TSR_SECCOMP_REQUEST_VERSION. */
const VERSION = 1;
const HEADER_WORDS = 6;
const RULE_WORDS = 3;
const CONDITION_WORDS = 6;

/** runc's threshold: above it libseccomp lays the rules out as a binary tree. */
const TREE_ABOVE = 32;

/** The request for `SeccompLibrary.compile`; a list always gives the same bytes, so they can be a key. */
export function encodeRequest(list: RuleList): Uint8Array {
  const bytes = new Uint8Array(requestSize(list));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const word = (value: number): void => {
    view.setUint32(at, value, true);
    at += 4;
  };
  word(VERSION);
  word(list.defaultAction);
  word(list.archs.length);
  word(list.names.length);
  word(list.rules.length);
  word(TREE_ABOVE);
  for (const arch of list.archs) word(arch);
  for (const name of list.names) {
    bytes[at++] = name.length;
    for (let i = 0; i < name.length; i++) bytes[at++] = name.charCodeAt(i);
    at++;
  }
  for (const rule of list.rules) {
    word(rule.name);
    word(rule.action);
    word(rule.conditions.length);
    for (const condition of rule.conditions) {
      word(condition.index);
      word(condition.op);
      view.setBigUint64(at, condition.a, true);
      view.setBigUint64(at + 8, condition.b, true);
      at += 16;
    }
  }
  return bytes;
}

function requestSize(list: RuleList): number {
  let words = HEADER_WORDS + list.archs.length + list.rules.length * RULE_WORDS;
  for (const rule of list.rules) words += rule.conditions.length * CONDITION_WORDS;
  let size = words * 4;
  // A length byte before, a NUL behind; names are ASCII by then.
  for (const name of list.names) size += name.length + 2;
  return size;
}
