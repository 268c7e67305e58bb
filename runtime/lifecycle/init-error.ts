/** Turns init's report (operation index, errno, step, detail) into the one line that the user reads. */
import type { Op } from "../../schemas/generated/plan.ts";
import { codeOfErrno, errnoText, errnoWords, fail, type RuntimeError } from "../base/errors.ts";
import { describeOp } from "../plan/describe.ts";
import type { Plan } from "../plan/plan.ts";

export interface InitReport {
  readonly index: number;
  /** Symbolic. */
  readonly errno: string;
  /** The syscall, or what else was refused. */
  readonly step: string;
  readonly detail: string;
}

/** In: the plan that the index refers to; undefined where only `start` is at hand and the plan is gone. */
export function initError(plan: Plan | undefined, report: InitReport): RuntimeError {
  const { errno, step, detail } = report;
  const op = plan?.ops[report.index];
  const facts = { errno, syscall: step, stage: "init" as const };
  if (step === "hook") return fail("FailedPrecondition", `error running hook ${detail}`, facts);
  const text = step === "execve" ? `exec ${detail}: ${errnoWords(errno)}` : programText(op, errno);
  if (text !== undefined) {
    return fail("InvalidArgument", `unable to start container process: ${text}`, facts);
  }
  const about = plan === undefined ? "run the program" : describeOp(plan, report.index);
  const words = `${step}: ${errnoText(errno)}${detail === "" ? "" : `: ${detail}`}`;
  return fail(codeOfErrno(errno), `unable to start container process: ${about}: ${words}`, {
    ...facts,
    hint: hintFor(op, errno),
  });
}

/** Go's texts for a program that cannot be run: dockerd and podman look for them. */
function programText(op: Op | undefined, errno: string): string | undefined {
  const words = errnoWords(errno);
  if (op?.op === "changeDirectory") {
    return `chdir to cwd (${JSON.stringify(op.path)}) set in config.json failed: ${words}`;
  }
  if (op?.op !== "findExecutable") return undefined;
  const program = `exec: ${JSON.stringify(op.name)}`;
  if (!op.name.includes("/") && errno === "ENOENT") {
    return `${program}: executable file not found in $PATH`;
  }
  if (errno === "ENOENT" || errno === "ENOTDIR") return `${program}: stat ${op.name}: ${words}`;
  return `${program}: ${words}`;
}

function hintFor(op: Op | undefined, errno: string): string | undefined {
  if (op?.op === "joinNamespace" && errno === "EINVAL") {
    return "the path is not a namespace of the type that the config says";
  }
  if (op?.op === "attach" && (errno === "ELOOP" || errno === "ENOTDIR")) {
    return "the mount's target is a symbolic link or not a directory in the root file system";
  }
  if (op?.op === "idMapMount" && errno === "EINVAL") {
    return "the source's file system does not support id-mapped mounts, or the mapping is empty";
  }
  if (op?.op === "idMapMount" && errno === "EPERM") {
    return "id-mapped mounts need root on the host, and a source that is not id-mapped yet";
  }
  if (op?.op === "moveNetDevice" && errno === "EEXIST") {
    return "the container has an interface of this name already";
  }
  if (op?.op === "writeProc" && errno === "ENOENT" && op.path.startsWith("sys/")) {
    return "this kernel has no such sysctl";
  }
  if ((op?.op === "setRlimit" || op?.op === "raiseRlimit") && errno === "EPERM") {
    return "the hard limit is above the caller's, which takes CAP_SYS_RESOURCE";
  }
  return undefined;
}
