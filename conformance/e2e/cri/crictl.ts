/** Owns running crictl on the node. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onPty, type Terminal } from "../../harness/terminal.ts";
import { eventually } from "../../harness/wait.ts";
import {
  type CommandOptions,
  type CommandResult,
  launchCommand,
  type Running,
} from "../command.ts";
import { address, home, startDaemon } from "../containerd/daemon.ts";
import { onNode } from "./node.ts";
import { criTool } from "./tools.ts";

let config: string | undefined;

function commandLine(args: readonly string[]): string[] {
  if (config === undefined) {
    const endpoint = `unix://${address()}`;
    const path = join(home(), "crictl.yaml");
    const settings = [
      `runtime-endpoint: ${endpoint}`,
      `image-endpoint: ${endpoint}`,
      "timeout: 20",
    ];
    writeFileSync(path, `${settings.join("\n")}\n`);
    config = path;
  }
  return [...onNode(), criTool("crictl"), "--config", config, ...args];
}

/** Starts crictl with pipes. */
export function launchCrictl(args: readonly string[], options: CommandOptions = {}): Running {
  const [program = "", ...rest] = commandLine(args);
  return launchCommand(program, rest, options, ["crictl", ...args]);
}

/** Runs crictl to its end. */
export function crictl(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return launchCrictl(args, options).done;
}

/** Runs crictl on a pty of its own. */
export function crictlOnPty(args: readonly string[]): Terminal {
  return onPty(commandLine(args));
}

/** What crictl prints as JSON. */
export async function query<T>(args: readonly string[]): Promise<T> {
  return JSON.parse((await crictl(args)).ok().stdout) as T;
}

/** Starts containerd; resolves when it is ready to run pods. */
export async function startNode(): Promise<void> {
  await startDaemon();
  await eventually(
    "the node to be ready",
    async () => {
      const { status, stdout } = await crictl(["info"]);
      if (status !== 0) return false;
      const { status: state } = JSON.parse(stdout) as {
        status: { conditions: { type: string; status: boolean }[] };
      };
      const needed = state.conditions.filter(({ type }) => /^(Runtime|Network)Ready$/.test(type));
      return needed.length === 2 && needed.every((condition) => condition.status);
    },
    20_000,
  );
}
