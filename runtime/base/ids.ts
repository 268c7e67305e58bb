/** The rule for container ids; nothing may build a path from an id that has not passed here. */
import { fail } from "./errors.ts";

/** runc's bound; a directory name ends at 255 bytes, which the kernel then says. */
const maximumLength = 1024;

/**
 * Accepts letters, digits and `_ + - .`, but neither "." nor "..".
 * Throws InvalidArgument with runc's text for anything else.
 */
export function checkContainerId(id: string): void {
  if (id === "") throw fail("InvalidArgument", "container id cannot be empty");
  if (id.length > maximumLength) {
    throw fail("InvalidArgument", `container id is longer than ${maximumLength} characters`);
  }
  if (!/^[A-Za-z0-9_+.-]+$/.test(id) || id === "." || id === "..") {
    throw fail("InvalidArgument", `invalid container ID format: ${printable(id)}`, {
      hint: "letters, digits and _ + - . are allowed",
    });
  }
}

/** Line breaks and control characters must not reach a log as they are. */
function printable(id: string): string {
  return /^[\x20-\x7e]*$/.test(id) ? id : JSON.stringify(id);
}
