/** A Runtime for tests: the real addon, a state root of its own, a log that is kept. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { libexecDir, loadNative } from "../native/binding.ts";
import { blockingWaiter } from "./blocking-waiter.ts";
import type { Runtime } from "./context.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

/** False before `make native`: what needs the addon has to be skipped. */
export function hasAddon(): boolean {
  return existsSync(`${libexecDir()}/tsrunc.node`);
}

export interface TestRuntime extends Runtime {
  readonly warnings: string[];
  remove(): void;
}

export function testRuntime(env: Runtime["env"] = {}): TestRuntime {
  const root = mkdtempSync(`${process.env["TMPDIR"] ?? "/tmp"}/tsrunc-test-`);
  const warnings: string[] = [];
  const native = () => loadNative(PLAN_ABI);
  const ignore = () => undefined;
  const warn = (text: string) => void warnings.push(text);
  return {
    root,
    rootGiven: true,
    systemdCgroup: false,
    rootless: "auto",
    debug: false,
    log: { debug: ignore, info: ignore, warn, error: warn, toStderr: false },
    env,
    native,
    waiter: blockingWaiter(native),
    warnings,
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
