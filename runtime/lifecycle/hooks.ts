/** Hooks that run in the runtime's own namespaces: prestart, createRuntime, poststart and poststop. */
import { closeSync, readSync } from "node:fs";
import type { Hook } from "../../schemas/generated/config.ts";
import type { State } from "../../schemas/generated/state.ts";
import { fail, wrap } from "../base/errors.ts";
import { span } from "../base/trace.ts";
import type { Runtime } from "./context.ts";
import type { InitProcess } from "./init-session.ts";
import type { StateFile } from "./store.ts";

export type HookKind = "prestart" | "createRuntime" | "poststart" | "poststop";

const outputLimit = 4096;
const SIGKILL = 9;

/** The state document that a hook reads from stdin (runtime-spec, state). */
export function hookState(state: StateFile, status: State["status"], pid: number): State {
  const { ociVersion, id, bundle, annotations } = state;
  return {
    ociVersion,
    id,
    status,
    ...(pid > 0 ? { pid } : {}),
    bundle,
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** A sealed memfd with the state; the caller closes it. */
export function stateMemory(rt: Runtime, state: State): number {
  return rt.native().sealedMemory("state", new TextEncoder().encode(JSON.stringify(state)));
}

/**
 * Runs hooks in order and stops at the first that fails.
 * @throws FailedPrecondition with the hook's kind, number, exit status and output.
 */
export async function runHooks(
  rt: Runtime,
  kind: HookKind,
  hooks: readonly Hook[] | undefined,
  state: State,
): Promise<void> {
  for (const [index, hook] of (hooks ?? []).entries()) {
    const ran = span(`${kind} hook #${index}`);
    try {
      await runHook(rt, hook, state);
      ran();
    } catch (error) {
      throw wrap(error, { op: `error running ${kind} hook #${index}` });
    }
  }
}

/** Runs hooks whose failure is a warning only, all of them (runtime-spec, lifecycle). */
export async function runHooksWarning(
  rt: Runtime,
  kind: HookKind,
  hooks: readonly Hook[] | undefined,
  state: State,
): Promise<void> {
  for (const hook of hooks ?? []) {
    try {
      await runHooks(rt, kind, [hook], state);
    } catch (error) {
      rt.log.warn((error as Error).message);
    }
  }
}

/**
 * Runs the poststart hooks of a container that has just been started. What a failure means depends on the version that the
 * bundle is written for: up to 1.2 a warning, since 1.3 an error that ends the container (runtime-spec, lifecycle step 9).
 * @throws as runHooks does, from 1.3 on.
 */
export async function runPoststart(rt: Runtime, container: StateFile): Promise<void> {
  const { poststart, pid, ociVersion } = container;
  if (poststart === undefined) return;
  const run = /^1\.[0-2]\./.test(ociVersion) ? runHooksWarning : runHooks;
  await run(rt, "poststart", poststart, hookState(container, "running", pid));
}

async function runHook(rt: Runtime, hook: Hook, state: State): Promise<void> {
  const native = rt.native();
  const input = stateMemory(rt, state);
  const [output, theirs] = native.pipe();
  let child: InitProcess;
  try {
    child = startHook(rt, hook, [input, theirs, theirs]);
  } catch (error) {
    closeSync(output);
    throw error;
  } finally {
    closeSync(input);
    closeSync(theirs);
  }
  try {
    const text = await watch(rt, child, output, hook);
    const status = native.waitPid(child.pid, false);
    if (status === 0) return;
    const said = text === "" ? "" : `, output: ${text}`;
    throw fail("FailedPrecondition", `${hook.path}: exit status ${status}${said}`);
  } finally {
    closeSync(child.pidfd);
    closeSync(output);
  }
}

function startHook(rt: Runtime, hook: Hook, stdio: readonly [number, number, number]): InitProcess {
  const args = hook.args ?? [];
  try {
    return rt.native().spawn({
      file: hook.path,
      argv: args.length === 0 ? [hook.path] : args,
      env: hook.env ?? [],
      stdio,
      keepFds: [],
      cloneFlags: 0,
      cgroupFd: -1,
    });
  } catch (error) {
    throw wrap(error, { op: "execute", path: hook.path });
  }
}

/** Collects output until the hook ends; a child that it leaves behind may hold the pipe for ever. */
async function watch(rt: Runtime, child: InitProcess, output: number, hook: Hook): Promise<string> {
  const end = hook.timeout === undefined ? undefined : Date.now() + hook.timeout * 1000;
  let text = "";
  let open = true;
  for (;;) {
    const left = end === undefined ? -1 : Math.max(end - Date.now(), 0);
    const ready = await rt.waiter.wait(open ? [child.pidfd, output] : [child.pidfd], left);
    if (ready.length === 0) {
      rt.native().signalPidfd(child.pidfd, SIGKILL);
      rt.native().waitPid(child.pid, false);
      throw fail("DeadlineExceeded", `${hook.path}: timed out after ${hook.timeout} s`);
    }
    if (ready.includes(output)) {
      const chunk = new Uint8Array(outputLimit);
      const count = readSync(output, chunk);
      if (count === 0) open = false;
      if (text.length < outputLimit) text += new TextDecoder().decode(chunk.subarray(0, count));
    }
    // one that it leaves behind may go on writing: what a chunk does not hold is lost then
    if (ready.includes(child.pidfd)) return text.trimEnd();
  }
}
