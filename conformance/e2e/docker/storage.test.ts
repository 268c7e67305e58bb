/** Volumes, binds, tmpfs, read-only roots, propagation, devices. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { bindOnHost, propagateOnHost, tmpfsOnHost, unmountAll } from "../../harness/host-mounts.ts";
import { eventually } from "../../harness/wait.ts";
import { docker, mainDaemon, output, run, shell, up } from "./container.ts";
import { workDirectory } from "./daemon.ts";

describe("volumes and mounts", () => {
  afterEach(unmountAll);

  it("a volume outlives its containers", async () => {
    (await docker(["volume", "create", "data1"])).ok();
    await output(["-v", "data1:/data"], shell("echo kept >/data/file"));
    expect(await output(["-v", "data1:/data:ro"], ["cat", "/data/file"])).to.equal("kept");
    (await run(["-v", "data1:/data:ro"], ["touch", "/data/x"])).fails(/Read-only file system/);
  });

  it("a volume starts with what the image has there", async () => {
    expect(await output(["-v", "seeded:/home"], ["ls", "/home"])).to.equal("guest");
    expect(await output(["-v", "seeded:/other"], ["ls", "/other"])).to.equal("guest");
  });

  it("an anonymous volume goes with its container", async () => {
    const c = await up(["-v", "/anonymous"]);
    await c.remove(["--force", "--volumes"]);
    expect((await docker(["volume", "ls", "-q"])).ok().text).to.equal("");
  });

  it("--volumes-from takes over mounts, read-only on demand", async () => {
    const shared = workDirectory("shared");
    const first = await up(["-v", `${shared}:/shared`, "-v", "/scratch"]);
    (await first.exec(shell("echo a >/scratch/a"))).ok();
    const from = ["--volumes-from", first.id];
    expect(await output(from, shell("echo b >/shared/b; cat /scratch/a"))).to.equal("a");
    expect(readFileSync(join(shared, "b"), "utf8")).to.equal("b\n");
    (await run(["--volumes-from", `${first.id}:ro`], ["touch", "/shared/c"])).fails(/Read-only/);
  });

  it("a bind of a directory shows both sides' changes", async () => {
    const shared = workDirectory("shared");
    writeFileSync(join(shared, "in"), "from outside");
    const c = await up(["--mount", `type=bind,source=${shared},target=/a/b/c`]);
    expect(await c.says(shell("cat /a/b/c/in; echo >/a/b/c/out"))).to.equal("from outside");
    expect(existsSync(join(shared, "out"))).to.equal(true);
  });

  it("--mount refuses a source that is missing, -v makes it", async () => {
    const missing = join(workDirectory("none"), "dir");
    const flag = `type=bind,source=${missing},target=/x`;
    (await run(["--mount", flag], ["true"])).fails(/does not exist/);
    (await run(["-v", `${missing}:/x`], ["true"])).ok();
    expect(statSync(missing).isDirectory()).to.equal(true);
  });

  it("a bind may be read-only while a mount below it is not", async () => {
    const outer = workDirectory("outer");
    mkdirSync(join(outer, "inner"));
    tmpfsOnHost(join(outer, "inner"));
    const script = "touch /o/x; touch /o/inner/y && echo inner";
    const { text, stderr } = await run(["-v", `${outer}:/o:ro`], shell(script));
    expect(stderr).to.contain("/o/x: Read-only file system");
    // Docker 25 and later make it read-only in depth.
    expect(text).to.be.oneOf(["inner", ""]);
  });

  it("tmpfs with size, mode and flags", async () => {
    const flags = [
      "--tmpfs",
      "/t:size=5m,mode=1770,noexec,uid=12",
      "--mount",
      "type=tmpfs,dst=/u,tmpfs-size=7m",
    ];
    const c = await up(flags);
    expect(await c.says(["stat", "-c", "%a %u", "/t"])).to.equal("1770 12");
    const mounts = await c.says(["cat", "/proc/mounts"]);
    expect(mounts).to.match(/ \/t tmpfs rw,nosuid,nodev,noexec.*size=5120k/);
    expect(mounts).to.match(/ \/u tmpfs rw,.*size=7168k/);
  });

  it("a read-only root with places to write", async () => {
    const c = await up(["--read-only", "--tmpfs", "/run", "-v", "/vol"]);
    (await c.exec(["touch", "/x"])).fails(/Read-only file system/);
    (await c.exec(["touch", "/run/x", "/vol/x", "/dev/shm/x"])).ok();
    (await c.exec(["touch", "/etc/x"])).fails(/Read-only file system/);
  });

  it("propagation: what is mounted later comes in with slave, and not with private", async () => {
    const source = workDirectory("propagate");
    bindOnHost(source, source);
    propagateOnHost(source, "shared");
    mkdirSync(join(source, "late"));
    const mount = (kind: string) => `type=bind,source=${source},target=/p,bind-propagation=${kind}`;
    const slave = await up(["--mount", mount("rslave")]);
    const secret = await up(["--mount", mount("rprivate")]);
    tmpfsOnHost(join(source, "late"));
    const visible = async (c: typeof slave) =>
      (await c.says(["cat", "/proc/mounts"])).includes(" /p/late ");
    await eventually("the mount", () => visible(slave));
    expect(await visible(secret)).to.equal(false);
    await slave.remove();
    await secret.remove();
  });

  it("propagation: shared carries a mount of the container to the host", async () => {
    const source = workDirectory("propagate");
    bindOnHost(source, source);
    propagateOnHost(source, "shared");
    mkdirSync(join(source, "in"));
    const flag = `type=bind,source=${source},target=/p,bind-propagation=rshared`;
    const c = await up([
      "--cap-add",
      "SYS_ADMIN",
      "--security-opt",
      "apparmor=unconfined",
      "--mount",
      flag,
    ]);
    (await c.exec(["mount", "-t", "tmpfs", "tmpfs", "/p/in"])).ok();
    expect(readFileSync("/proc/self/mounts", "utf8")).to.contain(` ${source}/in `);
    (await c.exec(["umount", "/p/in"])).ok();
    expect(readFileSync("/proc/self/mounts", "utf8")).to.not.contain(` ${source}/in `);
    await c.remove();
  });

  it("the socket of the daemon may be bound", async () => {
    const flags = ["--volume", `${mainDaemon().socket}:/var/run/docker.sock`];
    expect(await output(flags, ["stat", "-c", "%F", "/var/run/docker.sock"])).to.equal("socket");
  });
});

describe("devices", () => {
  it("has the usual ones and no other", async () => {
    const names = (await output([], shell("ls /dev"))).split("\n");
    expect(names).to.include.members(["null", "zero", "full", "random", "urandom", "tty", "ptmx"]);
    expect(names).to.include.members(["pts", "shm", "mqueue", "fd", "stdin", "stdout", "stderr"]);
    expect(names.filter((name) => /^(vd|sd|loop|kvm|mem|kmsg)/.test(name))).to.deep.equal([]);
  });

  it("--device adds one, under another name, with less permission", async () => {
    const c = await up(["--device", "/dev/loop-control:/dev/mine:r"]);
    expect(await c.says(["stat", "-c", "%t:%T %F", "/dev/mine"])).to.equal(
      "a:ed character special file",
    );
    (await c.exec(shell("exec 3</dev/mine"))).ok();
    (await c.exec(shell("exec 3>/dev/mine"))).fails(/Operation not permitted/);
  });

  it("a device node made inside cannot be opened without being allowed", async () => {
    const script = "mknod /tmp/m c 1 11 && cat /tmp/m";
    (await run([], shell(script))).fails(/Operation not permitted/);
    const rule = ["--device-cgroup-rule", "c 10:237 rwm"];
    (await run(rule, shell("mknod /tmp/l c 10 237 && exec 3</tmp/l"))).ok();
  });
});
