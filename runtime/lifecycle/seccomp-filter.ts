/** The compiled filter of a profile, from the cache below the state root when it was compiled before. */
import type { Seccomp } from "../../schemas/generated/config.ts";
import type { SeccompFilter } from "../plan/process.ts";
import { compileSeccompCached } from "../seccomp/cache.ts";
import type { Runtime } from "./context.ts";

export async function loadFilter(rt: Runtime, profile: Seccomp): Promise<SeccompFilter> {
  const compiled = await compileSeccompCached(profile, rt.root);
  for (const warning of compiled.warnings) rt.log.debug(`seccomp: ${warning}`);
  return compiled;
}
