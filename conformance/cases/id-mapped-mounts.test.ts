/** Id-mapped bind mounts: mappings of a mount and the idmap and ridmap options (config.md, mounts). */
import { chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import type { Config, MountConfig } from "../harness/bundle.ts";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { tmpfsOnHost, unmountAll } from "../harness/host-mounts.ts";
import { traces } from "../harness/leaks.ts";
import { jsonLines } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";
import { scratchDirectory } from "../harness/scratch.ts";

const since = "since 1.2";

interface Owner {
  path: string;
  uid: number;
  gid: number;
}

function mapping(containerID: number, hostID: number, size = 65_536): object[] {
  return [{ containerID, hostID, size }];
}

/** A host directory with a file of 0:0 and one of 1000:1001. */
function source(): string {
  const directory = scratchDirectory("mapped");
  writeFileSync(`${directory}/root`, "");
  writeFileSync(`${directory}/user`, "");
  chownSync(`${directory}/user`, 1000, 1001);
  return directory;
}

function addMapped(config: Config, path: string, extra: Partial<MountConfig>): void {
  config.mounts.push({ destination: "/mnt", source: path, options: ["bind"], ...extra });
}

function addUserNamespace(config: Config, hostID = 200_000): void {
  config.linux.namespaces.push({ type: "user" });
  config.linux["uidMappings"] = mapping(0, hostID);
  config.linux["gidMappings"] = mapping(0, hostID);
}

/** Owners as the container sees them, `uid:gid` by path. */
function owners(edit: (config: Config) => void, ...paths: string[]): Record<string, string> {
  const c = container((config) => {
    config.process.args = ["/probe", "stat", ...paths];
    edit(config);
  });
  const found = jsonLines<Owner>(c.run().ok().stdout);
  return Object.fromEntries(found.map(({ path, uid, gid }) => [path, `${uid}:${gid}`]));
}

function refused(edit: (config: Config) => void, pattern: RegExp): void {
  const c = container(edit);
  c.run().fails(pattern);
  expect(traces(c.id)).to.deep.equal([]);
}

const files = ["/mnt/root", "/mnt/user"];

describe("id-mapped mounts without a user namespace", () => {
  before(requires({ root: true, kernel: "5.12", userns: true }));
  afterEach(unmountAll);

  for (const option of [[], ["idmap"], ["ridmap"]]) {
    it(
      `mappings with ${option[0] ?? "no option"} change the owners that are seen`,
      known("runc <1.2", since, () => {
        const seen = owners(
          (config) => {
            addMapped(config, source(), {
              options: ["bind", ...option],
              uidMappings: mapping(0, 5000),
              gidMappings: mapping(0, 7000),
            });
          },
          ...files,
        );
        expect(seen).to.deep.equal({ "/mnt/root": "5000:7000", "/mnt/user": "6000:8001" });
      }),
    );
  }

  it(
    "several ranges, and ids outside of them are nobody's",
    known("runc <1.2", since, () => {
      const ranges = [...mapping(1000, 10, 1), ...mapping(1001, 20, 1)];
      const seen = owners(
        (config) => {
          addMapped(config, source(), { uidMappings: ranges, gidMappings: ranges });
        },
        ...files,
      );
      expect(seen).to.deep.equal({ "/mnt/root": "65534:65534", "/mnt/user": "10:20" });
    }),
  );

  it(
    "what the container makes belongs to the id on disk",
    known("runc <1.2", since, () => {
      const path = source();
      const c = container((config) => {
        config.process.args = ["/probe", "write", "/mnt/new"];
        config.process.user = { uid: 5000, gid: 5000 };
        addMapped(config, path, { uidMappings: mapping(0, 5000), gidMappings: mapping(0, 5000) });
      });
      c.run().ok();
      expect(c.outcomes().map(({ errno }) => errno)).to.deep.equal([null]);
      expect(statSync(`${path}/new`)).to.include({ uid: 0, gid: 0 });
    }),
  );

  function tree(): string {
    const path = source();
    mkdirSync(`${path}/sub`);
    tmpfsOnHost(`${path}/sub`);
    writeFileSync(`${path}/sub/file`, "");
    return path;
  }

  for (const [option, below] of [
    ["idmap", "0:0"],
    ["ridmap", "5000:5000"],
  ] as const) {
    it(
      `${option} of an rbind ${below === "0:0" ? "leaves" : "reaches"} the mounts below`,
      known("runc <1.2", since, function () {
        requires({ kernel: "6.3" }).call(this); // tmpfs
        const seen = owners(
          (config) => {
            addMapped(config, tree(), {
              options: ["rbind", option],
              uidMappings: mapping(0, 5000),
              gidMappings: mapping(0, 5000),
            });
          },
          "/mnt/root",
          "/mnt/sub/file",
        );
        expect(seen).to.deep.equal({ "/mnt/root": "5000:5000", "/mnt/sub/file": below });
      }),
    );
  }

  it(
    "does not change the host's own mount, nor another one of the container",
    known("runc <1.2", since, () => {
      const path = source();
      const seen = owners(
        (config) => {
          addMapped(config, path, { uidMappings: mapping(0, 5000), gidMappings: mapping(0, 5000) });
          config.mounts.push({ destination: "/data", source: path, options: ["bind"] });
        },
        "/mnt/root",
        "/data/root",
      );
      expect(seen).to.deep.equal({ "/mnt/root": "5000:5000", "/data/root": "0:0" });
      expect(statSync(`${path}/root`).uid).to.equal(0);
    }),
  );

  it(
    "two mounts with mappings of their own",
    known("runc <1.2", since, () => {
      const path = source();
      const seen = owners(
        (config) => {
          for (const [destination, id] of [
            ["/mnt", 5000],
            ["/data", 6000],
          ] as const) {
            addMapped(config, path, {
              destination,
              uidMappings: mapping(0, id),
              gidMappings: mapping(0, id),
            });
          }
        },
        "/mnt/root",
        "/data/root",
      );
      expect(seen).to.deep.equal({ "/mnt/root": "5000:5000", "/data/root": "6000:6000" });
    }),
  );

  it("leaves no process behind: PID 1 is alone", () => {
    const c = sleeper((config) => {
      addMapped(config, source(), { uidMappings: mapping(0, 5000), gidMappings: mapping(0, 5000) });
    }).up();
    const pids = JSON.parse(c.command("ps", ["--format", "json"]).ok().stdout) as number[];
    expect(pids).to.deep.equal([c.state().pid]);
  });
});

describe("id-mapped mounts in a user namespace", () => {
  before(requires({ root: true, kernel: "5.12", userns: true }));

  it(
    "idmap without mappings takes the container's: ids on disk are ids inside",
    known("runc <1.2", since, () => {
      const seen = owners(
        (config) => {
          addUserNamespace(config);
          addMapped(config, source(), { options: ["bind", "idmap"] });
        },
        ...files,
      );
      expect(seen).to.deep.equal({ "/mnt/root": "0:0", "/mnt/user": "1000:1001" });
    }),
  );

  it(
    "a joined user namespace lends its mapping",
    known("runc", "it needs mappings of the mount then", () => {
      const first = sleeper((config) => addUserNamespace(config)).up();
      const seen = owners(
        (config) => {
          config.linux.namespaces.push({
            type: "user",
            path: `/proc/${first.state().pid}/ns/user`,
          });
          addMapped(config, source(), { options: ["bind", "idmap"] });
        },
        ...files,
      );
      expect(seen).to.deep.equal({ "/mnt/root": "0:0", "/mnt/user": "1000:1001" });
    }),
  );

  it(
    "mappings of the mount's own win",
    known("runc <1.2", since, () => {
      const seen = owners(
        (config) => {
          addUserNamespace(config);
          addMapped(config, source(), {
            uidMappings: mapping(0, 200_005, 2000),
            gidMappings: mapping(0, 200_007, 2000),
          });
        },
        ...files,
      );
      expect(seen).to.deep.equal({ "/mnt/root": "5:7", "/mnt/user": "1005:1008" });
    }),
  );

  it("without idmap the host's root is nobody", () => {
    const seen = owners(
      (config) => {
        addUserNamespace(config);
        addMapped(config, source(), {});
      },
      ...files,
    );
    expect(seen).to.deep.equal({ "/mnt/root": "65534:65534", "/mnt/user": "65534:65534" });
  });
});

describe("id-mapped mounts that must be refused", () => {
  before(requires({ root: true, kernel: "5.12", userns: true }));

  it(
    "idmap with neither mappings nor a user namespace",
    known("runc <1.2", since, () => {
      refused((config) => {
        addMapped(config, source(), { options: ["bind", "idmap"] });
      }, /\/mnt.*map|idmap/i);
    }),
  );

  it(
    "uidMappings without gidMappings",
    known("runc <1.2", since, () => {
      refused((config) => {
        addMapped(config, source(), { uidMappings: mapping(0, 5000) });
      }, /gidMappings|mappings?/i);
    }),
  );

  it(
    "a file system that has no support",
    known("runc <1.2", since, () => {
      refused((config) => {
        addMapped(config, "/proc/sys", {
          uidMappings: mapping(0, 5000),
          gidMappings: mapping(0, 5000),
        });
      }, /\/mnt.*(invalid argument|support)|(invalid argument|support).*\/mnt/i);
    }),
  );

  it(
    "overlapping ranges",
    known("runc <1.2", since, () => {
      refused((config) => {
        const ranges = [...mapping(0, 5000, 10), ...mapping(5, 6000, 10)];
        addMapped(config, source(), { uidMappings: ranges, gidMappings: ranges });
      }, /map/i);
    }),
  );
});
