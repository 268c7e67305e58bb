/** Init's part of a trace: which operation took how long. */
import { addSpan, isTracing } from "../base/trace.ts";
import { describeOp } from "../plan/describe.ts";
import type { Plan } from "../plan/plan.ts";
import type { Message } from "./init-message.ts";

/** The plan to carry out: with `--trace` init times its operations. */
export function traceable(plan: Plan): Plan {
  return isTracing() ? { ...plan, ops: [{ op: "trace" }, ...plan.ops] } : plan;
}

/** When the operation before the next message's first one has ended; one init at a time is traced. */
let lastEnd = 0;

/** Adds the operations of a trace message. */
export function addInitSpans(plan: Plan, message: Message, pid: number): void {
  const ends = message.text.trimEnd().split(" ");
  ends.forEach((text, at) => {
    const index = message.value + at;
    const op = plan.ops[index];
    const end = Number(text) / 1000;
    // the first one is `trace` itself, before which there is no time to go by
    if (op !== undefined && op.op !== "trace") {
      addSpan(`${op.op}: ${describeOp(plan, index)}`, lastEnd, end, pid);
    }
    lastEnd = end;
  });
}
