/** A daemon with userns-remap: root of the containers is nobody on the host. */
import { chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { namespaceOf, readOrEmpty } from "../../harness/processes.ts";
import { requires } from "../../harness/requires.ts";
import { type Container, shell, up } from "./container.ts";
import { Daemon, workDirectory } from "./daemon.ts";
import { imageName, importImage } from "./image.ts";

const first = 200_000;
const range = `daemon:${first}:65536\n`;

describe("userns-remap", () => {
  let daemon: Daemon;
  const box = (flags: readonly string[] = []): Promise<Container> => up(flags, undefined, daemon);

  before(async function () {
    this.timeout(60_000);
    requires({ userns: true, file: "/etc/subuid" }).call(this);
    const files = { "/etc/subuid": range, "/etc/subgid": range };
    daemon = new Daemon("remap", { "userns-remap": "daemon:daemon" }, files);
    await daemon.start();
    await importImage(daemon);
  });

  after(() => daemon?.stop());

  it("maps the container's users, for exec too", async () => {
    const c = await box();
    expect(await c.says(["cat", "/proc/self/uid_map"])).to.match(/^0\s+200000\s+65536$/);
    const pid = await c.pid();
    expect(namespaceOf(pid, "user")).to.not.equal(namespaceOf("self", "user"));
    expect(readOrEmpty(`/proc/${pid}/status`)).to.match(/Uid:\s+200000\s+200000/);
    expect(await c.says(["id"], ["--user", "guest"])).to.match(/^uid=1000\(guest\)/);
  });

  it("owns its files, devices and terminals as root inside", async () => {
    const c = await box(["--tmpfs", "/t", "--shm-size", "8m"]);
    const script = "stat -c %u / /etc/passwd /dev/null /dev/shm /proc /t; touch /x /t/x";
    expect(await c.says(shell(script))).to.match(/^0\n0\n(0|65534)\n0\n(0|65534)\n0$/);
    const terminal = daemon.onPty(["exec", "-it", c.id, "sh"]);
    await terminal.prints(/# /);
    terminal.type("stat -c own=%u $(tty); exit\n");
    await terminal.prints(/own=0/);
    expect(await terminal.exit()).to.equal(0);
  });

  it("may not do to a bind what its root is not on the host", async () => {
    const shared = workDirectory("shared");
    writeFileSync(join(shared, "roots"), "");
    const c = await box(["--volume", `${shared}:/s`]);
    (await c.exec(["touch", "/s/x"])).fails(/Permission denied/);
    chownSync(shared, first, first);
    (await c.exec(["touch", "/s/x"])).ok();
    expect(statSync(join(shared, "x")).uid).to.equal(first);
  });

  it("keeps limits, sysctls, capabilities and a read-only root", async () => {
    const c = await box([
      "-m",
      "64m",
      "--read-only",
      "--sysctl",
      "net.ipv4.ip_forward=1",
      "--cap-add",
      "NET_ADMIN",
    ]);
    (await c.exec(["touch", "/x"])).fails(/Read-only/);
    expect(await c.says(["cat", "/proc/sys/net/ipv4/ip_forward"])).to.equal("1");
    (await c.exec(["ip", "addr", "add", "10.9.9.9/32", "dev", "lo"])).ok();
  });

  it("pauses, copies, restarts", async () => {
    const c = await box();
    (await c.verb("pause")).ok();
    (await c.verb("unpause")).ok();
    (await daemon.docker(["cp", "/etc/hostname", `${c.id}:/tmp/h`])).ok();
    (await c.verb("restart", ["--time", "0"])).ok();
    expect(await c.says(["stat", "-c", "%u", "/tmp/h"])).to.equal("0");
  });

  it("leaves a container on the host's users when asked", async () => {
    const text = await daemon.docker([
      "run",
      "--rm",
      "--userns",
      "host",
      imageName,
      "cat",
      "/proc/self/uid_map",
    ]);
    expect(text.ok().text).to.match(/^0\s+0\s+4294967295$/);
  });
});
