/** linux.intelRdt: refused with words where resctrl is not mounted. */
import { existsSync } from "node:fs";
import { expect } from "chai";
import type { Config } from "../harness/bundle.ts";
import { container } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";

function refused(edit: (config: Config) => void, pattern: RegExp): void {
  const c = container(edit);
  c.run().fails(pattern);
  expect(traces(c.id)).to.deep.equal([]);
}

describe("linux.intelRdt without resctrl", () => {
  before(function () {
    if (existsSync("/sys/fs/resctrl/schemata")) this.skip();
  });

  it("is refused for a schema", () => {
    refused((config) => {
      config.linux["intelRdt"] = { l3CacheSchema: "L3:0=f" };
    }, /rdt/i);
  });

  it(
    "is refused for a class of service alone",
    known("runc", "it looks only when there is a schema", () => {
      refused((config) => {
        config.linux["intelRdt"] = { closID: "gold" };
      }, /rdt/i);
    }),
  );

  it("is refused for a class that is no name", () => {
    refused((config) => {
      config.linux["intelRdt"] = { closID: "../x" };
    }, /rdt/i);
  });
});
