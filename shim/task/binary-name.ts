/** Options.BinaryName: the runtime that runc's shim would execute. Nothing is executed here, but a name must be right. */
import { existsSync } from "node:fs";
import { fail } from "../../runtime/base/errors.ts";

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @throws NotFound as runc's shim would for a program that is not there: a setting that is wrong is not to be silent. */
export function requireBinary(name: string): void {
  if (name === "") return;
  const candidates = name.includes("/")
    ? [name]
    : (process.env["PATH"] ?? defaultPath).split(":").map((directory) => `${directory}/${name}`);
  if (candidates.some((path) => existsSync(path))) return;
  const text = `exec: "${name}": ${name.includes("/") ? "no such file or directory" : "executable file not found in $PATH"}`;
  throw fail("Unknown", `OCI runtime create failed: unable to retrieve OCI runtime error: ${text}`);
}
