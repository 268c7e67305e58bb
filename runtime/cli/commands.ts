/** The commands there are: one line of help each, and how the one that runs is loaded. */
import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's module; a process loads one. */
  load(): Promise<Command>;
}

export const commands: Readonly<Record<string, CommandEntry>> = {
  checkpoint: {
    summary: "checkpoint a running container (not available yet)",
    load: async () => (await import("./checkpoint.ts")).checkpointCommand,
  },
  create: {
    summary: "create a container",
    load: async () => (await import("./create.ts")).createCommand,
  },
  delete: {
    summary: "delete what a container holds on the host",
    load: async () => (await import("./delete.ts")).deleteCommand,
  },
  events: {
    summary: "show resource usage and out-of-memory events of a container",
    load: async () => (await import("./events.ts")).eventsCommand,
  },
  exec: {
    summary: "run another process in a container",
    load: async () => (await import("./exec.ts")).execCommand,
  },
  kill: {
    summary: "send a signal (default: SIGTERM) to a container's init process",
    load: async () => (await import("./kill.ts")).killCommand,
  },
  list: {
    summary: "list the containers under the state root",
    load: async () => (await import("./list.ts")).listCommand,
  },
  pause: {
    summary: "suspend all processes of a container",
    load: async () => (await import("./pause.ts")).pauseCommand,
  },
  ps: {
    summary: "show the processes of a container",
    load: async () => (await import("./ps.ts")).psCommand,
  },
  restore: {
    summary: "restore a container from a checkpoint (not available yet)",
    load: async () => (await import("./restore.ts")).restoreCommand,
  },
  resume: {
    summary: "let the processes of a paused container continue",
    load: async () => (await import("./resume.ts")).resumeCommand,
  },
  run: {
    summary: "create and start a container",
    load: async () => (await import("./run.ts")).runCommand,
  },
  spec: {
    summary: "write a config.json to start from",
    load: async () => (await import("./spec.ts")).specCommand,
  },
  start: {
    summary: "start the process of a created container",
    load: async () => (await import("./start.ts")).startCommand,
  },
  state: {
    summary: "print the state of a container",
    load: async () => (await import("./state.ts")).stateCommand,
  },
  update: {
    summary: "change the resource limits of a container",
    load: async () => (await import("./update.ts")).updateCommand,
  },
  features: {
    summary: "print what this runtime supports",
    load: async () => (await import("./features.ts")).featuresCommand,
  },
};

/** The entry of a command; own properties only, so that `toString` is no command. */
export function findCommand(name: string): CommandEntry | undefined {
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}
