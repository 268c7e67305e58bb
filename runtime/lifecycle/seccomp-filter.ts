/** The compiled filter of a profile, from the cache below the state root when it was compiled before. */
import type { Spec } from "../../schemas/generated/config.ts";
import type { SeccompFilter } from "../plan/process.ts";
import type { Runtime } from "./context.ts";

/** Undefined when the config has no profile; only otherwise the compiler's code is loaded. */
export async function loadFilter(rt: Runtime, spec: Spec): Promise<SeccompFilter | undefined> {
  const profile = spec.linux?.seccomp;
  if (profile === undefined) return undefined;
  const { compileSeccompCached } = await import("../seccomp/cache.ts");
  const compiled = await compileSeccompCached(profile, rt.root);
  for (const warning of compiled.warnings) rt.log.debug(`seccomp: ${warning}`);
  return compiled;
}
