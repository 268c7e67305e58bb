/** hostname and domainname: set in a new or joined uts namespace, refused where they would be the host's. */
import { hostname as hostnameOfHost } from "node:os";
import { expect } from "chai";
import { withoutNamespace } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { readOrEmpty } from "../harness/processes.ts";

describe("hostname", () => {
  it("is set", () => {
    const report = runReport((config) => {
      config.hostname = "box.example";
    });
    expect(report.hostname).to.equal("box.example");
    expect(hostnameOfHost()).to.not.equal("box.example");
  });

  it("stays the host's in a new uts namespace when the config has none", () => {
    const report = runReport((config) => {
      delete config.hostname;
    });
    expect(report.hostname).to.equal(hostnameOfHost());
  });

  it("may have 64 bytes, not 65", () => {
    const longest = "h".repeat(64);
    const report = runReport((config) => {
      config.hostname = longest;
    });
    expect(report.hostname).to.equal(longest);
    const c = container((config) => {
      config.hostname = `${longest}h`;
    });
    c.run().fails();
  });

  it("is refused without a uts namespace, and the host keeps its name", () => {
    const before = hostnameOfHost();
    const c = container((config) => {
      withoutNamespace(config, "uts");
      config.hostname = "stolen";
    });
    c.run().fails(/uts/i);
    expect(hostnameOfHost()).to.equal(before);
  });

  it("is the host's without a uts namespace", () => {
    const report = runReport((config) => {
      withoutNamespace(config, "uts");
      delete config.hostname;
    });
    expect(report.hostname).to.equal(hostnameOfHost());
  });

  it("is set in a uts namespace that is joined", () => {
    const first = sleeper().up();
    const report = runReport((config) => {
      withoutNamespace(config, "uts");
      config.linux.namespaces.push({ type: "uts", path: `/proc/${first.state().pid}/ns/uts` });
      config.hostname = "joined";
    });
    expect(report.hostname).to.equal("joined");
    expect(first.execReport([], "identity").hostname).to.equal("joined");
  });
});

describe("domainname", () => {
  const older = known.bind(undefined, "runc <1.2", "the field came with runc 1.2");

  it(
    "is set",
    older(() => {
      const report = runReport((config) => {
        config["domainname"] = "example.org";
      });
      expect(report.domainname).to.equal("example.org");
    }),
  );

  it(
    "is refused without a uts namespace",
    older(() => {
      const before = readOrEmpty("/proc/sys/kernel/domainname");
      const c = container((config) => {
        withoutNamespace(config, "uts");
        delete config.hostname;
        config["domainname"] = "stolen.example";
      });
      c.run().fails(/uts/i);
      expect(readOrEmpty("/proc/sys/kernel/domainname")).to.equal(before);
    }),
  );
});
