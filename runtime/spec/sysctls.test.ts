/** sysctl names: spellings, namespaces, and names that would leave /proc/sys. */
import { expect } from "chai";
import { dottedSysctl, isMalformedSysctl, sysctlPath, sysctlProblem } from "./sysctls.ts";

describe("sysctl names", () => {
  it("take either separator; the first one decides (sysctl(8))", () => {
    const cases = [
      ["net.ipv4.ip_forward", "net.ipv4.ip_forward", "net/ipv4/ip_forward"],
      ["net/ipv4/ip_forward", "net.ipv4.ip_forward", "net/ipv4/ip_forward"],
      [
        "net/ipv4/conf/eno2.100.rp_filter",
        "net.ipv4.conf.eno2/100/rp_filter",
        "net/ipv4/conf/eno2.100.rp_filter",
      ],
      [
        "net.ipv4.conf.eno2/100.rp_filter",
        "net.ipv4.conf.eno2/100.rp_filter",
        "net/ipv4/conf/eno2.100/rp_filter",
      ],
    ] as const;
    for (const [name, dotted, path] of cases) {
      expect(dottedSysctl(name)).to.equal(dotted);
      expect(sysctlPath(name)).to.equal(path);
      expect(isMalformedSysctl(name)).to.equal(false);
    }
  });

  it("cannot lead elsewhere", () => {
    for (const name of [
      "",
      ".",
      "..",
      "net..x",
      ".net",
      "net.",
      "net/../vm/x",
      "../x",
      "/etc/x",
      "net.//.x",
      "net./.x",
    ]) {
      expect(isMalformedSysctl(name), name).to.equal(true);
    }
  });

  it("belong to a namespace", () => {
    const all = (): boolean => true;
    const none = (): boolean => false;
    for (const name of [
      "net.core.somaxconn",
      "kernel.shmmax",
      "fs.mqueue.msg_max",
      "kernel.domainname",
      "user.max_x",
    ]) {
      expect(sysctlProblem(name, all), name).to.equal(undefined);
      expect(sysctlProblem(name, none), name).to.be.a("string");
    }
    expect(sysctlProblem("kernel.hostname", all)).to.equal(
      'sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field',
    );
    expect(sysctlProblem("fs.file-max", all)).to.equal(
      'sysctl "fs.file-max" is not in a separate kernel namespace',
    );
    expect(sysctlProblem("network.x", all)).to.include("not in a separate");
  });
});
