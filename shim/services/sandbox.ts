/** The sandbox service as it is registered; its code is loaded by the first call, which most shims never get. */
import type { Sandboxes } from "../sandbox.ts";
import type { Method, Services } from "../ttrpc/server.ts";

/** What the service asks of the daemon around it. */
export interface SandboxServiceOptions {
  readonly sandboxes: Sandboxes;
  /** The last sandbox is to go: end when there is nothing left. */
  readonly shutdown: () => void;
}

const names = [
  "CreateSandbox",
  "StartSandbox",
  "Platform",
  "StopSandbox",
  "WaitSandbox",
  "SandboxStatus",
  "PingSandbox",
  "ShutdownSandbox",
  "SandboxMetrics",
] as const;

export type SandboxMethods = Readonly<Record<(typeof names)[number], Method>>;

export function sandboxServices(options: SandboxServiceOptions): Services {
  let loaded: SandboxMethods | undefined;
  const methods: Record<string, Method> = {};
  for (const name of names) {
    methods[name] = async (payload, call) => {
      if (loaded === undefined) {
        const { sandboxMethods } = await import("./sandbox-methods.ts");
        loaded = sandboxMethods(options);
      }
      return loaded[name](payload, call);
    };
  }
  return { "containerd.runtime.sandbox.v1.Sandbox": methods };
}
