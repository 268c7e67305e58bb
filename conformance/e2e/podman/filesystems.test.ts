/** Volumes, bind mounts, tmpfs, read-only roots and devices. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { output, run, shell, up } from "./container.ts";
import { podman, workDirectory } from "./engine.ts";

describe("volumes and mounts", () => {
  it("shares a directory, read-write and read-only", async () => {
    const directory = workDirectory("shared");
    writeFileSync(join(directory, "in"), "from host\n");
    const script = "cat /v/in; echo from container > /v/out; touch /r/x";
    const result = await run(["-v", `${directory}:/v`, "-v", `${directory}:/r:ro`], shell(script));
    result.fails(/Read-only file system/);
    expect(result.stdout).to.equal("from host\n");
    expect(readFileSync(join(directory, "out"), "utf8")).to.equal("from container\n");
  });

  it("keeps data in a named volume, and copies what the image has there", async () => {
    (await podman(["volume", "create", "kept"])).ok();
    expect(await output(["-v", "kept:/etc"], shell("echo x > /etc/new; ls /etc/passwd"))).to.equal(
      "/etc/passwd",
    );
    expect(await output(["-v", "kept:/data"], shell("cat /data/new"))).to.equal("x");
  });

  it("mounts volumes of another container", async () => {
    const first = await up(["-v", "/v"]);
    await first.says(["touch", "/v/here"]);
    expect(await output(["--volumes-from", first.id], ["ls", "/v"])).to.equal("here");
  });

  it("gives a volume to the user with :U", async () => {
    const directory = workDirectory("chowned");
    await output(["--user", "1000:2000", "-v", `${directory}:/v:U`], ["touch", "/v/x"]);
    const { uid, gid } = statSync(join(directory, "x"));
    expect([uid, gid]).to.deep.equal([1000, 2000]);
  });

  it("lays an overlay over a directory with :O", async () => {
    const directory = workDirectory("below");
    await output(["-v", `${directory}:/v:O`], ["touch", "/v/gone"]);
    expect(existsSync(join(directory, "gone"))).to.equal(false);
  });

  it("mounts a tmpfs with its options", async () => {
    const flags = ["--tmpfs", "/t:size=1m,mode=1700,noexec"];
    const text = await output(flags, shell("grep ' /t ' /proc/mounts; stat -c %a /t"));
    expect(text).to.match(/tmpfs .*noexec.*size=1024k/);
    expect(text).to.match(/\n1700$/);
  });

  it("--read-only leaves only temporary directories writable", async () => {
    const script = "touch /x; touch /tmp/x /run/x /var/tmp/x && echo fine";
    const result = await run(["--read-only"], shell(script));
    expect(result.ok().stdout).to.equal("fine\n");
    expect(result.stderr).to.match(/Read-only file system/);
    const strict = ["--read-only", "--read-only-tmpfs=false"];
    (await run(strict, ["touch", "/tmp/x"])).fails(/Read-only file system/);
  });

  it("mounts with --mount: bind, tmpfs, propagation, another image", async () => {
    const directory = workDirectory("mount");
    const bind = `type=bind,source=${directory},target=/b,bind-propagation=rslave,ro=true`;
    const flags = ["--mount", bind, "--mount", "type=tmpfs,target=/t,tmpfs-size=2097152"];
    const image = ["--mount", "type=image,source=localhost/e2e/busybox:latest,target=/i"];
    const script = "grep -E ' /(b|t) ' /proc/self/mountinfo; ls /i/probe";
    const text = await output([...flags, ...image], shell(script));
    expect(text).to.match(/ \/b ro.* master:/);
    expect(text).to.match(/ \/t .*size=2048k/);
    expect(text).to.match(/\/i\/probe$/);
  });

  it("limits /dev/shm and shares it on request", async () => {
    const size = ["--shm-size", "2m"];
    expect(await output(size, shell("df -k /dev/shm | tail -1"))).to.match(/\b2048\b/);
  });

  it("gives a device and refuses others", async () => {
    const script = "head -c1 /dev/mine | wc -c; mknod /tmp/k c 1 1; cat /tmp/k";
    const result = await run(
      ["--device", "/dev/zero:/dev/mine:r", "--cap-add", "MKNOD"],
      shell(script),
    );
    result.fails(/Operation not permitted|Permission denied/);
    expect(result.stdout).to.equal("1\n");
  });

  it("masks what a container must not see, and shows it on request", async () => {
    const names = ["/proc/keys", "/proc/timer_list", "/sys/firmware"].filter((path) =>
      existsSync(path),
    );
    const script = `cd /; for i in ${names.join(" ")}; do cat $i/* $i 2>/dev/null | wc -c; done`;
    const masked = await output([], shell(script));
    expect(masked.split("\n")).to.deep.equal(names.map(() => "0"));
    const mounts = ["grep", "-cE", ` (${names.join("|")}) `, "/proc/mounts"];
    const unmasked = await run(["--security-opt", "unmask=ALL"], mounts);
    expect(unmasked.text).to.equal("0");
    const write = shell("echo 1 > /proc/sys/kernel/printk");
    (await run([], write)).fails(/Read-only file system/);
  });
});
