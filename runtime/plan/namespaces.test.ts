import { expect } from "chai";
import { addNamespaces, planNamespaces } from "./namespaces.ts";
import { newPlanBuilder } from "./plan.ts";

const join = (type: "user" | "mount" | "network" | "pid", fd: number) => ({
  type,
  fd,
  path: `/proc/1/ns/${type}`,
});

describe("namespaces", () => {
  it("leaves cgroup and time namespaces to later operations", () => {
    const plan = planNamespaces([{ type: "cgroup" }, { type: "time" }, { type: "ipc" }], []);
    expect(plan.newFlags).to.equal(0x08000000);
    expect([plan.newCgroup, plan.newTime, plan.forks]).to.deep.equal([true, true, false]);
  });

  it("joins the user namespace first and the mount namespace last", () => {
    const joins = [join("mount", 3), join("network", 4), join("user", 5)];
    const { joins: ordered } = planNamespaces(
      joins.map(({ type, path }) => ({ type, path })),
      joins,
    );
    expect(ordered.map(({ type }) => type)).to.deep.equal(["user", "network", "mount"]);
  });

  it("forks where a pid namespace is joined: only children enter it", () => {
    expect(planNamespaces([{ type: "pid", path: "/p" }], [join("pid", 3)]).forks).to.equal(true);
  });

  it("takes an empty path for a new namespace, as Go writes it", () => {
    const plan = planNamespaces([{ type: "uts", path: "" }], []);
    expect(plan.isNew("uts")).to.equal(true);
    expect(plan.newFlags).to.equal(0x04000000);
  });

  it("stays hidden while a privileged parent maps its ids", () => {
    const builder = newPlanBuilder();
    addNamespaces(builder, planNamespaces([{ type: "user" }], []), "", true);
    expect(builder.ops.map(({ op }) => op)).to.deep.equal(["fork", "sync", "setIds"]);
  });

  it("is dumpable only while an unprivileged parent maps its ids", () => {
    const builder = newPlanBuilder();
    addNamespaces(builder, planNamespaces([{ type: "user" }], []), "", false);
    expect(builder.ops.map((op) => (op.op === "setDumpable" ? op.value : op.op))).to.deep.equal([
      "fork",
      1,
      "sync",
      0,
      "setIds",
    ]);
  });

  it("does not map ids of a user namespace that it joins", () => {
    const builder = newPlanBuilder();
    addNamespaces(
      builder,
      planNamespaces([{ type: "user", path: "/u" }], [join("user", 3)]),
      "",
      true,
    );
    expect(builder.ops.map(({ op }) => op)).to.deep.equal(["joinNamespace", "fork", "setIds"]);
  });
});
