/** An operation in words, for error messages and for people who read plans. */
import type { Op } from "../../schemas/generated/plan.ts";
import { rlimitName } from "../spec/rlimits.ts";
import type { Plan } from "./plan.ts";

/** `mount proc on /proc`, `write /proc/sys/net/...`: what the operation with this index was about. */
export function describeOp(plan: Plan, index: number): string {
  const op = plan.ops[index];
  if (op === undefined) return "read plan";
  if ("slot" in op) return plan.slots[op.slot] ?? op.op;
  return describeFields(op);
}

function describeFields(op: Op): string {
  switch (op.op) {
    case "joinCgroup":
      return `join cgroup ${op.path}`;
    case "writeProc":
      return `write ${op.value} to /proc/${op.path}`;
    case "joinNamespace":
      return `join namespace ${op.path}`;
    case "joinProcess":
      return "join the container's namespaces";
    case "unshare":
    case "fork":
      return "make namespaces";
    case "hostname":
    case "domainname":
      return `set ${op.op} ${op.name}`;
    case "makeDirectory":
    case "makeSymlink":
    case "makeDevice":
      return `make ${op.path}`;
    case "setPropagation":
      return `set propagation of ${op.path}`;
    case "maskPath":
      return `mask ${op.path}`;
    case "readonlyPath":
      return `make ${op.path} read-only`;
    case "openRoot":
      return `open root ${op.path}`;
    case "remount":
      return `remount ${op.target}`;
    case "moveNetDevice":
      return `move network device ${op.name}${op.name === op.newName ? "" : ` as ${op.newName}`}`;
    case "hook":
      return `run hook ${op.path}`;
    case "changeDirectory":
      return `chdir to cwd ("${op.path}") set in config.json failed`;
    case "setIds":
      return `set user ${op.uid}, group ${op.gid}`;
    case "setRlimit":
      return `set ${rlimitName(op.resource)} to ${op.soft}:${op.hard}`;
    case "raiseRlimit":
      return `raise ${rlimitName(op.resource)} to ${op.hard}`;
    default:
      return op.op.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  }
}
