/** `start`: finds the shim of a container's group, or starts one, and says where it listens. */
import { renameSync, symlinkSync, writeFileSync } from "node:fs";
import { errnoOf, wrap } from "../../runtime/base/errors.ts";
import { readAllBytes } from "../../runtime/base/stdio.ts";
import { openAddon } from "../../runtime/native/binding.ts";
import { writeAnswer } from "./answer.ts";
import { checkTarget, type Flags } from "./flags.ts";
import { groupOf, socketPath } from "./group.ts";
import { defaultOptions, parseRuntimeOptions, type RuntimeOptions } from "./options.ts";
import { parseStartRequest, type StartRequest, startAnswer } from "./request.ts";
import { listenOrJoin, removeDeadSocket } from "./socket.ts";
import { killDaemon, spawnDaemon } from "./spawn-daemon.ts";

/**
 * Reads the request on standard input; the working directory is the bundle. On success nothing but the answer is
 * printed: containerd takes standard output and standard error together.
 * @returns the exit status.
 */
export async function start(flags: Flags): Promise<number> {
  checkTarget(flags);
  const request = parseStartRequest(readRequest(), flags, process.env);
  const options = await readOptions(request);
  const transport = options.transport ?? "ttrpc";
  const containerdAddress = request.grpcAddress === "" ? flags.address : request.grpcAddress;
  const bundle = process.cwd();
  const path = socketPath(
    request.socketDir,
    containerdAddress,
    flags.namespace,
    options.shimGroup === "namespace" ? undefined : groupOf(bundle, flags.id),
  );
  // before anything is started: it fails when containerd would not understand it
  const answer = startAnswer(request.dialect, transport, path);
  await startOrJoin(flags, request, options, { path, bundle, containerdAddress });
  writeAnswer(answer);
  return 0;
}

/** Go's limit for the message on standard input. */
const maximumRequestBytes = 10 * 1024 * 1024;

function readRequest(): Uint8Array {
  try {
    return readAllBytes(0, maximumRequestBytes);
  } catch (error) {
    throw wrap(error, { op: "read standard input" });
  }
}

async function readOptions({ options }: StartRequest): Promise<RuntimeOptions> {
  // what is not known is told by Create, which has a log
  return options === undefined ? defaultOptions : parseRuntimeOptions(options, () => undefined);
}

interface Place {
  readonly path: string;
  readonly bundle: string;
  readonly containerdAddress: string;
}

async function startOrJoin(
  flags: Flags,
  request: StartRequest,
  options: RuntimeOptions,
  { path, bundle, containerdAddress }: Place,
): Promise<void> {
  const native = openAddon();
  const listener = listenOrJoin(native, path);
  if (listener === undefined) {
    writeBundleFiles(bundle, path, request);
    return;
  }
  try {
    const daemon = await spawnDaemon(native, flags, {
      listener,
      socketPath: path,
      containerdAddress,
      eventsAddress: eventsAddress(request, containerdAddress),
      transport: options.transport ?? "ttrpc",
      debug: flags.debug || request.debug,
      shimCgroup: options.shimCgroup,
    });
    try {
      writeBundleFiles(bundle, path, request);
    } catch (error) {
      killDaemon(native, daemon);
      throw error;
    }
  } catch (error) {
    native.io.close(listener);
    removeDeadSocket(native, path);
    throw error;
  }
}

function eventsAddress(request: StartRequest, containerdAddress: string): string {
  if (request.ttrpcAddress !== "") return request.ttrpcAddress;
  return process.env["TTRPC_ADDRESS"] ?? `${containerdAddress}.ttrpc`;
}

/** `address` is how containerd up to 1.7 finds us again after a restart, and what `delete` looks at. */
function writeBundleFiles(bundle: string, path: string, { dialect }: StartRequest): void {
  const file = `${bundle}/address`;
  const temporary = `${bundle}/.address`;
  try {
    writeFileSync(temporary, `unix://${path}`, { mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    throw wrap(error, { op: "write", path: file });
  }
  if (dialect === "protobuf") linkSocketDir(bundle, path.slice(0, path.lastIndexOf("/")));
}

/** Where containerd from 2.3 on looks for sockets that were left. */
function linkSocketDir(bundle: string, socketDir: string): void {
  const path = `${bundle}/s`;
  try {
    symlinkSync(socketDir, path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw wrap(error, { op: "link", path });
  }
}
