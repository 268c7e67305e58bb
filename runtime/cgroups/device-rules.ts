/**
 * The device access rules of a container as a state, and the least writes that bring a v1 devices
 * cgroup there. Pure.
 */
import type { DeviceRule } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import type { Integer } from "../base/u64.ts";

/** Access bits; the values are those of BPF_DEVCG_ACC_*. */
export const accessMknod = 1;
export const accessRead = 2;
export const accessWrite = 4;
export const accessAll = 7;

/** Devices which are treated unlike the default; -1 is any number. */
export interface DeviceException {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

/**
 * What a devices cgroup does: a default, and exceptions from it (a kernel devices cgroup holds
 * exactly this).
 */
export interface DeviceState {
  readonly defaultAllow: boolean;
  readonly exceptions: readonly DeviceException[];
}

/** A line for devices.allow or devices.deny. */
export interface DeviceWrite {
  readonly file: "devices.allow" | "devices.deny";
  readonly value: string;
}

/**
 * What every container may use whatever the config says: mknod of anything, and null, zero, full,
 * random, urandom, tty, pseudo terminals (runtime-spec "Default Devices"; runc's list).
 */
const defaultRules: readonly DeviceRule[] = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
  { allow: true, type: "c", major: 1, minor: 8, access: "rwm" },
  { allow: true, type: "c", major: 1, minor: 7, access: "rwm" },
  { allow: true, type: "c", major: 5, minor: 0, access: "rwm" },
  { allow: true, type: "c", major: 1, minor: 5, access: "rwm" },
  { allow: true, type: "c", major: 1, minor: 9, access: "rwm" },
  { allow: true, type: "c", major: 136, access: "rwm" },
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" },
];

/**
 * The state that linux.resources.devices asks for, applied in order on top of "deny all" and
 * followed by the default devices. Throws InvalidArgument for malformed rules, and for a rule that
 * takes something out of an earlier wildcard: a devices cgroup cannot express that and would ignore
 * it silently.
 */
export function deviceState(rules: readonly DeviceRule[] | undefined): DeviceState {
  const state = new MutableState(false);
  for (const [at, rule] of (rules ?? []).entries()) {
    state.apply(rule, `linux.resources.devices[${at}]`);
  }
  for (const rule of defaultRules) state.apply(rule, "default devices");
  return state.finish();
}

/** A state while rules are applied to it. */
class MutableState {
  defaultAllow: boolean;
  #exceptions: Record<string, DeviceException> = {};

  constructor(defaultAllow: boolean) {
    this.defaultAllow = defaultAllow;
  }

  apply(rule: DeviceRule, where: string): void {
    const type = rule.type || "a";
    if (type === "a") {
      this.defaultAllow = rule.allow;
      this.#exceptions = {};
      return;
    }
    if (type !== "b" && type !== "c") {
      throw fail("InvalidArgument", `${where}: invalid cgroup device type "${type}"`);
    }
    if (!rule.access)
      throw fail("InvalidArgument", `${where}: device access field cannot be empty`);
    const exception = {
      type,
      major: deviceNumber(rule.major, `${where}.major`),
      minor: deviceNumber(rule.minor, `${where}.minor`),
      access: accessBits(rule.access, where),
    } as const;
    if (rule.allow === this.defaultAllow) this.#remove(exception, where);
    else this.#put(exception, exception.access | (this.#exceptions[key(exception)]?.access ?? 0));
  }

