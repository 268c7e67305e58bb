import { expect } from "chai";
import type { Namespace } from "../../schemas/generated/config.ts";
import { withHostView } from "./host-view.ts";
import { planNamespaces } from "./namespaces.ts";

const sysfs = {
  destination: "/sys",
  type: "sysfs",
  source: "sysfs",
  options: ["nosuid", "ro", "x=1"],
};
const proc = { destination: "/proc", type: "proc", source: "proc" };
const hostSys = { destination: "/sys", type: "bind", source: "/sys" };

function namespaces(...list: Namespace[]) {
  return planNamespaces(list, []);
}

describe("host's view", () => {
  it("is for user namespaces without the namespace that the file system shows", () => {
    expect(withHostView(sysfs, namespaces({ type: "user" }))).to.deep.equal({
      ...hostSys,
      options: ["rbind", "nosuid", "ro", "rro"],
    });
    expect(withHostView(proc, namespaces({ type: "user" }))).to.deep.equal({
      destination: "/proc",
      type: "bind",
      source: "/proc",
      options: ["rbind"],
    });
  });

  it("is taken of a joined network namespace that the new user namespace cannot own", () => {
    const joined = { type: "network", path: "/run/netns/x" } as const;
    expect(withHostView(sysfs, namespaces({ type: "user" }, joined)).type).to.equal("bind");
    const pod = { type: "user", path: "/proc/1/ns/user" } as const;
    expect(withHostView(sysfs, namespaces(pod, joined))).to.equal(sysfs);
  });

  it("is not for containers that own what they mount, nor for bind mounts", () => {
    expect(withHostView(sysfs, namespaces())).to.equal(sysfs);
    const own = namespaces({ type: "user" }, { type: "network" }, { type: "pid" });
    expect(withHostView(sysfs, own)).to.equal(sysfs);
    expect(withHostView(proc, own)).to.equal(proc);
    const bind = { destination: "/sys", type: "sysfs", source: "/x", options: ["bind"] };
    expect(withHostView(bind, namespaces({ type: "user" }))).to.equal(bind);
  });
});
