import { expect } from "chai";
import type { Spec } from "../../schemas/generated/config.ts";
import { checkNetSysctls } from "./host-namespaces.ts";

function spec(path: string | undefined, sysctl: Record<string, string>): Spec {
  const network = path === undefined ? { type: "network" } : { type: "network", path };
  return { ociVersion: "1.2.0", linux: { namespaces: [network], sysctl } } as Spec;
}

describe("sysctls of a network namespace joined by path", () => {
  it("are refused when it is the caller's own", () => {
    const config = spec("/proc/self/ns/net", { "kernel.shmmax": "1", "net/ipv4/ip_forward": "1" });
    expect(() => checkNetSysctls(config)).to.throw(
      'sysctl "net.ipv4.ip_forward" not allowed in host network namespace',
    );
  });

  it("are left to the join for another one, for none at all, and for a new one", () => {
    const sysctl = { "net.ipv4.ip_forward": "1" };
    // of another kind, so that it is never the same
    for (const path of ["/proc/self/ns/uts", "/nonexistent", undefined])
      expect(() => checkNetSysctls(spec(path, sysctl))).not.to.throw();
    expect(() =>
      checkNetSysctls(spec("/proc/self/ns/net", { "kernel.shmmax": "1" })),
    ).not.to.throw();
  });
});
