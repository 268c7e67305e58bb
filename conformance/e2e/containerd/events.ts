/** Owns following `ctr events`. */
import { until } from "../../harness/wait.ts";
import type { Running } from "../command.ts";
import { ctr, launch, mainNamespace } from "./ctr.ts";
import { imageName } from "./image.ts";

export interface ContainerdEvent {
  readonly namespace: string;
  readonly topic: string;
  readonly body: Readonly<Record<string, unknown>>;
}

let marks = 0;

/** Events of the run from its opening on. */
export class Events {
  private readonly running: Running;

  private constructor(running: Running) {
    this.running = running;
  }

  /** Resolves when events are really coming: ctr does not tell, so a label is changed until that is seen. */
  static async open(): Promise<Events> {
    const events = new Events(launch(["events"]));
    const mark = `m${++marks}`;
    const deadline = Date.now() + 10_000;
    while (!events.running.stdout().includes(mark)) {
      if (Date.now() > deadline) throw new Error("ctr events shows nothing");
      (await ctr(["image", "label", imageName, `mark=${mark}`])).ok();
    }
    return events;
  }

  /** All events of tasks so far: those of one container, or all of the namespace. */
  all(id?: string): ContainerdEvent[] {
    const lines = this.running.stdout().split("\n").slice(0, -1);
    const parsed = lines.map((line) => {
      const [, namespace = "", topic = "", text] = / (\S+) (\/\S+) (\{.*\})$/.exec(line) ?? [];
      const body = JSON.parse(text ?? "{}") as ContainerdEvent["body"];
      return { namespace, topic, body };
    });
    return parsed.filter(
      ({ namespace, topic, body }) =>
        namespace === mainNamespace &&
        topic.startsWith("/tasks/") &&
        (id === undefined || body["container_id"] === id),
    );
  }

  /** "create", "exec-added e1", "exit", "exit e1": topics in order, with the exec's id where there is one. */
  order(id: string): string[] {
    return this.all(id).map(({ topic, body }) => {
      const exec = body["exec_id"] ?? (body["id"] === id ? undefined : body["id"]);
      return `${topic.replace("/tasks/", "")}${exec ? ` ${String(exec)}` : ""}`;
    });
  }

  /** Waits for an event of a container. */
  next(id: string, what: string, timeoutMs?: number): Promise<ContainerdEvent> {
    return until(
      `${what} of ${id}`,
      () => this.all(id)[this.order(id).indexOf(what)],
      timeoutMs,
    ) as Promise<ContainerdEvent>;
  }

  async close(): Promise<void> {
    this.running.kill("SIGKILL");
    await this.running.done;
  }
}
