/** Name tables compared with the kernel they run on and with the C library's encoding. */
import { existsSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { expect } from "chai";
import { capabilityMask, capabilityNames } from "./capabilities.ts";
import { defaultDevices, deviceMode, deviceNumber } from "./devices.ts";
import { namespaceFile, namespaceFlag, namespaceTypes } from "./namespaces.ts";
import { isRlimit, rlimitNumber } from "./rlimits.ts";

describe("capability names", () => {
  it("reach as far as the kernel's", () => {
    const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
    expect(capabilityNames().length).to.be.greaterThanOrEqual(Math.min(last + 1, 41));
    expect(capabilityNames()[0]).to.equal("CAP_CHOWN");
    expect(capabilityNames()[21]).to.equal("CAP_SYS_ADMIN");
    expect(capabilityNames()[40]).to.equal("CAP_CHECKPOINT_RESTORE");
  });

  it("add up to masks, unknown ones aside", () => {
    expect(
      capabilityMask(["CAP_KILL", "CAP_CHECKPOINT_RESTORE", "CAP_NO", "CAP_SETFCAP", "kill"]),
    ).to.deep.equal({
      mask: (1n << 5n) | (1n << 40n) | (1n << 31n),
      unknown: ["CAP_NO", "kill"],
    });
    expect(capabilityMask(capabilityNames()).mask).to.equal((1n << 41n) - 1n);
    expect(capabilityMask([])).to.deep.equal({ mask: 0n, unknown: [] });
  });
});

describe("rlimit names", () => {
  it("are numbered like the lines of /proc/self/limits say", () => {
    expect(rlimitNumber("RLIMIT_CPU")).to.equal(0);
    expect(rlimitNumber("RLIMIT_NOFILE")).to.equal(7);
    expect(rlimitNumber("RLIMIT_AS")).to.equal(9);
    expect(rlimitNumber("RLIMIT_RTTIME")).to.equal(15);
    expect(isRlimit("RLIMIT_FOO")).to.equal(false);
    expect(() => rlimitNumber("RLIMIT_FOO")).to.throw("invalid rlimit type RLIMIT_FOO");
  });
});

describe("namespace types", () => {
  it("have the files of /proc/PID/ns", () => {
    for (const type of namespaceTypes()) {
      const path = `/proc/self/ns/${namespaceFile(type)}`;
      if (existsSync(path))
        expect(readlinkSync(path)).to.match(new RegExp(`^${namespaceFile(type)}:`));
      expect(namespaceFlag(type)).to.be.greaterThan(0);
    }
    expect(namespaceTypes()).to.deep.equal([
      "cgroup",
      "ipc",
      "mount",
      "network",
      "pid",
      "time",
      "user",
      "uts",
    ]);
  });
});

describe("devices", () => {
  it("are those of this machine", () => {
    for (const device of defaultDevices()) {
      if (!existsSync(device.path)) continue;
      expect(deviceNumber(device), device.path).to.equal(BigInt(statSync(device.path).rdev));
    }
    expect(defaultDevices().map(({ path }) => path)).to.have.members([
      "/dev/null",
      "/dev/zero",
      "/dev/full",
      "/dev/random",
      "/dev/urandom",
      "/dev/tty",
    ]);
  });

  it("are encoded as the C library does", () => {
    expect(deviceNumber({ type: "b", path: "/x", major: 259, minor: 0x12345 })).to.equal(
      0x12310345n,
    );
    expect(deviceNumber({ type: "p", path: "/x", major: 1, minor: 1 })).to.equal(0n);
  });

  it("have type and permission bits; type bits in fileMode do not count", () => {
    expect(deviceMode({ type: "c", path: "/x" })).to.equal(0o020666);
    expect(deviceMode({ type: "u", path: "/x", fileMode: 0o020600 })).to.equal(0o020600);
    expect(deviceMode({ type: "b", path: "/x", fileMode: 0o100640 })).to.equal(0o060640);
    expect(deviceMode({ type: "p", path: "/x", fileMode: 0o4644 })).to.equal(0o014644);
  });
});
