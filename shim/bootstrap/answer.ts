/** Standard output of a helper: the answer, whole, and nothing else. */
import { writeSync } from "node:fs";
import { wrap } from "../../runtime/base/errors.ts";

/** @throws when it cannot be written: containerd would take half an answer for one. */
export function writeAnswer(answer: Uint8Array): void {
  try {
    for (let done = 0; done < answer.length; ) done += writeSync(1, answer, done);
  } catch (error) {
    throw wrap(error, { op: "write standard output" });
  }
}
