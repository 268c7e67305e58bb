/** Protobuf messages against bytes as protoc's Go code writes them. */
import { expect } from "chai";
import {
  decodeBootstrapParams,
  encodeBootstrapParams,
  LogLevel,
} from "./generated/proto/bootstrap.ts";
import * as v1 from "./generated/proto/cgroups-v1.ts";
import * as v2 from "./generated/proto/cgroups-v2.ts";
import { decodeTaskExit, encodeTaskExit } from "./generated/proto/events.ts";
import { decodeRuntimeInfo, encodeRuntimeInfo } from "./generated/proto/runtime-info.ts";
import { decodeCreateTaskRequest, encodeCreateTaskRequest } from "./generated/proto/task.ts";
import { decodeDeleteResponse, encodeDeleteResponse } from "./generated/proto/task-delete.ts";
import { encodeRequest } from "./generated/proto/ttrpc.ts";
import { decodeAny, decodeTimestamp, encodeTimestamp } from "./generated/proto/wellknown.ts";
import { u64 } from "./protobuf.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

describe("protobuf messages", () => {
  it("writes what Go writes for a DeleteResponse", () => {
    const answer = encodeDeleteResponse({
      pid: 2122,
      exitStatus: 137,
      exitedAt: { seconds: 1, nanos: 2 },
    });
    expect(hex(answer)).to.equal("08ca101089011a0408011002");
    expect(decodeDeleteResponse(answer)).to.deep.include({ pid: 2122, exitStatus: 137 });
  });

  it("writes a negative int64 (Go's zero time) in ten bytes and reads it back", () => {
    const bytes = encodeTimestamp({ seconds: -62135596800 });
    expect(hex(bytes)).to.equal("088092b8c398feffffff01");
    expect(decodeTimestamp(bytes).seconds).to.equal(-62135596800);
  });

  it("writes a negative enum value in ten bytes and reads it back", () => {
    const bytes = encodeBootstrapParams({ logLevel: LogLevel.DEBUG });
    expect(hex(bytes)).to.equal("18fcffffffffffffffff01");
    expect(decodeBootstrapParams(bytes).logLevel).to.equal(LogLevel.DEBUG);
  });

  it("writes 64-bit numbers exactly", () => {
    const limit = (value: bigint | number): string =>
      hex(v2.encodePidsStat({ current: 1, limit: u64(value) }));
    expect(limit(2n ** 64n - 1n)).to.equal("080110ffffffffffffffffff01");
    expect(limit(2n ** 53n + 1n)).to.equal("08011081808080808080 10".replace(" ", ""));
    expect(limit(2 ** 64), "2^64-1 as a double").to.equal("080110ffffffffffffffffff01");
    expect(limit(-1)).to.equal("0801");
    expect(hex(v2.encodePidsStat({ limit: 2 ** 40 }))).to.equal("1080808080 8020".replace(" ", ""));
  });

  it("writes lists of 64-bit numbers packed", () => {
    const usage = v1.encodeCPUUsage({ total: 3, perCpu: [1, u64(2n ** 63n), 300] });
    expect(hex(usage)).to.equal("0803220d01 80808080808080808001 ac02".replaceAll(" ", ""));
    expect(v1.decodeCPUUsage(usage).perCpu).to.deep.equal([1, 2 ** 63, 300]);
  });

  it("reads messages, lists and maps, with defaults for what is absent", () => {
    const bytes = encodeCreateTaskRequest({
      id: "c1",
      rootfs: [{ type: "overlay", source: "overlay", options: ["lowerdir=/a:/b", "ro"] }],
      options: { typeUrl: "containerd.runc.v1.Options", value: unhex("4801") },
    });
    const request = decodeCreateTaskRequest(bytes);
    expect(request.id).to.equal("c1");
    expect(request.bundle).to.equal("");
    expect(request.terminal).to.equal(false);
    expect(request.rootfs).to.have.length(1);
    expect(request.rootfs[0]?.options).to.deep.equal(["lowerdir=/a:/b", "ro"]);
    expect(request.rootfs[0]?.target).to.equal("");
    expect(hex(request.options?.value ?? new Uint8Array())).to.equal("4801");
    expect(decodeCreateTaskRequest(new Uint8Array()).options).to.equal(null);
    const info = decodeRuntimeInfo(
      encodeRuntimeInfo({ annotations: { "a/b": "c", ["__proto__"]: "d" } }),
    );
    expect(Object.entries(info.annotations)).to.deep.equal([
      ["a/b", "c"],
      ["__proto__", "d"],
    ]);
  });

  it("skips fields that it does not know", () => {
    const exit = encodeTaskExit({ containerId: "c", id: "c", pid: 7, exitStatus: 255 });
    const longer = new Uint8Array([...exit, 0xa2, 0x06, 2, 1, 2, 0x9d, 0x06, 1, 2, 3, 4]);
    expect(decodeTaskExit(longer)).to.deep.equal(decodeTaskExit(exit));
  });

  it("refuses bytes that are no message", () => {
    for (const bad of ["0aff", "0a05616263", "08", "0affffffff0f", "0a02c328", "00", "0b08"]) {
      expect(() => decodeAny(unhex(bad)), bad)
        .to.throw(/^malformed Any: /)
        .with.property("code", "InvalidArgument");
    }
  });

  it("writes the bytes of a request as ttrpc's client does", () => {
    const request = encodeRequest({
      service: "s",
      method: "m",
      payload: unhex("ff"),
      timeoutNano: 5_000_000_000,
      metadata: [{ key: "k", value: "v" }],
    });
    expect(hex(request)).to.equal("0a017312016d1a01ff2080e497d0122a060a016b120176");
  });
});
