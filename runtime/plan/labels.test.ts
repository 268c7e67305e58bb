import { expect } from "chai";
import { addKeyLabel, addLabels, contextOption } from "./labels.ts";
import { newPlanBuilder } from "./plan.ts";

describe("labels", () => {
  it("are written to the file of their module", () => {
    const builder = newPlanBuilder();
    const labels = {
      apparmor: { file: "attr/apparmor/exec", profile: "docker-default" },
      selinux: "system_u:system_r:container_t:s0:c1,c2",
    };
    addKeyLabel(builder, labels);
    addLabels(builder, labels);
    expect(builder.ops.map((op) => op.op === "writeProc" && [op.path, op.value])).to.deep.equal([
      ["thread-self/attr/keycreate", "system_u:system_r:container_t:s0:c1,c2"],
      ["thread-self/attr/apparmor/exec", "exec docker-default"],
      ["thread-self/attr/exec", "system_u:system_r:container_t:s0:c1,c2"],
    ]);
  });

  it("are left alone when none is asked for", () => {
    const builder = newPlanBuilder();
    addKeyLabel(builder, {});
    addLabels(builder, {});
    expect(builder.ops).to.deep.equal([]);
  });

  it("go to file systems that take a context", () => {
    expect(contextOption("tmpfs", "u:r:t:s0:c1,c2")).to.deep.equal(["context=u:r:t:s0:c1,c2"]);
    expect(contextOption("proc", "u:r:t:s0")).to.deep.equal([]);
    expect(contextOption("tmpfs", "")).to.deep.equal([]);
    expect(contextOption("tmpfs", undefined)).to.deep.equal([]);
  });
});
