import { expect } from "chai";
import type { Spec } from "../../schemas/generated/config.ts";
import { cgroupOwner } from "./cgroup-owner.ts";

function spec(namespaces: object[], options: string[] = ["rw"]): Spec {
  const mounts = [{ destination: "/sys/fs/cgroup", type: "cgroup", options }];
  const uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  return { ociVersion: "1.2.0", mounts, linux: { namespaces, uidMappings } } as unknown as Spec;
}

const user = { type: "user" };
const cgroup = { type: "cgroup" };

describe("the owner of a container's cgroup", () => {
  it("is root inside when it has a writable cgroup mount in namespaces of its own", () => {
    expect(cgroupOwner(spec([user, cgroup]))).to.equal(100000);
  });

  it("stays the caller when the mount is read-only, or a namespace is shared or joined", () => {
    expect(cgroupOwner(spec([user, cgroup], ["nosuid", "ro"]))).to.equal(undefined);
    expect(cgroupOwner(spec([user]))).to.equal(undefined);
    expect(cgroupOwner(spec([user, { type: "cgroup", path: "/proc/1/ns/cgroup" }]))).to.equal(
      undefined,
    );
    expect(cgroupOwner(spec([cgroup]))).to.equal(undefined);
  });
});
