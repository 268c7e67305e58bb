/** Pods and their containers: life cycle, exit codes, exec, logs, attach, ports, statistics; one shim a pod. */
import { expect } from "chai";
import { allPids, commandOf, isAlive, namespaceOf } from "../../harness/processes.ts";
import { eventually, until } from "../../harness/wait.ts";
import { workDirectory } from "../containerd/daemon.ts";
import { shimProgram } from "../containerd/subject.ts";
import { crictl, crictlOnPty, launchCrictl, query } from "./crictl.ts";
import { lasting } from "./leaks.ts";
import { cliPath, handlers, runOnNode } from "./node.ts";
import { Pod } from "./pods.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

describe("a pod", () => {
  it("has one shim for all its containers, which ends with it", async () => {
    const pod = await Pod.run();
    const shim = await pod.shim();
    expect(commandOf(shim)).to.contain(shimProgram);
    for (let i = 0; i < 4; i++) expect(await (await pod.start()).shim()).to.equal(shim);
    const other = await Pod.run();
    expect(await other.shim()).to.not.equal(shim);
    await pod.remove();
    await until("the shim's end", () => !isAlive(shim));
    await other.remove();
    expect(await lasting()).to.deep.equal([]);
  });

  it("shares network, IPC and host name among its containers, and nothing else", async () => {
    const pod = await Pod.run((config) => {
      config["hostname"] = "pod-name";
    });
    const [one, two] = [await (await pod.start()).pid(), await (await pod.start()).pid()];
    for (const name of ["net", "ipc", "uts"])
      expect(namespaceOf(one, name), name).to.equal(namespaceOf(two, name));
    for (const name of ["pid", "mnt"])
      expect(namespaceOf(one, name), name).to.not.equal(namespaceOf(two, name));
    for (const name of ["net", "ipc", "uts", "pid", "mnt"])
      expect(namespaceOf(one, name), name).to.not.equal(namespaceOf("self", name));
    expect(await pod.output("hostname; cat /etc/hostname")).to.equal("pod-name\npod-name\n");
  });

  it("has an address that the node and other pods reach", async () => {
    const server = await Pod.run();
    await server.start(shell("while :; do echo served | nc -l -p 80; done"));
    const { network } = await server.status();
    expect(network.ip).to.match(/^10\.88\./);
    const fetch = ["busybox", "nc", "-w", "5", network.ip, "80"];
    await eventually("an answer", async () => {
      try {
        return runOnNode(fetch) === "served\n";
      } catch {
        return false;
      }
    });
    const client = await Pod.run();
    expect(await client.output(`nc -w 5 ${network.ip} 80 </dev/null`)).to.equal("served\n");
    expect(await server.output("nc -w 5 localhost 80 </dev/null")).to.equal("served\n");
  });

  it("has a port on the node", async () => {
    const pod = await Pod.run((config) => {
      config["port_mappings"] = [{ protocol: 0, container_port: 80, host_port: 10_080 }];
    });
    const server = await pod.start(["nc", "-ll", "-p", "80", "-e", "echo", "mapped"]);
    await eventually("the server", async () => {
      return (await server.probe(shell("nc 127.0.0.1 80 </dev/null"))).status === 0;
    });
    const address = runOnNode(["ip", "-brief", "address", "show", "pods"]).match(/10\.88\.[\d.]+/);
    const client = ["busybox", "nc", "-w", "5", address?.[0] ?? "", "10080"];
    expect(runOnNode(client)).to.equal("mapped\n");
  });

  it("gives its containers resolv.conf and sysctls", async () => {
    const pod = await Pod.run((config) => {
      config["dns_config"] = {
        servers: ["192.0.2.1"],
        searches: ["e2e.test"],
        options: ["ndots:3"],
      };
      config.linux["sysctls"] = { "net.ipv4.ip_unprivileged_port_start": "77" };
    });
    expect(
      await pod.output("cat /etc/resolv.conf /proc/sys/net/ipv4/ip_unprivileged_port_start"),
    ).to.equal("search e2e.test\nnameserver 192.0.2.1\noptions ndots:3\n77\n");
  });

  it("that is stopped stops its containers, and can be removed with them in one step", async () => {
    const pod = await Pod.run();
    const container = await pod.start();
    (await pod.stop()).ok();
    expect((await pod.status()).state).to.equal("SANDBOX_NOTREADY");
    expect((await container.status()).exitCode).to.equal(137);
    (await pod.stop()).ok();
    (await crictl(["rmp", pod.id])).ok();
    const next = await Pod.run();
    await next.start();
    (await crictl(["rmp", "--force", next.id])).ok();
    expect(await lasting()).to.deep.equal([]);
  });
});

