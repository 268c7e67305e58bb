import { expect } from "chai";
import type { DeviceRule } from "../../schemas/generated/config.ts";
import { deviceState, deviceWrites, parseDevicesList } from "./device-rules.ts";

const denyAll: DeviceRule = { allow: false, access: "rwm" };
const allowAll: DeviceRule = { allow: true, access: "rwm" };

function lines(rules: DeviceRule[], from?: string): string[] {
  const present = from === undefined ? undefined : parseDevicesList(from);
  return deviceWrites(present, deviceState(rules)).map((w) => `${w.file.slice(8)} ${w.value}`);
}

const defaults = [
  "allow c *:* m",
  "allow b *:* m",
  "allow c 1:3 rwm",
  "allow c 1:8 rwm",
  "allow c 1:7 rwm",
  "allow c 5:0 rwm",
  "allow c 1:5 rwm",
  "allow c 1:9 rwm",
  "allow c 136:* rwm",
  "allow c 5:2 rwm",
];

describe("device rules", () => {
  it("deny everything but the default devices when the config says nothing", () => {
    expect(lines([])).to.deep.equal(["deny a", ...defaults]);
    expect(lines([denyAll])).to.deep.equal(lines([]));
  });

  it("merge with the defaults and with each other", () => {
    const rules: DeviceRule[] = [
      denyAll,
      { allow: true, type: "c", major: 10, minor: 200, access: "rw" },
      { allow: true, type: "c", major: 10, minor: 200, access: "m" },
      { allow: true, type: "c", major: 1, minor: 3, access: "r" },
    ];
    const list = lines(rules);
    expect(list.filter((line) => line.includes("10:200"))).to.deep.equal(["allow c 10:200 rwm"]);
    expect(list).to.have.length(defaults.length + 2);
  });

  it("forget earlier rules at a rule for all", () => {
    expect(
      deviceState([{ allow: true, type: "b", major: 8, minor: 0, access: "r" }, allowAll]),
    ).to.deep.equal({
      defaultAllow: true,
      exceptions: [],
    });
  });

  it("take permissions back", () => {
    const rules: DeviceRule[] = [
      { allow: true, type: "b", major: 8, minor: 0, access: "rw" },
      { allow: false, type: "b", major: 8, minor: 0, access: "w" },
    ];
    expect(lines(rules)).to.include("allow b 8:0 r");
  });

  it("refuse a hole in a wildcard, which v1 would ignore silently", () => {
    const rules: DeviceRule[] = [
      { allow: true, type: "c", major: 9, access: "rw" },
      { allow: false, type: "c", major: 9, minor: 1, access: "r" },
    ];
    expect(() => deviceState(rules)).to.throw("linux.resources.devices[1]: cannot punch hole");
  });

  it("refuse bad types, access letters, numbers and an empty access", () => {
    const bad = (rule: DeviceRule) => () => deviceState([rule]);
    expect(bad({ allow: true, type: "p", access: "r" })).to.throw('type "p"');
    expect(bad({ allow: true, type: "c", access: "rx" })).to.throw('"rx"');
    expect(bad({ allow: true, type: "c", major: 2 ** 32, access: "r" })).to.throw(
      "devices[0].major",
    );
    expect(bad({ allow: true, type: "c" })).to.throw("cannot be empty");
  });

  it("write only the difference to a known state", () => {
    const present = ["c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm"];
    const rest = ["c 1:5 rwm", "c 1:9 rw", "c 136:* rwm", "c 5:2 rwm", "c 7:7 rw"];
    expect(lines([], [...present, ...rest].join("\n"))).to.deep.equal([
      "deny c 7:7 rw",
      "allow c 1:9 m",
    ]);
  });

  it("start over where the present state is not known in full", () => {
    expect(lines([], "a *:* rwm")[0]).to.equal("deny a");
    expect(lines([allowAll], "c 1:3 rwm")).to.deep.equal(["allow a"]);
    const rules: DeviceRule[] = [
      allowAll,
      { allow: false, type: "b", major: 8, minor: 1, access: "w" },
    ];
    expect(lines(rules, "a *:* rwm")).to.deep.equal(["allow a", "deny b 8:1 w"]);
  });
});
