/**
 * Feeds damaged real configs to everything pure between config.json and init: loading, planning, encoding. Each must
 * either work or be refused by an error of ours; `FUZZ_RUNS=1000000 FUZZ_SEED=7` makes a long run of the bounded one.
 */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { decodePlan, encodePlan } from "../../schemas/generated/plan.ts";
import { RuntimeError } from "../base/errors.ts";
import { parseSpec } from "../spec/load.ts";
import { buildCreatePlan } from "./create.ts";
import { describeOp } from "./describe.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 3000);
const fixtures = ["dockerd", "everything", "go-nulls"];

/** xorshift32: repeatable, and good enough to choose places and values. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const oddValues: readonly string[] = [
  "null",
  "true",
  "0",
  "-1",
  "1.5",
  "4294967295",
  "4294967296",
  "9007199254740993",
  "18446744073709551615",
  "18446744073709551616",
  "1e400",
  '""',
  '"/"',
  '".."',
  '"../../etc"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"private"',
  '"bind"',
  "[]",
  "{}",
  "[null]",
  '[""]',
  '{"":{}}',
  '{"__proto__":{"path":"/"}}',
  `"${"x".repeat(5000)}"`,
];

/** Replaces one value somewhere in the document, drops or doubles a member, or damages the text itself. */
function mutate(text: string, random: (below: number) => number): string {
  const places = [...text.matchAll(/(?<=[:[,]\s*)("(?:[^"\\]|\\.)*"|-?\d+|true|false|null)/g)];
  const place = places[random(places.length)];
  if (place === undefined || random(10) === 0) {
    const at = random(text.length);
    return (
      text.slice(0, at) + ['"', "}", "\\", "\x00", ","][random(5)] + text.slice(at + random(3))
    );
  }
  const value = oddValues[random(oddValues.length)] ?? "null";
  return text.slice(0, place.index) + value + text.slice(place.index + place[0].length);
}

function planFor(text: string): void {
  const spec = parseSpec(text, () => undefined);
  const plan = buildCreatePlan({
    id: "fuzz",
    spec,
    bundle: "/bundle",
    rootfs: "/bundle/rootfs",
    joins: [],
    cgroupFds: [],
    cgroupMounts: { mode: "v1", hierarchies: [], namespaced: false },
    seccomp: undefined,
    labels: {},
    noPivot: false,
    newKeyring: true,
    inherited: { fds: [], env: [] },
    gateFd: 9,
    rootfsMountPoint: undefined,
    hasKcore: true,
    privileged: true,
    setGroupsDenied: false,
  });
  expect(decodePlan(encodePlan(plan.ops))).to.have.length(plan.ops.length);
  for (const index of plan.ops.keys()) expect(describeOp(plan, index)).to.not.equal("");
}

describe("damaged configs", () => {
  for (const fixture of fixtures) {
    it(`of ${fixture}.json are planned or refused by name, ${runs} times`, function () {
      this.timeout(0);
      const original = readFileSync(`schemas/fixtures/${fixture}.json`, "utf8");
      const seed = Number(process.env["FUZZ_SEED"] ?? 1);
      const random = randomFrom(seed * 7919 + fixture.length);
      let refused = 0;
      for (let run = 0; run < runs; run++) {
        let text = original;
        for (let times = 1 + random(3); times > 0; times--) text = mutate(text, random);
        try {
          planFor(text);
        } catch (error) {
          if (!(error instanceof RuntimeError)) {
            throw new Error(`seed ${seed}, run ${run}: ${String(error)}\n${text}`, {
              cause: error,
            });
          }
          expect(error.message).to.match(/\S/).and.not.match(/\n/);
          refused++;
        }
      }
      // a test that refuses all, or nothing, would test nothing
      expect(refused).to.be.within(runs / 10, runs - 1);
    });
  }
});
