/** The frame parser, fed in pieces of any size, against frames as they were sent. */
import { expect } from "chai";
import { decodeRequest, encodeRequest } from "../../schemas/generated/proto/ttrpc.ts";
import { FrameParser, headerLength, maximumLength, putHeader } from "./frame.ts";

interface Seen {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

/** Runs of fuzzing; more by hand: FUZZ_RUNS=100000 npx mocha --spec build/shim/ttrpc/frame.test.js */
const runs = Number(process.env["FUZZ_RUNS"] ?? 300);

/** xorshift32: the same numbers in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function frameOf(streamId: number, type: number, flags: number, data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerLength + data.length);
  frame.set(data, headerLength);
  putHeader(frame, streamId, type, flags);
  return frame;
}

/** A parser and what it has found; `feed` reads as a socket would, at most `chunk()` bytes at a time. */
function collector(scratchSize: number) {
  const seen: Seen[] = [];
  const tooLong: [number, number][] = [];
  const parser = new FrameParser(
    {
      frame: (streamId, type, flags, data) =>
        seen.push({ streamId, type, flags, data: data.slice() }),
      oversize: (streamId, length) => tooLong.push([streamId, length]),
    },
    new Uint8Array(scratchSize),
  );
  const feed = (bytes: Uint8Array, chunk: () => number): void => {
    for (let at = 0; at < bytes.length; ) {
      const { target, offset } = parser;
      const count = Math.min(chunk(), target.length - offset, bytes.length - at);
      target.set(bytes.subarray(at, at + count), offset);
      parser.received(count);
      at += count;
    }
  };
  return { seen, tooLong, feed, parser };
}

describe("ttrpc frames", () => {
  it("writes the header as Go does", () => {
    const frame = frameOf(0x01020305, 1, 4, new Uint8Array(258));
    expect([...frame.subarray(0, headerLength)]).to.deep.equal([0, 0, 1, 2, 1, 2, 3, 5, 1, 4]);
  });

  it("finds frames of no, little and much data in one byte at a time", () => {
    const { seen, feed } = collector(16);
    const body = new Uint8Array(1000).map((_, index) => index);
    feed(frameOf(1, 1, 0, new Uint8Array()), () => 1);
    feed(frameOf(3, 2, 1, body.subarray(0, 3)), () => 1);
    feed(frameOf(2 ** 32 - 1, 3, 4, body), () => 1);
    expect(seen.map(({ streamId, type, flags }) => [streamId, type, flags])).to.deep.equal([
      [1, 1, 0],
      [3, 2, 1],
      [2 ** 32 - 1, 3, 4],
    ]);
    expect(seen.map(({ data }) => data.length)).to.deep.equal([0, 3, 1000]);
    expect(seen[2]?.data).to.deep.equal(body);
  });

  it("skips the data of a frame that is too long without keeping it", () => {
    const { seen, tooLong, feed, parser } = collector(4096);
    const header = frameOf(5, 1, 0, new Uint8Array(maximumLength + 1)).subarray(0, headerLength);
    feed(header, () => 3);
    for (let left = maximumLength + 1; left > 0; left -= 4096) {
      expect(parser.target.length, "memory for it").to.equal(4096);
      feed(new Uint8Array(Math.min(left, 4096)), () => 4096);
    }
    feed(frameOf(7, 1, 0, new Uint8Array([9])), () => 100);
    expect(tooLong).to.deep.equal([[5, maximumLength + 1]]);
    expect(seen.map(({ streamId }) => streamId)).to.deep.equal([7]);
  });

  it("takes frames of the longest data", () => {
    const { seen, feed } = collector(4096);
    feed(frameOf(9, 1, 0, new Uint8Array(maximumLength)), () => 1 << 20);
    expect(seen[0]?.data.length).to.equal(maximumLength);
  });

  it("finds all frames however the bytes are cut (fuzz)", () => {
    const random = randomNumbers(0x5eed);
    for (let run = 0; run < runs; run++) {
      const { seen, tooLong, feed } = collector(16 + random(200));
      const sent: Seen[] = [];
      for (let count = random(8); count >= 0; count--) {
        const data = new Uint8Array(random(random(2) === 0 ? 20 : 600)).map(() => random(256));
        sent.push({ streamId: random(2 ** 31), type: random(256), flags: random(256), data });
      }
      for (const { streamId, type, flags, data } of sent) {
        feed(frameOf(streamId, type, flags, data), () => 1 + random(64));
      }
      expect(seen, `run ${run}`).to.deep.equal(sent);
      expect(tooLong).to.deep.equal([]);
    }
  });

  it("survives any bytes, as a stream and as a request (fuzz)", () => {
    const random = randomNumbers(0xf00d);
    const good = encodeRequest({
      service: "containerd.task.v2.Task",
      method: "State",
      payload: new Uint8Array([10, 2, 99, 49]),
      timeoutNano: 2e9,
      metadata: [{ key: "containerd-namespace-ttrpc", value: "default" }],
    });
    for (let run = 0; run < runs; run++) {
      const bytes = random(3) === 0 ? new Uint8Array(random(200)) : good.slice();
      for (let changes = random(6); changes >= 0; changes--) {
        bytes[random(bytes.length + 1)] = random(256);
      }
      const { feed, parser } = collector(64);
      feed(bytes, () => 1 + random(30));
      expect(parser.target.length).to.be.at.most(maximumLength);
      expect(parser.offset).to.be.below(parser.target.length);
      try {
        const { service, metadata } = decodeRequest(bytes);
        expect(service).to.be.a("string");
        expect(metadata).to.be.an("array");
      } catch (error) {
        expect(error, `run ${run}`).to.have.property("code", "InvalidArgument");
      }
    }
  });
});
