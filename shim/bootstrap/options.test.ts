import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { encodeOptions as encodeRunc } from "../../schemas/generated/proto/runc-options.ts";
import { encodeOptions as encodeToml } from "../../schemas/generated/proto/runtime-options.ts";
import {
  defaultOptions,
  isSystemdPath,
  parseRuntimeOptions,
  type RuntimeOptions,
  stateRoot,
} from "./options.ts";

const runcType = "containerd.runc.v1.Options";
const tomlType = "runtimeoptions.v1.Options";

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("did not throw");
}

function toml(
  text: string,
  warn: (text: string) => void = (text) => {
    throw new Error(text);
  },
): Promise<RuntimeOptions> {
  const value = encodeToml({ configBody: new TextEncoder().encode(text) });
  return parseRuntimeOptions({ typeUrl: tomlType, value }, warn);
}

describe("runtime options", () => {
  const never = (text: string) => {
    throw new Error(text);
  };

  it("are the defaults when there are none", async () => {
    expect(await parseRuntimeOptions(undefined, never)).to.equal(defaultOptions);
    const empty = { typeUrl: "", value: new Uint8Array() };
    expect(await parseRuntimeOptions(empty, never)).to.equal(defaultOptions);
    const none = { typeUrl: tomlType, value: new Uint8Array() };
    expect(await parseRuntimeOptions(none, never)).to.equal(defaultOptions);
  });
  it("come from runc's message, whatever host its type URL has", async () => {
    const value = encodeRunc({
      noPivotRoot: true,
      noNewKeyring: true,
      shimCgroup: "/s",
      ioUid: 4_294_967_295,
      ioGid: 2,
      binaryName: "crun",
      root: "/r",
      criuPath: "/criu",
      systemdCgroup: true,
    });
    const expected = {
      noPivotRoot: true,
      noNewKeyring: true,
      shimCgroup: "/s",
      ioUid: 4_294_967_295,
      ioGid: 2,
      binaryName: "crun",
      root: "/r",
      systemdCgroup: true,
    };
    for (const typeUrl of [runcType, `type.googleapis.com/${runcType}`]) {
      expect(await parseRuntimeOptions({ typeUrl, value }, never)).to.deep.equal(expected);
    }
    const empty = { typeUrl: runcType, value: new Uint8Array() };
    expect(await parseRuntimeOptions(empty, never)).to.deep.equal(defaultOptions);
  });
  it("come from TOML, in either spelling", async () => {
    const text = `
      TypeUrl = "${tomlType}"
      ConfigPath = ""
      SystemdCgroup = true
      NoPivotRoot = true
      no_new_keyring = true
      IoUid = 1000
      io_gid = 0
      Root = "/r"
      BinaryName = "/usr/bin/tsrunc"
      ShimCgroup = "/shims"
      ShimGroup = "namespace"
      Transport = "grpc"
      CriuPath = "/usr/bin/criu"`;
    expect(await toml(text)).to.deep.equal({
      noPivotRoot: true,
      noNewKeyring: true,
      shimCgroup: "/shims",
      ioUid: 1000,
      ioGid: 0,
      binaryName: "/usr/bin/tsrunc",
      root: "/r",
      systemdCgroup: true,
      shimGroup: "namespace",
      transport: "grpc",
    });
  });
  it("come from a TOML file", async () => {
    const dir = mkdtempSync(`${tmpdir()}/options-`);
    try {
      writeFileSync(`${dir}/o.toml`, 'Root = "/from-file"\n');
      const value = encodeToml({ configPath: `${dir}/o.toml` });
      const options = await parseRuntimeOptions({ typeUrl: `x/${tomlType}`, value }, never);
      expect(options.root).to.equal("/from-file");
      const missing = encodeToml({ configPath: `${dir}/none` });
      expect(
        await failure(parseRuntimeOptions({ typeUrl: tomlType, value: missing }, never)),
      ).to.match(/^read runtime options .*\/none: ENOENT/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  it("may have empty texts for the defaults", async () => {
    expect(await toml('ShimGroup = ""\nTransport = ""')).to.deep.equal(defaultOptions);
  });
  it("are warned about when nobody knows them", async () => {
    const warnings: string[] = [];
    await toml('Rooot = "/r"\n[nested]\nx = 1', (text) => void warnings.push(text));
    expect(warnings).to.deep.equal([
      "runtime options: unknown key Rooot is ignored",
      "runtime options: unknown key nested is ignored",
    ]);
  });
  it("name the key whose value is wrong", async () => {
    const cases = {
      'SystemdCgroup = "yes"': "runtime options: SystemdCgroup must be a boolean",
      "Root = 1": "runtime options: Root must be a string",
      "ShimGroup = true": "runtime options: ShimGroup must be a string",
      "IoUid = -1": "runtime options: IoUid must be from 0 to 4294967295",
      "IoUid = 1.5": "runtime options: IoUid must be from 0 to 4294967295",
      'ShimGroup = "pod"': "runtime options: ShimGroup must be namespace",
      'Transport = "http"': "runtime options: Transport must be ttrpc or grpc",
    };
    for (const [text, message] of Object.entries(cases)) {
      expect(await failure(toml(text))).to.equal(message);
    }
    expect(await failure(toml("= 1"))).to.match(/^runtime options: Invalid TOML document/);
  });
  it("are refused when they are of another runtime", async () => {
    const other = { typeUrl: "other.Options", value: new Uint8Array() };
    expect(await failure(parseRuntimeOptions(other, never))).to.include("other.Options");
    const broken = { typeUrl: runcType, value: new Uint8Array([0x0a]) };
    expect(await failure(parseRuntimeOptions(broken, never))).to.match(/^decode message/);
  });
  it("say where states lie", () => {
    expect(stateRoot({ root: "" }, "k8s.io")).to.equal("/run/containerd/runc/k8s.io");
    expect(stateRoot({ root: "/r" }, "moby")).to.equal("/r/moby");
  });
  it("leave it to the path whether systemd makes the cgroups", () => {
    expect(isSystemdPath("system.slice:docker:abc")).to.equal(true);
    expect(isSystemdPath(":cri-containerd:abc")).to.equal(true);
    for (const path of [undefined, "", "/kubepods/a:b:c", "a:b", "a:b:c:d"]) {
      expect(isSystemdPath(path), path).to.equal(false);
    }
  });
});
