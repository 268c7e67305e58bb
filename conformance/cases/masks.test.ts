/** linux.maskedPaths and linux.readonlyPaths. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { ownRootfs } from "../harness/bundle.ts";
import { container, runActions, runShell } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";

describe("masked paths", () => {
  it("a file reads as empty and swallows nothing into the original", () => {
    let root = "";
    const text = runShell(
      "cat /etc/secret; echo x >/etc/secret; stat -c %F /etc/secret",
      (config) => {
        root = ownRootfs(config);
        writeFileSync(`${root}/etc/secret`, "secret");
        config.linux.maskedPaths = ["/etc/secret"];
      },
    );
    expect(text).to.equal("character special file\n");
    expect(readFileSync(`${root}/etc/secret`, "utf8")).to.equal("secret");
  });

  it("a directory is empty and read-only", () => {
    const text = runShell("ls -A /var/secret; touch /var/secret/x || echo refused", (config) => {
      const root = ownRootfs(config);
      mkdirSync(`${root}/var/secret`);
      writeFileSync(`${root}/var/secret/key`, "secret");
      config.linux.maskedPaths = ["/var/secret"];
    });
    expect(text).to.equal("refused\n");
  });

  it("the default list hides the kernel's secrets", () => {
    const files = ["/proc/keys", "/proc/timer_list"].filter((path) => existsSync(path));
    const directories = ["/sys/firmware", "/proc/acpi"].filter((path) => existsSync(path));
    const text = runShell(`cat /dev/null ${files.join(" ")}; ls -A /mnt ${directories.join(" ")}`);
    expect(text.replaceAll(/^.*:\n|\n/gm, "")).to.equal("");
  });

  it("what does not exist is passed over", () => {
    runShell("true", (config) => {
      config.linux.maskedPaths = ["/nonexistent", "/var/no/such", "/proc/nope"];
      config.linux.readonlyPaths = ["/nonexistent", "/proc/nope"];
    });
  });

  it("many, twice and nested: all hold", () => {
    const text = runShell("ls -A /var/m1 /var/m299 | grep -c key; cat /etc/secret", (config) => {
      const root = ownRootfs(config);
      writeFileSync(`${root}/etc/secret`, "secret");
      const paths = ["/etc/secret", "/etc/secret"];
      for (let i = 0; i < 300; i++) {
        mkdirSync(`${root}/var/m${i}`);
        writeFileSync(`${root}/var/m${i}/key`, "");
        paths.push(`/var/m${i}`);
      }
      config.linux.maskedPaths = paths;
    });
    expect(text.trim()).to.equal("0");
  });

  it("hold for exec as well", () => {
    const c = container((config) => {
      config.process.args = ["/probe", "sleep"];
      config.linux.maskedPaths = ["/etc/passwd"];
    }).up();
    expect(c.exec(["/bin/cat", "/etc/passwd"]).ok().stdout).to.equal("");
  });
});

describe("read-only paths", () => {
  it("a directory and what is below it", () => {
    const outcomes = runActions(
      ["write", "/var/ro/x", "+", "write", "/var/ro/below/x", "+", "write", "/var/x"],
      (config) => {
        mkdirSync(`${ownRootfs(config)}/var/ro/below`, { recursive: true });
        config.linux.readonlyPaths = ["/var/ro"];
      },
    );
    expect(outcomes.map(({ errno }) => errno)).to.deep.equal(["EROFS", "EROFS", null]);
  });

  it("a file", () => {
    const [outcome] = runActions(["write", "/etc/hostname"], (config) => {
      ownRootfs(config);
      config.linux.readonlyPaths = ["/etc/hostname"];
    });
    expect(outcome?.errno).to.equal("EROFS");
  });

  it("a file system mounted below stays as it is, nosuid and the like are kept", () => {
    const c = container((config) => {
      config.linux.readonlyPaths = ["/proc/sys"];
      config.process.args = ["/bin/grep", " /proc/sys ", "/proc/self/mountinfo"];
    });
    const options = c.run().ok().stdout.split(" ")[5]?.split(",");
    expect(options).to.include.members(["ro", "nosuid", "nodev", "noexec"]);
  });

  it("/proc/sys cannot be written with all rights", () => {
    const [outcome] = runActions(["write", "/proc/sys/kernel/domainname", "x"]);
    expect(outcome?.errno).to.equal("EROFS");
  });
});

describe("paths that must be refused", () => {
  for (const list of ["maskedPaths", "readonlyPaths"] as const) {
    it(`a relative one in ${list} does nothing to the host`, () => {
      const c = container((config) => {
        config.linux[list] = ["etc/passwd"];
      });
      // config-linux.md: values MUST be absolute. runc 1.1 takes them from "/".
      c.run();
      expect(readFileSync("/etc/passwd", "utf8").length).to.be.greaterThan(0);
      expect(traces(c.id)).to.deep.equal([]);
    });
  }
});
