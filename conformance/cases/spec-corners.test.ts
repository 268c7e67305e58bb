/** Corners of the specification that runtimes tend to miss; each names the text that asks for it. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { hostFacts, requires } from "../harness/requires.ts";

function refused(edit: (config: Config) => void, pattern: RegExp): void {
  const c = container(edit);
  c.run().fails(pattern);
  expect(traces(c.id)).to.deep.equal([]);
}

describe("mounts", () => {
  it(
    "defaults is accepted for every type (config.md, Linux mount options)",
    known("runc", "EINVAL where there is no bind", () => {
      const report = runReport((config) => {
        for (const mount of config.mounts) mount.options = ["defaults", ...(mount.options ?? [])];
      });
      expect(report.mounts.map(({ target }) => target)).to.include.members([
        ...["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/tmp"],
      ]);
    }),
  );

  it("remount changes what is mounted, and leaves the rest as it is", () => {
    const report = runReport((config) => {
      config.mounts.push(
        { destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=1m"] },
        { destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["remount", "size=2m"] },
        { destination: "/mnt", source: "/mnt", options: ["bind", "remount", "ro", "nosuid"] },
      );
    });
    const entries = report.mounts.filter(({ target }) => target === "/mnt");
    expect(entries).to.have.length(1);
    expect(entries[0]?.options.split(",")).to.include.members(["ro", "nosuid"]);
    expect(entries[0]?.superOptions).to.include("size=2048k");
  });

  it("remount of what is no mount point is refused", () => {
    refused((config) => {
      const options = ["remount", "ro"];
      config.mounts.push({ destination: "/etc", type: "tmpfs", source: "tmpfs", options });
    }, /\/etc/);
  });

  it("defaults is accepted for a bind", () => {
    runReport((config) => {
      config.mounts.push({ destination: "/mnt", source: "/etc", options: ["bind", "defaults"] });
    });
  });

  it(
    "a read-only tmpfs that copies up is filled first, also with rro",
    known("runc <1.2", "it is read-only before", () => {
      for (const option of ["ro", "rro"]) {
        const c = sleeper((config) => {
          mkdirSync(`${ownRootfs(config)}/full`);
          writeFileSync(`${config.root.path}/full/f`, "text");
          const options = ["tmpcopyup", option];
          config.mounts.push({ destination: "/full", type: "tmpfs", source: "tmpfs", options });
        }).up();
        expect(existsSync(`/proc/${c.state().pid}/root/full/f`)).to.equal(true);
        expect(() => writeFileSync(`/proc/${c.state().pid}/root/full/f`, "x")).to.throw(/EROFS/);
      }
    }),
  );

  it(
    "tmpcopyup keeps times",
    known("runc", "it does not copy them; crun does not either", () => {
      const c = sleeper((config) => {
        mkdirSync(`${ownRootfs(config)}/full`);
        writeFileSync(`${config.root.path}/full/f`, "text");
        utimesSync(`${config.root.path}/full/f`, 1_000_000, 2_000_000);
        const options = ["tmpcopyup"];
        config.mounts.push({ destination: "/full", type: "tmpfs", source: "tmpfs", options });
      }).up();
      expect(statSync(`/proc/${c.state().pid}/root/full/f`).mtimeMs).to.equal(2_000_000_000);
    }),
  );

  it(
    "tmpcopyup keeps extended attributes: a file's capabilities",
    known("runc", "it does not copy them", function () {
      requires({ program: "setcap" }).call(this);
      const c = sleeper((config) => {
        mkdirSync(`${ownRootfs(config)}/full`);
        writeFileSync(`${config.root.path}/full/f`, "text", { mode: 0o755 });
        execFileSync("setcap", ["cap_net_raw+ep", `${config.root.path}/full/f`]);
        const options = ["tmpcopyup"];
        config.mounts.push({ destination: "/full", type: "tmpfs", source: "tmpfs", options });
      }).up();
      const text = execFileSync("getcap", [`/proc/${c.state().pid}/root/full/f`], {
        encoding: "utf8",
      });
      expect(text).to.include("cap_net_raw=ep");
    }),
  );
});

describe("resources", () => {
  it("rdma limits are refused by name where the host has no such controller", function () {
    if (hostFacts().controllers.includes("rdma")) this.skip();
    refused((config) => {
      config.linux.resources["rdma"] = { mlx5_1: { hcaHandles: 3 } };
    }, /rdma/i);
  });
});

describe("process", () => {
  it("a property of a later specification is ignored (config.md, extensibility)", () => {
    const report = runReport((config) => {
      config["newThing"] = { a: 1 };
      config.process["newThing"] = true;
      config.linux["newThing"] = [];
    });
    expect(report.pid).to.equal(1);
  });

  it("an annotation that nobody knows changes nothing (config.md, annotations)", () => {
    const c = sleeper((config) => {
      config.annotations = { "com.example.unknown": "", "run.oci.unknown": "1" };
    }).up();
    expect(c.state().annotations).to.include({ "com.example.unknown": "" });
  });

  it(
    "an empty annotation key is refused (config.md, annotations)",
    known("runc", "not checked; keys MUST NOT be an empty string", () => {
      refused((config) => {
        config.annotations = { "": "x" };
      }, /annotation/i);
    }),
  );
});
