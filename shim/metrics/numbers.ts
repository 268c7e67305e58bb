/** From numbers as cgroup files have them to fields of messages. */
import type { Integer } from "../../runtime/base/u64.ts";
import { readIfThere } from "../../runtime/cgroups/kernel-files.ts";
import { parseCount } from "../../runtime/cgroups/stats-files.ts";
import { type Uint64, u64 } from "../../schemas/protobuf.ts";

/** A u64 field, exact for all 64 bits; undefined, which is zero, for what is not counted. */
export function field(value: Integer | undefined): number | Uint64 | undefined {
  return typeof value === "bigint" ? u64(value) : value;
}

/** `key number` lines by key; all keys are absent when there is no file. */
export type Counts = Readonly<Record<string, Integer | undefined>>;

/** In hca_handle and hca_object, which have 32 bits, `max` is the highest number. */
const u32Max = 0xffff_ffff;

export interface RdmaEntry {
  readonly device: string;
  readonly hcaHandles: number;
  readonly hcaObjects: number;
}

/** rdma.current or rdma.max: `mlx4_0 hca_handle=2 hca_object=max`. */
export function readRdma(path: string): RdmaEntry[] {
  const entries: RdmaEntry[] = [];
  for (const line of readIfThere(path)?.split("\n") ?? []) {
    const [device, ...pairs] = line.split(" ");
    if (device === undefined || device === "" || pairs.length === 0) continue;
    const values: Record<string, number> = {};
    for (const pair of pairs) {
      const [name, value] = pair.split("=");
      if (name === undefined || value === undefined) continue;
      values[name] = Math.min(Number(parseCount(value)), u32Max);
    }
    const { hca_handle: hcaHandles = 0, hca_object: hcaObjects = 0 } = values;
    entries.push({ device, hcaHandles, hcaObjects });
  }
  return entries;
}
