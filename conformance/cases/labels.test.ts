/** AppArmor profiles and SELinux labels: applied, or refused where the host has no such module. */
import { expect } from "chai";
import type { Config } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { requires } from "../harness/requires.ts";

function refused(edit: (config: Config) => void, pattern: RegExp): void {
  const c = container(edit);
  c.run().fails(pattern);
  expect(traces(c.id)).to.deep.equal([]);
}

const label = "system_u:system_r:container_t:s0:c1,c2";

describe("process.apparmorProfile", () => {
  it("is refused without AppArmor", function () {
    requires({ apparmor: false }).call(this);
    refused((config) => {
      config.process["apparmorProfile"] = "docker-default";
    }, /apparmor/i);
  });

  it(
    "unconfined is how everything is without AppArmor",
    known("runc", "it writes the label all the same", function () {
      requires({ apparmor: false }).call(this);
      runReport((config) => {
        config.process["apparmorProfile"] = "unconfined";
      });
    }),
  );

  it("exec --apparmor is refused without AppArmor", function () {
    requires({ apparmor: false }).call(this);
    const c = sleeper().up();
    c.exec(["/probe"], ["--apparmor", "docker-default"]).fails(/apparmor/i);
    c.exec(["/probe"]).ok();
  });

  it("a profile that is not loaded is refused", function () {
    requires({ apparmor: true }).call(this);
    refused((config) => {
      config.process["apparmorProfile"] = "no-such-profile";
    }, /apparmor|no-such-profile/i);
  });

  it("unconfined is applied", function () {
    requires({ apparmor: true }).call(this);
    const report = runReport((config) => {
      config.process["apparmorProfile"] = "unconfined";
    });
    expect(report.label).to.match(/^unconfined/);
  });
});

describe("SELinux labels", () => {
  before(requires({ selinux: false }));

  it("process.selinuxLabel is refused without SELinux", () => {
    refused((config) => {
      config.process["selinuxLabel"] = label;
    }, /selinux/i);
  });

  it("exec --process-label is refused without SELinux", () => {
    const c = sleeper().up();
    c.exec(["/probe"], ["--process-label", label]).fails(/selinux|label/i);
  });

  it(
    "linux.mountLabel has no effect without SELinux",
    known("runc", "the kernel refuses it without saying why", () => {
      runReport((config) => {
        config.linux["mountLabel"] = label;
      });
    }),
  );
});
