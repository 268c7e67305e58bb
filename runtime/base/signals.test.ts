/** Signal names and numbers, compared with the machine the tests run on. */
import { constants } from "node:os";
import { expect } from "chai";
import { RuntimeError } from "./errors.ts";
import { parseSignal, signalName } from "./signals.ts";

describe("signals", () => {
  it("knows every signal of this machine by both names", () => {
    for (const [name, number] of Object.entries(constants.signals)) {
      if (name === "SIGUNUSED") continue;
      expect(parseSignal(name), name).to.equal(number);
      expect(parseSignal(name.slice(3).toLowerCase()), name).to.equal(number);
    }
  });

  it("takes numbers", () => {
    for (let number = 0; number <= 64; number++)
      expect(parseSignal(String(number))).to.equal(number);
  });

  it("takes real-time signals", () => {
    expect(parseSignal("SIGRTMIN")).to.equal(34);
    expect(parseSignal("RTMIN+3")).to.equal(37);
    expect(parseSignal("SIGRTMAX-1")).to.equal(63);
    expect(parseSignal("rtmax")).to.equal(64);
  });

  it("refuses the rest with runc's text", () => {
    for (const text of [
      "",
      "FOO",
      "SIG",
      "65",
      "-1",
      "1.5",
      "0x9",
      "9 ",
      "RTMIN+31",
      "RTMAX-31",
      "RTMIN-1",
      "toString",
    ]) {
      expect(() => parseSignal(text), text).to.throw(
        RuntimeError,
        `unknown signal ${JSON.stringify(text)}`,
      );
    }
  });

  it("names every signal so that it can be parsed again", () => {
    for (let number = 0; number <= 64; number++)
      expect(parseSignal(signalName(number))).to.equal(number);
    expect(signalName(15)).to.equal("SIGTERM");
    expect(signalName(6)).to.equal("SIGABRT");
    expect(signalName(36)).to.equal("SIGRTMIN+2");
  });
});
