/** Hooks that init runs itself, inside the container's namespaces. */
import type { Hook } from "../../schemas/generated/config.ts";
import type { PlanBuilder } from "./plan.ts";

/** In: the hooks of one kind, in order. A failing one ends the plan (runtime-spec, lifecycle). */
export function addHooks(builder: PlanBuilder, hooks: readonly Hook[] | undefined): void {
  for (const { path, args, env, timeout } of hooks ?? []) {
    builder.ops.push({
      op: "hook",
      path,
      args: args === undefined || args.length === 0 ? [path] : args,
      env: env ?? [],
      timeoutMs: (timeout ?? 0) * 1000,
    });
  }
}
