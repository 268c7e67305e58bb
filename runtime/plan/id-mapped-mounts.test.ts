import { expect } from "chai";
import { parseMountOptions } from "../spec/mount-options.ts";
import { containerMapping, mapLines, newIdMapper } from "./id-mapped-mounts.ts";
import { newPlanBuilder } from "./plan.ts";

const shifted = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const other = [{ containerID: 0, hostID: 7, size: 1 }];
const none = containerMapping({}, -1);

describe("id-mapped mounts", () => {
  it("share a namespace when their mappings are equal", () => {
    const builder = newPlanBuilder();
    builder.slots.push("a", "b", "c");
    const mapper = newIdMapper(builder, none);
    const mount = (mappings: typeof shifted) => ({
      destination: "/x",
      uidMappings: mappings,
      gidMappings: mappings,
    });
    mapper.map(mount(shifted), parseMountOptions(["bind"]), 0);
    mapper.map(mount(shifted), parseMountOptions(["rbind", "ridmap"]), 1);
    mapper.map(mount(other), parseMountOptions(["bind", "idmap"]), 2);
    const text = "0 100000 65536";
    expect(builder.ops).to.deep.equal([
      { op: "openUserNamespace", slot: 3, uidMap: text, gidMap: text },
      { op: "idMapMount", slot: 0, namespaceSlot: 3, fd: -1, recursive: 0 },
      { op: "idMapMount", slot: 1, namespaceSlot: 3, fd: -1, recursive: 1 },
      { op: "openUserNamespace", slot: 4, uidMap: "0 7 1", gidMap: "0 7 1" },
      { op: "idMapMount", slot: 2, namespaceSlot: 4, fd: -1, recursive: 0 },
    ]);
  });

  it("take the container's mapping, or the namespace that it joins", () => {
    const of = (mapping: ReturnType<typeof containerMapping>) => {
      const builder = newPlanBuilder();
      builder.slots.push("a");
      newIdMapper(builder, mapping).map(
        { destination: "/x" },
        parseMountOptions(["bind", "idmap"]),
        0,
      );
      return builder.ops;
    };
    const linux = { uidMappings: shifted, gidMappings: other };
    expect(of(containerMapping(linux, -1))[0]).to.include({
      uidMap: "0 100000 65536",
      gidMap: "0 7 1",
    });
    expect(of(containerMapping({}, 9))).to.deep.equal([
      { op: "idMapMount", slot: 0, namespaceSlot: 0, fd: 9, recursive: 0 },
    ]);
  });

  it("leave other mounts alone", () => {
    const builder = newPlanBuilder();
    newIdMapper(builder, none).map({ destination: "/x" }, parseMountOptions(["bind"]), 0);
    expect(builder.ops).to.deep.equal([]);
  });

  it("write a line for each mapping", () => {
    expect(mapLines([...shifted, ...other])).to.equal("0 100000 65536\n0 7 1");
  });
});
