/** From the configured process to `ready`: the part of a plan that create and exec have in common. */
import type { Linux } from "../../schemas/generated/config.ts";
import { addKeyLabel, addLabels, type Labels } from "./labels.ts";
import { type PlanBuilder, syncPoint } from "./plan.ts";
import {
  addCredentials,
  addFilter,
  addHome,
  addKeyring,
  addLookUp,
  addSeal,
  type ProcessInput,
} from "./process.ts";
import { addContainerWide, addPriorities } from "./scheduling.ts";

export interface ProgramInput extends ProcessInput {
  readonly linux: Linux;
  readonly labels: Labels;
  readonly inUserNamespace: boolean;
  /** The fd besides the program's own that stays open for a while, or -1. */
  readonly gateFd: number;
}

/** All but the program, which addExecution adds after what may still come between. */
export function addProgram(builder: PlanBuilder, input: ProgramInput): void {
  const { process } = input;
  addKeyLabel(builder, input.labels);
  addKeyring(builder, input);
  addLabels(builder, input.labels);
  addHome(builder, process);
  addPriorities(builder, process, input.inUserNamespace);
  addContainerWide(builder, input.linux);
  addCredentials(builder, input);
  addSeal(builder, input, input.gateFd);
  addLookUp(builder, process);
  addFilter(builder, input, "before ready");
  builder.ops.push({ op: "sync", point: syncPoint.ready });
}
