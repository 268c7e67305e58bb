/** The session keyring: one for each container, joined by exec, none with --no-new-keyring. */
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { jsonLines, type Outcome } from "../harness/probe.ts";

/** "keyring;UID;GID;PERMISSIONS;NAME" as the program sees it. */
function keyringOf(stdout: string): string {
  return String(jsonLines<Outcome>(stdout)[0]?.target);
}

describe("session keyring", () => {
  it("is the container's own", () => {
    const c = container((config) => {
      config.process.args = ["/probe", "keyring"];
    });
    expect(keyringOf(c.run().ok().stdout)).to.match(new RegExp(`;_ses\\.${c.id}$`));
  });

  it("is shared with exec", () => {
    const c = sleeper().up();
    const { stdout } = c.exec(["/probe", "keyring"]).ok();
    expect(keyringOf(stdout)).to.match(new RegExp(`;_ses\\.${c.id}$`));
  });

  it("cannot be searched by others: owner's rights only and no link for the rest", () => {
    const c = container((config) => {
      config.process.args = ["/probe", "keyring"];
    });
    const permissions = Number.parseInt(keyringOf(c.run().ok().stdout).split(";")[3] ?? "", 16);
    expect(permissions & 0xff, "others").to.equal(0);
  });

  it("is the caller's with --no-new-keyring", () => {
    const c = container((config) => {
      config.process.args = ["/probe", "keyring"];
    });
    expect(c.run(["--no-new-keyring"]).ok().stdout).to.not.include(`_ses.${c.id}`);
  });
});
