import { expect } from "chai";
import type { CgroupHost, Hierarchy } from "../host/cgroup-mode.ts";
import { placeContainer, placeExec } from "./place.ts";

const v1: CgroupHost = {
  mode: "hybrid",
  hierarchies: [
    { controllers: ["cpu", "cpuacct"], mountPoint: "/c/cpu,cpuacct", ownPath: "/user" },
    { controllers: ["devices"], mountPoint: "/c/devices", ownPath: "/" },
    { controllers: ["name=elogind"], mountPoint: "/c/elogind", ownPath: "/" },
    { controllers: ["name=systemd"], mountPoint: "/c/systemd", ownPath: "/user" },
    { controllers: [""], mountPoint: "/c/unified", ownPath: "/user" },
  ],
};
const v2: CgroupHost = {
  mode: "v2",
  hierarchies: [{ controllers: [""], mountPoint: "/c", ownPath: "/user.slice/session.scope" }],
};
const own = (h: Hierarchy): string => (h.ownPath === "/" ? h.mountPoint : h.mountPoint + h.ownPath);

describe("placing a container", () => {
  it("counts an absolute path from each mount point", () => {
    const { paths, mode, unifiedRoot } = placeContainer({
      id: "x",
      cgroupsPath: "/docker/x",
      host: v1,
      own,
    });
    expect(paths).to.deep.equal({
      devices: "/c/devices/docker/x",
      cpu: "/c/cpu,cpuacct/docker/x",
      cpuacct: "/c/cpu,cpuacct/docker/x",
      "name=systemd": "/c/systemd/docker/x",
      "": "/c/unified/docker/x",
    });
    expect([mode, unifiedRoot]).to.deep.equal(["v1", undefined]);
  });

  it("puts a relative path, or the id, below the own cgroup", () => {
    const paths = (cgroupsPath?: string) =>
      placeContainer({ id: "id", cgroupsPath, host: v1, own }).paths;
    expect(paths("a/b")["cpu"]).to.equal("/c/cpu,cpuacct/user/a/b");
    expect(paths()["devices"]).to.equal("/c/devices/id");
    expect(paths("")[""]).to.equal("/c/unified/user/id");
  });

  it("puts it beside the own cgroup on v2, which holds processes", () => {
    const place = placeContainer({ id: "id", cgroupsPath: undefined, host: v2, own });
    expect(place).to.deep.equal({
      mode: "v2",
      paths: { "": "/c/user.slice/id" },
      unifiedRoot: "/c",
    });
  });

  it("does not let .. lead out, and refuses a root", () => {
    const path = (cgroupsPath: string) =>
      placeContainer({ id: "id", cgroupsPath, host: v2, own }).paths[""];
    expect(path("/../../a/../b")).to.equal("/c/b");
    expect(path("../../../b")).to.equal("/c/user.slice/b");
    expect(() => path("/")).to.throw("root cgroup");
    expect(() => path("a/..")).to.throw("root cgroup");
  });
});

describe("placing an exec", () => {
  const paths = { cpu: "/c/cpu/x", pids: "/c/pids/x" };

  it("goes below all, or below the named controllers", () => {
    expect(placeExec(paths, ["sub"])).to.deep.equal({ cpu: "/c/cpu/x/sub", pids: "/c/pids/x/sub" });
    expect(placeExec(paths, ["pids:/a/./b/"])).to.deep.equal({
      cpu: "/c/cpu/x",
      pids: "/c/pids/x/a/b",
    });
    expect(placeExec(paths, ["pids,cpu:s"])["cpu"]).to.equal("/c/cpu/x/s");
    expect(placeExec(paths, ["/"])).to.deep.equal(paths);
  });

  it("refuses ways out, unknown and repeated controllers, and mixed forms", () => {
    const place =
      (...subgroups: string[]) =>
      () =>
        placeExec(paths, subgroups);
    expect(place("../y")).to.throw("bad sub cgroup path");
    expect(place("pids:a/../../y")).to.throw("bad sub cgroup path");
    expect(place("io:a")).to.throw("unknown controller io");
    expect(place(":a")).to.throw("empty controller");
    expect(place("pids:a", "cpu,pids:b")).to.throw("pids given more than once");
    expect(place("a", "b")).to.throw("missing controller: prefix");
  });
});
