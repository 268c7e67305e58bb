import { closeSync, fstatSync, openSync } from "node:fs";
import { expect } from "chai";
import { decode, failureOf, messageType } from "./init-message.ts";

function bytes(type: number, index: number, error: number, value: number, text = ""): Uint8Array {
  const words = new TextEncoder().encode(text);
  const data = new Uint8Array(16 + words.length);
  const view = new DataView(data.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, index, true);
  view.setInt32(8, error, true);
  view.setUint32(12, value, true);
  data.set(words, 16);
  return data;
}

const open = () => openSync("/dev/null", "r");
const isOpen = (fd: number) => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

describe("messages of init", () => {
  it("have a header and text", () => {
    expect(decode(bytes(messageType.capability, 3, -1, 7, "oh"), [])).to.deep.equal({
      ...{ type: messageType.capability, index: 3, error: -1, value: 7, text: "oh", fd: undefined },
    });
  });

  it("bring one fd when they are about a terminal; others are closed", () => {
    const fds = [open(), open()] as const;
    expect(decode(bytes(messageType.console, 0, 0, 0), fds).fd).to.equal(fds[0]);
    expect(fds.map(isOpen)).to.deep.equal([true, false]);
    closeSync(fds[0]);
    const stray = open();
    expect(decode(bytes(messageType.sync, 0, 0, 1), [stray]).fd).to.equal(undefined);
    expect(isOpen(stray)).to.equal(false);
  });

  it("are refused when they are too short, and what came along is closed", () => {
    const fd = open();
    expect(() => decode(new Uint8Array(15), [fd])).to.throw(/damaged/);
    expect(isOpen(fd)).to.equal(false);
  });

  it("carry the step and the detail of a failure", () => {
    const message = decode(bytes(messageType.error, 0, 2, 0, "open\0/etc/x"), []);
    expect(failureOf(undefined, message).message).to.match(/open: ENOENT .*: \/etc\/x$/);
  });
});
