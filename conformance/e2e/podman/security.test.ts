/** Capabilities, seccomp, no_new_privs, privileged, user namespaces and namespaces of the host. */
import { expect } from "chai";
import { namespaceOf } from "../../harness/processes.ts";
import { hostFacts, requires } from "../../harness/requires.ts";
import { output, run, shell, up } from "./container.ts";
import { inNetwork, workFile } from "./engine.ts";

async function effective(flags: readonly string[]): Promise<bigint> {
  const text = await output(flags, ["grep", "CapEff", "/proc/self/status"]);
  return BigInt(`0x${text.split(/\s+/)[1]}`);
}

const netAdmin = 1n << 12n;
const chown = 1n;

describe("privileges", () => {
  it("adds and drops capabilities", async () => {
    const usual = await effective([]);
    expect(usual & chown).to.equal(chown);
    expect(usual & netAdmin).to.equal(0n);
    const flags = ["--cap-add", "net_admin", "--cap-drop", "CAP_CHOWN"];
    expect(await effective(flags)).to.equal((usual | netAdmin) & ~chown);
    expect(await effective(["--cap-drop", "all"])).to.equal(0n);
  });

  it("gives a user the capabilities that are asked for", async () => {
    const flags = ["--user", "guest", "--cap-add", "net_admin"];
    expect((await effective(flags)) & netAdmin).to.equal(netAdmin);
    expect(await effective(["--user", "guest"])).to.equal(0n);
  });

  it("filters system calls by default, with a file, and not at all", async function () {
    requires({ seccomp: true }).call(this);
    const mode = ["grep", "Seccomp:", "/proc/self/status"];
    expect(await output([], mode)).to.match(/2$/);
    expect(await output(["--security-opt", "seccomp=unconfined"], mode)).to.match(/0$/);
    const names = ["chmod", "fchmod", "fchmodat", "fchmodat2"];
    const rule = { names, action: "SCMP_ACT_ERRNO", errnoRet: 38 };
    const profile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] };
    const file = workFile("seccomp.json", JSON.stringify(profile));
    const flags = ["--security-opt", `seccomp=${file}`];
    (await run(flags, ["chmod", "0700", "/tmp"])).fails(/Function not implemented/);
  });

  it("says what is wrong with a seccomp profile", async () => {
    const file = workFile("broken.json", '{"defaultAction": "SCMP_ACT_NONSENSE"}');
    (await run(["--security-opt", `seccomp=${file}`], ["true"])).fails(/seccomp|SCMP_ACT/i);
  });

  it("sets no_new_privs", async () => {
    const grep = ["grep", "NoNewPrivs", "/proc/self/status"];
    expect(await output([], grep)).to.match(/0$/);
    expect(await output(["--security-opt", "no-new-privileges"], grep)).to.match(/1$/);
  });

  it("--privileged: all capabilities, devices, a writable /sys", async () => {
    const own = hostFacts().capabilities;
    expect(await effective(["--privileged"])).to.equal(own);
    const script =
      "test -e /dev/loop-control -o -e /dev/kmsg && mkdir /tmp/m && mount -t tmpfs t /tmp/m && echo fine";
    expect(await output(["--privileged"], shell(script))).to.equal("fine");
  });

  it("--ipc, --uts, --pid and --network host", async () => {
    const flags = ["--ipc", "host", "--uts", "host", "--pid", "host", "--network", "host"];
    const c = await up(flags);
    const pid = await c.pid();
    for (const name of ["ipc", "uts", "pid"])
      expect(namespaceOf(pid, name)).to.equal(namespaceOf("self", name));
    const network = (await inNetwork(["readlink", "/proc/self/ns/net"])).ok().text;
    expect(namespaceOf(pid, "net")).to.equal(network);
    expect(await c.says(["hostname"])).to.not.equal("");
  });

  it("shares the namespaces of another container", async () => {
    const first = await up(["--ipc", "shareable"]);
    const of = `container:${first.id}`;
    const second = await up(["--ipc", of, "--pid", of, "--network", of]);
    const pids = [await first.pid(), await second.pid()] as const;
    for (const name of ["ipc", "pid", "net"])
      expect(namespaceOf(pids[1], name), name).to.equal(namespaceOf(pids[0], name));
  });
});

describe("user namespaces", () => {
  before(requires({ userns: true }));

  const map = ["--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000"];

  it("maps users, and the container's files belong to its root", async () => {
    const script = "cat /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /etc/passwd; touch /x";
    const text = await output(map, shell(script));
    expect(text.split("\n").map((line) => line.trim().split(/\s+/).join(" "))).to.deep.equal([
      "0 100000 5000",
      "0 200000 5000",
      "0:0",
    ]);
  });

  it("maps users with limits, volumes, exec and a terminal", async () => {
    const c = await up([...map, "--memory", "64m", "-v", "data:/data", "-t"]);
    expect(await c.says(shell("id -u; touch /data/x && stat -c %u /data/x"))).to.equal("0\n0");
    expect(await c.says(["id", "-u"], ["--user", "guest"])).to.equal("1000");
  });

  it("finds a range by itself with --userns=auto", async () => {
    const ids = workFile("subids", "containers:500000:200000\n");
    const prelude = `mount --bind ${ids} /etc/subuid && mount --bind ${ids} /etc/subgid`;
    const flags = ["--userns", "auto:size=3000"];
    const result = await run(flags, ["cat", "/proc/self/uid_map"], { prelude });
    expect(result.ok().text).to.match(/^0\s+500000\s+3000$/);
  });

  it("takes the range of a user of /etc/subuid with --subuidname", async () => {
    const ids = workFile("subids", "root:600000:70000\n");
    const prelude = `mount --bind ${ids} /etc/subuid && mount --bind ${ids} /etc/subgid`;
    const flags = ["--subuidname", "root", "--subgidname", "root"];
    const result = await run(flags, ["cat", "/proc/self/uid_map"], { prelude });
    expect(result.ok().text).to.match(/^0\s+600000\s+70000$/);
  });
});
