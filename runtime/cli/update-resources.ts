/** The resources that `update` asks for: from its flags, or from a JSON file. */
import type { LinuxResources } from "../../schemas/generated/config.ts";
import { fail, type RuntimeError } from "../base/errors.ts";
import { parseSize } from "../base/size.ts";
import type { Flag, FlagValues } from "./flags.ts";

export const updateFlags = [
  {
    name: "resources",
    short: "r",
    kind: "string",
    help: "read the limits from a JSON file (linux.resources of config.json), - for stdin; other flags are ignored",
  },
  { name: "blkio-weight", kind: "int", value: 0, help: "weight of block IO, 10 to 1000" },
  { name: "cpu-period", kind: "string", help: "CFS period in microseconds; 0: the default" },
  { name: "cpu-quota", kind: "string", help: "CFS quota in microseconds for each period" },
  { name: "cpu-burst", kind: "string", help: "CFS burst in microseconds beyond the quota" },
  { name: "cpu-share", kind: "string", help: "CPU shares relative to other containers" },
  { name: "cpu-rt-period", kind: "string", help: "realtime period in microseconds" },
  { name: "cpu-rt-runtime", kind: "string", help: "realtime microseconds in each period" },
  { name: "cpuset-cpus", kind: "string", help: "CPUs to run on, such as 0-3,7" },
  { name: "cpuset-mems", kind: "string", help: "memory nodes to use, such as 0,1" },
  { name: "cpu-idle", kind: "string", help: "1: run only when nothing else wants the CPU; 0: not" },
  { name: "kernel-memory", kind: "string", help: "" },
  { name: "kernel-memory-tcp", kind: "string", help: "" },
  {
    name: "memory",
    kind: "string",
    help: "memory limit in bytes; k, m, g, t may follow; -1: none",
  },
  {
    name: "memory-reservation",
    kind: "string",
    help: "memory to be kept under pressure, as above",
  },
  {
    name: "memory-swap",
    kind: "string",
    help: "limit of memory and swap together, as above; -1: unlimited swap",
  },
  { name: "pids-limit", kind: "int", help: "most processes and threads; -1: no limit" },
  { name: "l3-cache-schema", kind: "string", help: "Intel RDT cache schema (not available yet)" },
  { name: "mem-bw-schema", kind: "string", help: "Intel RDT bandwidth schema (not available yet)" },
] as const satisfies readonly Flag[];

export type UpdateFlags = FlagValues<typeof updateFlags>;

/** The names of flags with a text value. */
type TextFlag = {
  [Name in keyof UpdateFlags]: UpdateFlags[Name] extends string ? Name : never;
}[keyof UpdateFlags];

function invalid(flag: string, reason: string): RuntimeError {
  return fail("InvalidArgument", `invalid value for ${flag}: ${reason}`, { stage: "cli" });
}

/** A decimal integer of 64 bits, as a number where that is exact. */
function integer(flags: UpdateFlags, name: TextFlag, signed: boolean): number | bigint | undefined {
  const text = flags[name];
  if (text === "") return undefined;
  const pattern = signed ? /^[+-]?\d+$/ : /^\d+$/;
  const value = pattern.test(text) ? BigInt(text.replace("+", "")) : undefined;
  const [low, high] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  if (value === undefined || value < low || value > high) {
    throw invalid(name, `"${text}" is not ${signed ? "an integer" : "a whole number"} of 64 bits`);
  }
  return narrow(value);
}

/** A size with suffix, or -1. */
function size(flags: UpdateFlags, name: TextFlag): number | bigint | undefined {
  const text = flags[name];
  if (text === "") return undefined;
  if (text === "-1") return -1;
  try {
    return narrow(parseSize(text));
  } catch (error) {
    throw invalid(name, (error as RuntimeError).message);
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

type Writable<T> = { -readonly [Key in keyof T]?: T[Key] | undefined };

/** Without the entries that are undefined; undefined when nothing is left. */
function present<T extends object>(object: Writable<T>): T | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T);
}

function blockIoWeight(weight: number): number | undefined {
  if (weight === 0) return undefined;
  if (weight < 10 || weight > 1000) {
    throw invalid("blkio-weight", `${weight} is not between 10 and 1000`);
  }
  return weight;
}

/**
 * What the single flags ask for; only what was given is present.
 * @throws InvalidArgument naming the flag.
 */
export function resourcesFromFlags(flags: UpdateFlags): LinuxResources {
  const text = (name: TextFlag): string | undefined => flags[name] || undefined;
  type Cpu = NonNullable<LinuxResources["cpu"]>;
  type Memory = NonNullable<LinuxResources["memory"]>;
  const resources: Writable<LinuxResources> = {
    blockIO: present({ weight: blockIoWeight(flags["blkio-weight"]) }),
    cpu: present<Cpu>({
      shares: integer(flags, "cpu-share", false),
      quota: integer(flags, "cpu-quota", true),
      burst: integer(flags, "cpu-burst", false),
      period: integer(flags, "cpu-period", false),
      realtimeRuntime: integer(flags, "cpu-rt-runtime", true),
      realtimePeriod: integer(flags, "cpu-rt-period", false),
      cpus: text("cpuset-cpus"),
      mems: text("cpuset-mems"),
      idle: integer(flags, "cpu-idle", true),
    }),
    memory: present<Memory>({
      limit: size(flags, "memory"),
      reservation: size(flags, "memory-reservation"),
      swap: size(flags, "memory-swap"),
      kernel: size(flags, "kernel-memory"),
      kernelTCP: size(flags, "kernel-memory-tcp"),
    }),
    pids: present({ limit: flags["pids-limit"] }),
  };
  return present(resources) ?? {};
}
