/** `-info`: what this runtime is and can do, for containerd 2.0 and later. */
import { wrap } from "../../runtime/base/errors.ts";
import { readAllBytes } from "../../runtime/base/stdio.ts";
import { commit, version } from "../../runtime/base/version.ts";
import { features } from "../../runtime/lifecycle/features.ts";
import { writeAnswer } from "./answer.ts";
import { type Any, parseRuntimeOptions } from "./options.ts";
import { parseAny } from "./request.ts";
import { MessageWriter } from "./wire.ts";

const maximumOptionsBytes = 10 * 1024 * 1024;
const featuresType = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

/**
 * Reads options on standard input, if any, and prints containerd.types.RuntimeInfo with them.
 * @returns the exit status.
 * @throws InvalidArgument for options that a container could not be started with.
 */
export async function info(): Promise<number> {
  let input: Uint8Array;
  try {
    input = readAllBytes(0, maximumOptionsBytes);
  } catch (error) {
    throw wrap(error, { op: "read standard input" });
  }
  const options = input.length === 0 ? undefined : parseAny(input);
  await parseRuntimeOptions(options, () => undefined);
  writeAnswer(runtimeInfo(options, JSON.stringify(features())));
  return 0;
}

/**
 * The message. Without the annotation `containerd.io/runtime-allow-mounts` containerd resolves mounts of its own types
 * (`format/`, `mkdir/` and the like) before it asks us to mount them, which is what we need.
 */
export function runtimeInfo(options: Any | undefined, featuresJson: string): Uint8Array {
  const message = new MessageWriter()
    .text(1, "io.containerd.tsrunc.v2")
    .bytes(2, new MessageWriter().text(1, version).text(2, commit).finish());
  if (options !== undefined) message.bytes(3, encodeAny(options));
  const featuresAny = { typeUrl: featuresType, value: new TextEncoder().encode(featuresJson) };
  return message.bytes(4, encodeAny(featuresAny)).finish();
}

function encodeAny({ typeUrl, value }: Any): Uint8Array {
  return new MessageWriter().text(1, typeUrl).bytes(2, value).finish();
}
