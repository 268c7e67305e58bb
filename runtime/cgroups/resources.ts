/** The form in which limits travel from the config to the kernel: an ordered list of file writes. */

/** An integer of the config; a bigint when it does not fit a double exactly. */
export type Int = number | bigint;

/** `linux.resources` of config.json (runtime-spec config-linux.md), as far as cgroups act upon it. */
export interface LinuxResources {
  readonly devices?: readonly LinuxDeviceCgroup[];
  readonly memory?: LinuxMemory;
  readonly cpu?: LinuxCpu;
  readonly pids?: { readonly limit?: Int };
  readonly blockIO?: LinuxBlockIo;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: Int }[];
  readonly network?: {
    readonly classID?: Int;
    readonly priorities?: readonly { readonly name: string; readonly priority: Int }[];
  };
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: Int; readonly hcaObjects?: Int }>>;
  readonly unified?: Readonly<Record<string, string>>;
}

export interface LinuxDeviceCgroup {
  readonly allow: boolean;
  readonly type?: string;
  readonly major?: Int;
  readonly minor?: Int;
  readonly access?: string;
}

export interface LinuxMemory {
  readonly limit?: Int;
  readonly reservation?: Int;
  readonly swap?: Int;
  readonly kernel?: Int;
  readonly kernelTCP?: Int;
  readonly swappiness?: Int;
  readonly disableOOMKiller?: boolean;
  readonly useHierarchy?: boolean;
  readonly checkBeforeUpdate?: boolean;
}

export interface LinuxCpu {
  readonly shares?: Int;
  readonly quota?: Int;
  readonly burst?: Int;
  readonly period?: Int;
  readonly realtimeRuntime?: Int;
  readonly realtimePeriod?: Int;
  readonly cpus?: string;
  readonly mems?: string;
  readonly idle?: Int;
}

export interface LinuxThrottleDevice {
  readonly major: Int;
  readonly minor: Int;
  readonly rate: Int;
}

export interface LinuxBlockIo {
  readonly weight?: Int;
  readonly leafWeight?: Int;
  readonly weightDevice?: readonly {
    readonly major: Int;
    readonly minor: Int;
    readonly weight?: Int;
    readonly leafWeight?: Int;
  }[];
  readonly throttleReadBpsDevice?: readonly LinuxThrottleDevice[];
  readonly throttleWriteBpsDevice?: readonly LinuxThrottleDevice[];
  readonly throttleReadIOPSDevice?: readonly LinuxThrottleDevice[];
  readonly throttleWriteIOPSDevice?: readonly LinuxThrottleDevice[];
}

/** One write to one cgroup file, with what is needed to explain its failure. */
export interface LimitWrite {
  /** v1: the hierarchy; v2: the controller that owns the file, for messages. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** Where in config.json it comes from: `linux.resources.memory.limit`. */
  readonly field: string;
  /** Another file to write when `file` does not exist (the same limit of another scheduler or kernel). */
  readonly otherwise?: { readonly file: string; readonly value: string };
  /** The limit is left out, with a warning where one is given, when no file for it exists. */
  readonly optional?: true | string;
  /**
   * An EINVAL may come from the order of interdependent files (period and quota, memory and memory+swap): try again
   * after the controller's other writes.
   */
  readonly retry?: true;
}

/** Limits as a list of writes, and what of the config has no effect here. */
export interface LimitPlan {
  readonly writes: readonly LimitWrite[];
  readonly warnings: readonly string[];
}
