/** `-info`: what this runtime is and can do, for containerd 2.0 and later. */
import { wrap } from "../../runtime/base/errors.ts";
import { readAllBytes } from "../../runtime/base/stdio.ts";
import { commit, version } from "../../runtime/base/version.ts";
import { features } from "../../runtime/lifecycle/features.ts";
import { encodeRuntimeInfo } from "../../schemas/generated/proto/runtime-info.ts";
import { type Any, decodeAny } from "../../schemas/generated/proto/wellknown.ts";
import { writeAnswer } from "./answer.ts";
import { decode, parseRuntimeOptions } from "./options.ts";

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
  const options = input.length === 0 ? undefined : decode(decodeAny, input);
  await parseRuntimeOptions(options, () => undefined);
  writeAnswer(runtimeInfo(options, JSON.stringify(features())));
  return 0;
}

/**
 * The message. Without the annotation `containerd.io/runtime-allow-mounts` containerd resolves mounts of its own types
 * (`format/`, `mkdir/` and the like) before it asks us to mount them, which is what we need.
 */
export function runtimeInfo(options: Any | undefined, featuresJson: string): Uint8Array {
  return encodeRuntimeInfo({
    name: "io.containerd.tsrunc.v2",
    version: { version, revision: commit },
    options,
    features: { typeUrl: featuresType, value: new TextEncoder().encode(featuresJson) },
  });
}