  #remove(exception: DeviceException, where: string): void {
    const { type, major, minor, access } = exception;
    const wildcards = [
      { type, major: -1, minor },
      { type, major, minor: -1 },
      { type, major: -1, minor: -1 },
    ];
    for (const wildcard of wildcards) {
      if (wildcard.major === major && wildcard.minor === minor) continue;
      const covering = this.#exceptions[key(wildcard)];
      if (covering === undefined || (covering.access & access) === 0) continue;
      throw fail(
        "InvalidArgument",
        `${where}: cannot punch hole in existing wildcard rule [${format(covering)}]`,
      );
    }
    this.#put(exception, (this.#exceptions[key(exception)]?.access ?? 0) & ~access);
  }

  #put(exception: DeviceException, access: number): void {
    if (access === 0) delete this.#exceptions[key(exception)];
    else this.#exceptions[key(exception)] = { ...exception, access };
  }

  finish(): DeviceState {
    return { defaultAllow: this.defaultAllow, exceptions: Object.values(this.#exceptions) };
  }
}

function key(device: { type: string; major: number; minor: number }): string {
  return `${device.type} ${device.major}:${device.minor}`;
}

function deviceNumber(value: Integer | null | undefined, field: string): number {
  if (value === undefined || value === null) return -1;
  const number = Number(value);
  if (number < -1 || number > 0xffffffff) {
    throw fail("InvalidArgument", `${field}: invalid device number ${value}`);
  }
  return number;
}

function accessBits(text: string, where: string): number {
  let bits = 0;
  for (const letter of text) {
    const bit = letter === "r" ? accessRead : letter === "w" ? accessWrite : accessMknod;
    if (letter !== "r" && letter !== "w" && letter !== "m") {
      throw fail("InvalidArgument", `${where}: unknown device access "${text}" (want r, w, m)`);
    }
    bits |= bit;
  }
  return bits;
}

/** `c 1:*` + ` rwm`, as devices.allow takes it and devices.list shows it. */
function format({ type, major, minor, access }: DeviceException): string {
  const letters =
    (access & accessRead ? "r" : "") +
    (access & accessWrite ? "w" : "") +
    (access & accessMknod ? "m" : "");
  return `${type} ${major < 0 ? "*" : major}:${minor < 0 ? "*" : minor} ${letters}`;
}

/**
 * Parses devices.list. It shows what is allowed; of a cgroup that allows by default it shows no
 * exceptions (security/device_cgroup.c), so such a state is known only in part.
 */
export function parseDevicesList(text: string): DeviceState {
  const exceptions: DeviceException[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [type, numbers, access] = line.split(" ");
    if (type === "a") return { defaultAllow: true, exceptions: [] };
    const [major, minor] = (numbers ?? "").split(":");
    if ((type !== "b" && type !== "c") || minor === undefined || access === undefined) {
      throw fail("Internal", `devices.list: cannot understand "${line}"`);
    }
    exceptions.push({
      type,
      major: major === "*" ? -1 : Number(major),
      minor: minor === "*" ? -1 : Number(minor),
      access: accessBits(access, "devices.list"),
    });
  }
  return { defaultAllow: false, exceptions };
}

/**
 * The writes that lead from a state to another and disturb running processes least. `from` is
 * undefined for a new cgroup whose inherited state was not read: then everything is written.
 * Allow-by-default states are not known fully (see parseDevicesList), so leaving or entering one
 * starts over with "all".
 */
export function deviceWrites(from: DeviceState | undefined, to: DeviceState): DeviceWrite[] {
  const writes: DeviceWrite[] = [];
  const write = (allow: boolean, value: string): void => {
    writes.push({ file: allow ? "devices.allow" : "devices.deny", value });
  };
  let old = from?.exceptions ?? [];
  if (from === undefined || from.defaultAllow || to.defaultAllow) {
    write(to.defaultAllow, "a");
    old = [];
  }
  const accessIn = (list: readonly DeviceException[], device: DeviceException): number =>
    list.find((e) => key(e) === key(device))?.access ?? 0;
  for (const exception of old) {
    const access = exception.access & ~accessIn(to.exceptions, exception);
    if (access !== 0) write(to.defaultAllow, format({ ...exception, access }));
  }
  for (const exception of to.exceptions) {
    const access = exception.access & ~accessIn(old, exception);
    if (access !== 0) write(!to.defaultAllow, format({ ...exception, access }));
  }
  return writes;
}
