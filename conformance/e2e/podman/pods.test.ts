/** Pods: an infra container and its members, `play kube`, and networks between containers. */
import { existsSync } from "node:fs";
import { expect } from "chai";
import { namespaceOf } from "../../harness/processes.ts";
import { skips } from "../../harness/requires.ts";
import { eventually } from "../../harness/wait.ts";
import { Container, output, shell, up } from "./container.ts";
import { cgroupParent, inNetwork, podman, workFile } from "./engine.ts";
import { lasting } from "./leaks.ts";

interface PodMember {
  Id: string;
  Name: string;
  State: string;
}

async function members(pod: string): Promise<PodMember[]> {
  const { text } = (await podman(["pod", "inspect", pod])).ok();
  return (JSON.parse(text) as { Containers: PodMember[] }).Containers;
}

async function makePod(name: string, flags: readonly string[] = []): Promise<void> {
  const args = ["pod", "create", "--name", name, "--cgroup-parent", cgroupParent];
  (await podman([...args, ...flags])).ok();
}

describe("pods", () => {
  it("members share namespaces with the infra container", async () => {
    await makePod("shared", ["--hostname", "podbox"]);
    const make = ["run", "--detach", "--pod", "shared", "localhost/e2e/busybox", "sleep", "1000"];
    const first = new Container((await podman(make)).ok().text);
    const second = new Container((await podman(make)).ok().text);
    const pids = [await first.pid(), await second.pid()] as const;
    for (const name of ["net", "ipc", "uts"])
      expect(namespaceOf(pids[1], name), name).to.equal(namespaceOf(pids[0], name));
    expect(namespaceOf(pids[1], "pid")).to.not.equal(namespaceOf(pids[0], "pid"));
    expect(await second.says(["hostname"])).to.equal("podbox");
    expect(await members("shared")).to.have.length(3);
  });

  it("pause, stop, start and remove them together", async () => {
    await makePod("together");
    const make = ["run", "--detach", "--pod", "together", "localhost/e2e/busybox", "sleep", "1000"];
    (await podman(make)).ok();
    const all = async (state: string) =>
      (await members("together")).every(({ State }) => State === state);
    (await podman(["pod", "pause", "together"])).ok();
    expect(await all("paused")).to.equal(true);
    (await podman(["pod", "unpause", "together"])).ok();
    (await podman(["pod", "stop", "--time", "0", "together"])).ok();
    expect(await all("exited")).to.equal(true);
    (await podman(["pod", "start", "together"])).ok();
    expect(await all("running")).to.equal(true);
    (await podman(["pod", "rm", "--force", "--time", "0", "together"])).ok();
    expect(await lasting()).to.deep.equal([]);
  });

  it("share a PID namespace on request", async () => {
    await makePod("pids", ["--share", "pid,net"]);
    const make = ["run", "--rm", "--pod", "pids", "localhost/e2e/busybox", "ps", "-o", "args"];
    const { stdout } = (await podman(make)).ok();
    expect(stdout).to.contain("/pause");
  });

  it("play kube: several containers, a volume, limits; down again", async () => {
    const spec = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "played" },
      spec: {
        restartPolicy: "Never",
        volumes: [{ name: "data", emptyDir: {} }],
        containers: [
          {
            name: "writer",
            image: "localhost/e2e/busybox:latest",
            command: ["sh", "-c", "echo from writer > /data/x; sleep 1000"],
            volumeMounts: [{ name: "data", mountPath: "/data" }],
            resources: { limits: { memory: "64Mi", cpu: "500m" } },
          },
          {
            name: "reader",
            image: "localhost/e2e/busybox:latest",
            command: ["sh", "-c", "sleep 1000"],
            env: [{ name: "A", value: "b" }],
            volumeMounts: [{ name: "data", mountPath: "/data", readOnly: true }],
            securityContext: { runAsUser: 1000, capabilities: { drop: ["ALL"] } },
          },
        ],
      },
    };
    const file = workFile("pod.yaml", JSON.stringify(spec));
    (await podman(["play", "kube", "--network", "none", file])).ok();
    const reader = new Container("played-reader");
    const said = async () => (await reader.exec(["cat", "/data/x"])).text === "from writer";
    await eventually("the file in the volume", said);
    expect(await reader.says(shell("id -u; echo $A"))).to.equal("1000\nb");
    (await reader.exec(["touch", "/data/y"])).fails(/Read-only|Permission denied/);
    expect(await new Container("played-writer").inspect(".HostConfig.Memory")).to.equal(64 << 20);
    (await podman(["play", "kube", "--down", file])).ok();
    expect(await lasting()).to.deep.equal([]);
  });
});

describe("networks", () => {
  before(function () {
    const found = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"].some((path) =>
      existsSync(`${path}/bridge`),
    );
    if (found && existsSync("/usr/sbin/iptables")) return;
    skips.push("networks: needs the CNI plugins (containernetworking-plugins) and iptables");
    this.skip();
  });

  beforeEach(async () => {
    (await podman(["network", "create", "--disable-dns", "--subnet", "10.77.0.0/24", "lan"])).ok();
  });

  afterEach(async () => {
    (await podman(["network", "rm", "--force", "lan"])).ok();
  });

  it("containers reach each other over a bridge, and the host reaches a port", async () => {
    const serve = shell("echo served > /tmp/index.html; exec httpd -f -p 80 -h /tmp");
    await up(["--network", "lan", "--ip", "10.77.0.9", "-p", "8087:80"], serve);
    const fetch = ["wget", "-q", "-O", "-", "http://10.77.0.9/"];
    const client = () => output(["--network", "lan"], fetch);
    expect(await client()).to.equal("served");
    const url = ["busybox", "wget", "-q", "-O", "-", "http://10.77.0.9/"];
    expect((await inNetwork(url)).ok().text).to.equal("served");
  });
});
