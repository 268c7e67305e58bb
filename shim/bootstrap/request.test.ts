import { expect } from "chai";
import {
  decodeBootstrapResult,
  encodeBootstrapParams,
} from "../../schemas/generated/proto/bootstrap.ts";
import { encodeAny } from "../../schemas/generated/proto/wellknown.ts";
import { parseStartRequest, startAnswer } from "./request.ts";

const call = { id: "t1", namespace: "default" };
const later = { MAX_SHIM_VERSION: "2" };
const value = new Uint8Array([8, 1]);
const options = { typeUrl: "containerd.runc.v1.Options", value };

function textOf(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

describe("start request", () => {
  it("is empty for containerd up to 2.2 without options", () => {
    const none = { options: undefined, debug: false, socketDir: "" };
    expect(parseStartRequest(new Uint8Array(), call, {})).to.include({
      dialect: "address",
      ...none,
    });
    expect(parseStartRequest(new Uint8Array(), call, later)).to.include({
      dialect: "json",
      ...none,
    });
  });
  it("is the options alone up to 2.2", () => {
    const request = parseStartRequest(encodeAny(options), call, later);
    expect(request.dialect).to.equal("json");
    expect(request.options?.typeUrl).to.equal(options.typeUrl);
    expect([...(request.options?.value ?? [])]).to.deep.equal([...value]);
  });
  it("is BootstrapParams when it names the container and the namespace", () => {
    const input = encodeBootstrapParams({
      instanceId: "t1",
      namespace: "default",
      logLevel: -8,
      containerdVersion: "2.3.4",
      containerdTtrpcAddress: "/t",
      containerdGrpcAddress: "/g",
      socketDir: "/run/user/1/s",
      extensions: [
        {},
        { value: { typeUrl: "other", value: new Uint8Array([1]) } },
        { value: { typeUrl: `type.googleapis.com/${options.typeUrl}`, value } },
      ],
    });
    // 2.3 sets the variable, too
    const request = parseStartRequest(input, call, later);
    expect(request).to.deep.include({
      dialect: "protobuf",
      debug: true,
      socketDir: "/run/user/1/s",
      ttrpcAddress: "/t",
      grpcAddress: "/g",
    });
    expect(request.options?.typeUrl).to.include(options.typeUrl);
  });
  it("has a debug level from DEBUG on", () => {
    const levels = { 0: false, [-3]: false, [-4]: true, [-8]: true, 4: false };
    for (const [logLevel, debug] of Object.entries(levels)) {
      const input = encodeBootstrapParams({
        instanceId: "t1",
        namespace: "default",
        logLevel: Number(logLevel),
      });
      expect(parseStartRequest(input, call, {}).debug, logLevel).to.equal(debug);
    }
  });
  it("is no BootstrapParams when it only looks like one", () => {
    const any = encodeAny({ typeUrl: "t1", value: new TextEncoder().encode("other") });
    expect(parseStartRequest(any, call, {}).dialect).to.equal("address");
    const params = encodeBootstrapParams({ instanceId: "other", namespace: "default" });
    expect(parseStartRequest(params, call, later).dialect).to.equal("json");
  });
  it("is refused when it is neither", () => {
    for (const bytes of [[0x0a, 0x80], [0], [0x0a, 0x05, 0x61]]) {
      expect(() => parseStartRequest(new Uint8Array(bytes), call, {})).to.throw("decode message");
    }
  });
});

describe("start answer", () => {
  it("is the address for containerd up to 2.2", () => {
    expect(textOf(startAnswer("address", "ttrpc", "/run/s/x"))).to.equal("unix:///run/s/x");
    expect(textOf(startAnswer("json", "ttrpc", "/run/s/x"))).to.equal("unix:///run/s/x");
  });
  it("is BootstrapResult from 2.3 on", () => {
    const ttrpc = decodeBootstrapResult(startAnswer("protobuf", "ttrpc", "/run/s/x"));
    expect(ttrpc).to.include({ version: 3, address: "unix:///run/s/x", protocol: "ttrpc" });
    const grpc = decodeBootstrapResult(startAnswer("protobuf", "grpc", "/run/s/x"));
    expect(grpc).to.include({ version: 3, address: "/run/s/x", protocol: "grpc" });
  });
  it("needs JSON for gRPC", () => {
    expect(JSON.parse(textOf(startAnswer("json", "grpc", "/run/s/x")))).to.deep.equal({
      version: 2,
      address: "/run/s/x",
      protocol: "grpc",
    });
    expect(() => startAnswer("address", "grpc", "/run/s/x")).to.throw("cannot speak gRPC");
  });
});