describe("a handler, as a RuntimeClass names it", () => {
  it("that is not configured is refused", async () => {
    const { result } = await Pod.attempt(() => undefined, "no-such-class");
    result.fails(/no runtime for .*no-such-class.* is configured/);
  });

  for (const handler of Object.values(handlers)) {
    it(`${handler}: runs pods with the subject`, async () => {
      const pod = await Pod.run(() => undefined, handler);
      expect((await pod.status()).runtimeHandler).to.equal(handler);
      const program = handler === handlers.binary ? "containerd-shim-runc-v2" : shimProgram;
      expect(commandOf(await pod.shim())).to.contain(program);
      const container = await pod.start();
      expect(await container.shim()).to.equal(await pod.shim());
      if (handler === handlers.binary)
        expect(
          (
            await query<{ info: { config: unknown; runtimeOptions: { binary_name: string } } }>([
              "inspectp",
              pod.id,
            ])
          ).info.runtimeOptions.binary_name,
        ).to.equal(cliPath);
      expect(await container.says("echo hi")).to.equal("hi\n");
      await pod.remove();
      expect(await lasting()).to.deep.equal([]);
    });
  }
});

describe("a container", () => {
  it("tells how it ended", async () => {
    const pod = await Pod.run();
    const good = await (await pod.start(["true"])).ended();
    expect([good.exitCode, good.reason]).to.deep.equal([0, "Completed"]);
    const bad = await (await pod.start(shell("exit 42"))).ended();
    expect([bad.exitCode, bad.reason]).to.deep.equal([42, "Error"]);
    // The start is when containerd heard of it: a container may have ended by then.
    expect(Date.parse(bad.finishedAt)).to.be.closeTo(Date.parse(bad.startedAt), 5000);
    const signalled = await (await pod.start(shell("sh -c 'kill -SEGV $$'; exit $?"))).ended();
    expect(signalled.exitCode).to.equal(139);
  });

  it("is asked by TERM to stop, then killed", async () => {
    const pod = await Pod.run();
    const polite = await pod.start(
      shell("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"),
    );
    await until("its trap", () => polite.output() === "up\n");
    (await polite.stop(10)).ok();
    expect((await polite.status()).exitCode).to.equal(9);
    const deaf = await pod.start(shell("trap '' TERM; echo up; while :; do sleep 0.05; done"));
    await until("its trap", () => deaf.output() === "up\n");
    const result = (await deaf.stop(1)).ok();
    expect(result.tookMs).to.be.greaterThan(900);
    expect((await deaf.status()).exitCode).to.equal(137);
    (await deaf.stop()).ok();
  });

  it("can be replaced in its pod by the next attempt", async () => {
    const pod = await Pod.run();
    for (let i = 0; i < 3; i++) {
      const container = await pod.start(shell("exit 1"));
      await container.ended();
      (await container.remove()).ok();
    }
    expect((await (await pod.start()).status()).state).to.equal("CONTAINER_RUNNING");
  });

  it("says why it could not be started", async () => {
    const pod = await Pod.run();
    const container = await pod.create(["no-such-program"]);
    const missing = /exec: .{1,2}no-such-program.{1,2}: executable file not found in \$PATH/;
    (await container.start()).fails(missing);
    const status = await container.status();
    expect([status.state, status.exitCode, status.reason]).to.deep.equal([
      "CONTAINER_EXITED",
      128,
      "StartError",
    ]);
    expect(status.message).to.match(missing);
    expect((await pod.status()).state).to.equal("SANDBOX_READY");
    (await (await pod.start()).probe(["true"])).ok();
  });

  it("sees its environment, directory, mounts and arguments", async () => {
    const pod = await Pod.run();
    const shared = workDirectory("shared");
    const text = await pod.output(
      'echo "$ONE $PWD"; echo more > /data/file; touch /mnt/x 2>&1; echo $?',
      (config) => {
        config["envs"] = [{ key: "ONE", value: "1" }];
        config["working_dir"] = "/usr";
        config["mounts"] = [
          { host_path: shared, container_path: "/data" },
          { host_path: shared, container_path: "/mnt", readonly: true },
        ];
      },
    );
    expect(text).to.equal("1 /usr\ntouch: /mnt/x: Read-only file system\n1\n");
    expect(
      await pod.output("cat /data/file", (config) => {
        config["mounts"] = [{ host_path: shared, container_path: "/data" }];
      }),
    ).to.equal("more\n");
  });

  it("logs both outputs, long lines and a last line without an end", async () => {
    const pod = await Pod.run();
    const container = await pod.start(
      shell("echo out; echo err >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; printf end"),
    );
    await container.ended();
    const expected = `out\n${"x".repeat(40_000)}\nend`;
    await until("all output in the log", () => container.output() === expected);
    expect(container.output("stderr")).to.equal("err\n");
    const { stdout, stderr } = (await crictl(["logs", container.id])).ok();
    expect(stdout).to.equal(expected);
    expect(stderr).to.equal("err\n");
  });

  it("is followed by `logs -f`", async () => {
    const pod = await Pod.run();
    const container = await pod.start(shell("for i in 1 2 3 4 5; do echo $i; sleep 0.1; done"));
    const follow = await launchCrictl(["logs", "--follow", container.id]).done;
    expect(follow.ok().stdout).to.equal("1\n2\n3\n4\n5\n");
  });
});

