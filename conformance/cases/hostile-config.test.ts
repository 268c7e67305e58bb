/** Configs and ids that would take the runtime's time or memory, or lead it to other directories. */
import { cpSync, lstatSync, readdirSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { invoke } from "../harness/runtime.ts";
import { scratch, scratchDirectory } from "../harness/scratch.ts";

/** create with this text as config.json must fail with a matching text, and leave nothing. */
function refused(text: string, pattern: RegExp): void {
  const bundle = scratchDirectory("hostile");
  writeFileSync(`${bundle}/config.json`, text);
  const { id } = container();
  invoke(["create", "--bundle", bundle, id]).fails(pattern, 1);
  expect(traces(id)).to.deep.equal([]);
}

describe("a config.json", () => {
  it(
    "larger than any real one is refused",
    known("runc", "reads a config of any size into memory", () => {
      const { config } = container().bundle;
      refused(JSON.stringify(config) + " ".repeat(17 << 20), /larger than/);
    }),
  );

  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
  ] as const) {
    for (const depth of [5000, 100_000]) {
      const body = () => {
        const { config } = container().bundle;
        const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
        const text = JSON.stringify({ ...config, "x-deep": 0 });
        refused(text.replace('"x-deep":0', `"x-deep":${deep}`), /config\.json.*nesting|max depth/);
      };
      const loose = known("runc", "refuses more than 10000 levels only", body);
      it(`nested ${depth} deep in ${open} is refused`, depth < 10_000 ? loose : body);
    }
  }
});

describe("an id with ..", () => {
  it("never leads to a directory beside the state root", () => {
    const c = sleeper().up();
    const victim = `${scratch()}/victim`;
    const filter = (path: string) => lstatSync(path).isDirectory() || lstatSync(path).isFile();
    cpSync(c.stateDirectory(), victim, { recursive: true, filter });
    const before = readdirSync(victim);
    for (const verb of ["state", "start", "kill", "pause", "delete"])
      invoke([verb, "../victim"]).fails();
    invoke(["delete", "--force", "../victim"]);
    expect(readdirSync(victim)).to.deep.equal(before);
    expect(c.status()).to.equal("running");
  });
});
