/** The rules that a config has to obey beyond its shape; the tables are in check-*.ts. */
import type { LinuxResources, Process, Spec } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { capabilityMask } from "./capabilities.ts";
import { linuxRules, namespaceRules, resourceRules } from "./check-linux.ts";
import { mountRules, mountWarnings } from "./check-mounts.ts";
import { processRules } from "./check-process.ts";
import { seccompRules } from "./check-seccomp.ts";
import type { Rule, Subject } from "./rule.ts";

/** HOST_NAME_MAX. */
const maximumHostname = 64;

const generalRules: readonly Rule<Spec>[] = [
  {
    when: ({ ociVersion }) =>
      !/^\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?$/.test(ociVersion) && (ociVersion || '""'),
    message: (what) => `ociVersion: ${what} is not a semantic version`,
  },
  {
    when: ({ ociVersion }) => !ociVersion.startsWith("1.") && ociVersion,
    code: "Unimplemented",
    message: (what) => `ociVersion: ${what} is not supported, only 1.x`,
  },
  { when: ({ root }) => root === undefined, message: () => "root must be specified" },
  { when: ({ root }) => root?.path === "", message: () => "root.path: must not be empty" },
  {
    when: ({ process }) => process === undefined,
    message: () => "process property must not be empty",
  },
  {
    when: ({ hostname = "" }) => hostname.length > maximumHostname,
    message: () => `hostname: longer than ${maximumHostname} characters`,
  },
  {
    when: ({ domainname = "" }) => domainname.length > maximumHostname,
    message: () => `domainname: longer than ${maximumHostname} characters`,
  },
  {
    when: ({ annotations = {} }) => Object.hasOwn(annotations, ""),
    message: () => "annotations: a key is empty",
  },
];

/** Throws for the first rule that is broken. */
function apply<T>(rules: readonly Rule<T>[], subject: T): void {
  for (const { when, code, message } of rules) {
    const found = when(subject);
    if (found === undefined || found === false || found === "") continue;
    throw fail(code ?? "InvalidArgument", message(found === true ? "" : found));
  }
}

function subjectOf(spec: Spec, process: Process): Subject {
  const { linux = {} } = spec;
  const types = linux.namespaces?.map(({ type }) => type) ?? [];
  return { spec, process, linux, has: (type) => types.includes(type) };
}

/**
 * Checks what JSON Schema cannot say (runtime-spec config.md and config-linux.md, and runc's validator). Pure: nothing of
 * the host is looked at. Throws InvalidArgument, or Unimplemented for a version of the specification to come.
 * `warn` is told about what is accepted though it is not right.
 */
export function checkSpec(spec: Spec, warn?: (text: string) => void): void {
  apply(generalRules, spec);
  const { process } = spec;
  if (process === undefined) return;
  const subject = subjectOf(spec, process);
  apply(processRules, process);
  apply(namespaceRules, subject);
  apply(linuxRules, subject);
  apply(mountRules, subject);
  if (subject.linux.resources !== undefined) apply(resourceRules, subject.linux.resources);
  if (subject.linux.seccomp !== undefined) apply(seccompRules, subject.linux.seccomp);
  if (warn !== undefined) for (const text of warnings(subject)) warn(text);
}

/** The rules for a process alone, as `exec` gets it. */
export function checkProcess(process: Process): void {
  apply(processRules, process);
}

/** The rules for resources alone, as `update` gets them. */
export function checkResources(resources: LinuxResources): void {
  apply(resourceRules, resources);
}

/**
 * What a runtime without privileges needs in a config, in runc's words; undefined when it is all there.
 * Mount options uid= and gid= have to name ids that are mapped.
 */
export function rootlessProblem(spec: Spec): string | undefined {
  const { namespaces = [], uidMappings = [], gidMappings = [], netDevices = {} } = spec.linux ?? {};
  const user = namespaces.find(({ type }) => type === "user");
  if (user === undefined) return "rootless container requires user namespaces";
  if (Object.keys(netDevices).length > 0)
    return "network devices are not supported for rootless containers";
  if ((user.path ?? "") !== "") return undefined;
  if (uidMappings.length === 0) return "rootless containers requires at least one UID mapping";
  if (gidMappings.length === 0) return "rootless containers requires at least one GID mapping";
  for (const option of (spec.mounts ?? []).flatMap(({ options = [] }) => options)) {
    const match = /^([ug]id)=(\d+)$/.exec(option);
    if (match === null) continue;
    const id = Number(match[2]);
    const mappings = match[1] === "uid" ? uidMappings : gidMappings;
    if (mappings.some(({ containerID, size }) => id >= containerID && id < containerID + size))
      continue;
    return `cannot specify ${option} mount option for unmapped ID in rootless container`;
  }
  return undefined;
}

function* warnings({ spec, process, linux }: Subject): Generator<string> {
  for (const { destination } of spec.mounts ?? []) {
    if (destination.startsWith("/")) continue;
    yield `mount destination ${destination} is not absolute: it is taken as relative to /`;
  }
  yield* mountWarnings(spec.mounts ?? []);
  const unknown: string[] = [];
  for (const names of Object.values(process.capabilities ?? {})) {
    if (Array.isArray(names)) unknown.push(...capabilityMask(names).unknown);
  }
  if (unknown.length > 0)
    yield `ignoring unknown or unavailable capabilities: [${[...new Set(unknown)].join(" ")}]`;
  const flags = linux.personality?.flags ?? [];
  if (flags.length > 0) yield `ignoring unsupported personality flags: ${flags.join(", ")}`;
  if (linux.resources?.memory?.kernel !== undefined) {
    yield "kernel memory settings are ignored: the kernel has no such limits";
  }
}
