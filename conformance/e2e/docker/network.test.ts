/** Networks: none, host, bridge, published ports, another container's, networks of the user with names. */
import { expect } from "chai";
import { namespaceOf } from "../../harness/processes.ts";
import { eventually } from "../../harness/wait.ts";
import { docker, mainDaemon, output, run, shell, up } from "./container.ts";

const serve = shell("mkdir /w; echo hello-$(hostname) >/w/index.html; exec httpd -f -p 80 -h /w");
/** Prints the page of a server. Debian's static busybox has a wget that crashes. */
const fetch = (host: string, port = 80): string[] =>
  shell(
    `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 ${host} ${port} | busybox tail -n 1`,
  );

describe("networks", () => {
  it("bridge: an address, a route, and the way to a neighbour", async () => {
    const server = await up(["--hostname", "one"], serve);
    const address = await server.inspect<string>(".NetworkSettings.IPAddress");
    expect(await server.says(["ip", "-4", "addr", "show", "eth0"])).to.contain(address);
    await eventually("an answer", async () => (await run([], fetch(address))).text === "hello-one");
    const route = await server.says(["ip", "route"]);
    expect(route).to.match(/^default via /m);
  });

  it("none: only the loopback interface, and that works", async () => {
    const text = await output(
      ["--network", "none"],
      shell("ls /sys/class/net; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo ok"),
    );
    expect(text)
      .to.match(/^lo\n(.*\n)*ok$/)
      .and.not.contain("eth0");
  });

  it("host: the network of the daemon", async () => {
    const c = await up(["--network", "host"]);
    expect(namespaceOf(await c.pid(), "net")).to.equal(namespaceOf(mainDaemon().pid, "net"));
    expect(await c.says(["ip", "link"])).to.contain("docker0");
  });

  it("publishes ports", async () => {
    const c = await up(
      ["--hostname", "pub", "--publish", "127.0.0.1:18080:80", "-p", "18081:80/tcp"],
      serve,
    );
    expect((await c.verb("port")).ok().stdout).to.contain("127.0.0.1:18080");
    for (const port of [18080, 18081]) {
      await eventually(`port ${port}`, async () => {
        const answer = await mainDaemon().inNetwork(fetch("127.0.0.1", port));
        return answer.text === "hello-pub";
      });
    }
  });

  it("container: one network for two", async () => {
    const server = await up(["--hostname", "both"], serve);
    const join = ["--network", `container:${server.id}`];
    await eventually(
      "an answer",
      async () => (await run(join, fetch("127.0.0.1"))).text === "hello-both",
    );
  });

  it("a network of the user: names, aliases, connect and disconnect", async () => {
    (await docker(["network", "create", "--subnet", "10.213.0.0/24", "backend"])).ok();
    const flags = ["--network", "backend", "--network-alias", "web", "--ip", "10.213.0.77"];
    const server = await up([...flags, "--name", "server", "--hostname", "srv"], serve);
    for (const name of ["server", "web", "10.213.0.77"]) {
      await eventually(name, async () => {
        return (await run(["--network", "backend"], fetch(name))).text === "hello-srv";
      });
    }
    const late = await up();
    const devices = async () => (await late.says(["ls", "/sys/class/net"])).split(/\s+/);
    expect(await devices()).to.not.include("eth1");
    (await docker(["network", "connect", "backend", late.id])).ok();
    expect(await late.says(fetch("web"))).to.equal("hello-srv");
    expect(await devices()).to.include("eth1");
    (await docker(["network", "disconnect", "backend", late.id])).ok();
    expect(await devices()).to.not.include("eth1");
    await server.remove();
  });

  it("links of old, with names and variables", async () => {
    await up(["--name", "db", "--expose", "80"], serve);
    const text = await output(["--link", "db:alias"], shell("env; grep alias /etc/hosts"));
    expect(text)
      .to.match(/ALIAS_PORT_80_TCP_PORT=80/)
      .and.match(/\salias\b/);
  });

  it("keeps an address over stop and start on a network of the user", async () => {
    (await docker(["network", "create", "--internal", "closed"])).ok();
    const c = await up(["--network", "closed", "--mac-address", "02:42:ac:11:00:99"]);
    expect(await c.says(["cat", "/sys/class/net/eth0/address"])).to.equal("02:42:ac:11:00:99");
    (await c.verb("restart", ["--time", "0"])).ok();
    expect(await c.says(["cat", "/sys/class/net/eth0/address"])).to.equal("02:42:ac:11:00:99");
  });
});
