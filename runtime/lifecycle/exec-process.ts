/** The process that `exec` runs: the container's own, changed by options, or one from a file. */
import type { Capabilities, Process, Spec } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { parseUser } from "../base/user.ts";
import { loadProcess } from "../spec/load.ts";

export interface ProcessOptions {
  /** `--process`: replaces everything that other options say about the process. */
  readonly processFile?: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: readonly string[];
  readonly tty?: boolean;
  /** `uid[:gid]`, numbers only. */
  readonly user?: string;
  readonly additionalGids: readonly number[];
  readonly processLabel?: string;
  readonly apparmor?: string;
  readonly noNewPrivs?: boolean;
  readonly caps: readonly string[];
}

/** The container's own process as frozen at create, changed by what the options say. */
export function execProcess(spec: Spec, options: ProcessOptions): Process {
  const base = spec.process;
  if (options.processFile !== undefined) {
    return withAffinity(spec, loadProcess(options.processFile));
  }
  if (base === undefined) throw fail("FailedPrecondition", "the container's config has no process");
  const { user, caps, tty, noNewPrivs } = options;
  return {
    ...base,
    terminal: tty ?? false,
    args: options.args,
    env: [...(base.env ?? []), ...options.env],
    user: {
      ...base.user,
      ...(user === undefined ? {} : userOf(user)),
      ...(options.additionalGids.length === 0 ? {} : { additionalGids: options.additionalGids }),
    },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(caps.length === 0 ? {} : { capabilities: addCapabilities(base.capabilities, caps) }),
    ...(noNewPrivs === undefined ? {} : { noNewPrivileges: noNewPrivs }),
    ...(options.apparmor === undefined ? {} : { apparmorProfile: options.apparmor }),
    ...(options.processLabel === undefined ? {} : { selinuxLabel: options.processLabel }),
  };
}

/** A process from elsewhere: the container's affinity is for all that join it. */
export function withAffinity({ process: base }: Spec, process: Process): Process {
  const { execCPUAffinity } = base ?? {};
  return execCPUAffinity === undefined ? process : { execCPUAffinity, ...process };
}

function userOf(text: string): { uid: number; gid?: number } {
  const { uid, gid } = parseUser(text);
  return gid === undefined ? { uid } : { uid, gid };
}

/** --cap never touches the inheritable set, and the ambient one only where it is inheritable already (CVE-2022-29162). */
function addCapabilities(base: Capabilities | undefined, caps: readonly string[]): Capabilities {
  const inheritable = base?.inheritable ?? [];
  const ambient = caps.filter((name) => inheritable.includes(name));
  return {
    bounding: [...(base?.bounding ?? []), ...caps],
    effective: [...(base?.effective ?? []), ...caps],
    permitted: [...(base?.permitted ?? []), ...caps],
    inheritable,
    ambient: [...(base?.ambient ?? []), ...ambient],
  };
}