describe("exec", () => {
  it("as a probe: both outputs and the status; ends at its timeout", async () => {
    const container = await (await Pod.run()).start();
    const result = (await container.probe(shell("echo out; echo err >&2"))).ok();
    expect(result.stdout).to.equal("out\n\nerr\n\n");
    (await container.probe(shell("exit 5"))).fails(/exited with 5/);
    (await container.probe(["no-such-program"])).fails(/executable file not found in \$PATH/);
    const time = String(100_000 + process.pid);
    const late = await container.probe(["sleep", time], ["--timeout", "1"]);
    late.fails(/timeout 1s exceeded|context deadline exceeded/);
    const isLeft = () => allPids().some((pid) => commandOf(pid) === `sleep ${time}`);
    await until("the command's end", () => !isLeft());
  });

  it("over a stream: input, outputs and the status", async () => {
    const container = await (await Pod.run()).start();
    const result = await container.exec(shell("cat; echo err >&2"), ["-i"], { input: "typed\n" });
    expect([result.ok().stdout, result.stderr]).to.deep.equal(["typed\n", "err\n"]);
    const count = 8 << 20;
    const big = (await container.exec(shell(`yes abcdefg | head -c ${count}`))).ok();
    expect(big.bytes.equals(Buffer.alloc(count, "abcdefg\n"))).to.equal(true);
    (await container.exec(shell("exit 6"))).fails(/exit code 6/);
  });

  it("on a terminal: size, echo, resizing and the status", async () => {
    const container = await (await Pod.run()).start();
    const terminal = crictlOnPty(["exec", "-i", "-t", container.id, "sh"]);
    await terminal.prints(/# /);
    terminal.type("stty size; tty\n");
    await terminal.prints(/24 80/);
    await terminal.prints(/\/dev\/pts\/\d/);
    terminal.resize(40, 100);
    await eventually("the new size", async () => {
      terminal.type("stty size\n");
      await terminal.prints(/size\s/);
      return /40 100/.test(terminal.output);
    });
    terminal.type("exit 0\n");
    await terminal.event("exit");
  });
});

describe("streams of a container", () => {
  it("attach: input goes in, output comes out, and its end ends the container", async () => {
    const pod = await Pod.run();
    const container = await pod.start(["cat"], (config) => {
      config["stdin"] = true;
      config["stdin_once"] = true;
    });
    const attached = launchCrictl(["attach", "--stdin", container.id], { keepOpen: true });
    attached.write("typed\n");
    await until("the echo", () => attached.stdout() === "typed\n");
    attached.end();
    expect((await container.ended()).exitCode).to.equal(0);
    await attached.done;
    expect(container.output()).to.equal("typed\n");
  });

  it("a container with a terminal logs what the terminal shows", async () => {
    const pod = await Pod.run();
    const container = await pod.start(shell("tty; echo done"), (config) => {
      config["tty"] = true;
    });
    await container.ended();
    expect(container.output().replaceAll("\r", "")).to.match(/^\/dev\/(pts\/\d+|console)\ndone\n$/);
  });

  it("port-forward reaches a port of the pod", async () => {
    const pod = await Pod.run();
    const server = await pod.start(["nc", "-ll", "-p", "8080", "-e", "echo", "yes"]);
    await eventually("the server", async () => {
      return (await server.probe(shell("nc -w 5 127.0.0.1 8080 </dev/null"))).stdout.includes(
        "yes",
      );
    });
    const forward = launchCrictl(["port-forward", pod.id, "18080:8080"]);
    await until("the port", () => forward.stdout().includes("Forwarding from"));
    const client = ["busybox", "nc", "-w", "5", "127.0.0.1", "18080"];
    for (let i = 0; i < 3; i++) expect(runOnNode(client)).to.equal("yes\n");
    forward.kill("SIGINT");
    await forward.done;
  });
});

describe("statistics", () => {
  interface Usage {
    attributes: { id: string };
    cpu: { usageCoreNanoSeconds: { value: string } };
    memory: { workingSetBytes: { value: string } };
  }

  it("tell a container's processor time and memory", async () => {
    const pod = await Pod.run();
    const busy = await pod.start(
      shell("x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo up; while :; do :; done"),
    );
    await until("its memory", () => busy.output() === "up\n");
    const { stats } = await query<{ stats: Usage[] }>([
      "stats",
      "--output",
      "json",
      "--id",
      busy.id,
    ]);
    expect(stats.map(({ attributes }) => attributes.id)).to.deep.equal([busy.id]);
    expect(Number(stats[0]?.cpu.usageCoreNanoSeconds.value)).to.be.greaterThan(5_000_000);
    expect(Number(stats[0]?.memory.workingSetBytes.value)).to.be.greaterThan(8_000_000);
  });

  it("tell a pod's", async () => {
    const pod = await Pod.run();
    await pod.start();
    const { stats } = await query<{
      stats: {
        attributes: { id: string };
        linux: { cpu: unknown; memory: unknown; process: { processCount: { value: string } } };
      }[];
    }>(["statsp", "--output", "json", "--id", pod.id]);
    expect(stats.map(({ attributes }) => attributes.id)).to.deep.equal([pod.id]);
    expect(stats[0]?.linux.memory).to.not.equal(undefined);
    expect(Number(stats[0]?.linux.process.processCount.value)).to.equal(1);
  });
});
