/** `podman exec`: status, streams, terminal, user, variables, and commands that cannot be run. */
import { expect } from "chai";
import { cgroupDirectory } from "../../harness/processes.ts";
import { eventually } from "../../harness/wait.ts";
import { type Container, shell, up } from "./container.ts";
import { onPty, podman } from "./engine.ts";

describe("podman exec", () => {
  let c: Container;

  beforeEach(async () => {
    c = await up(["--env", "OF=container"]);
  });

  it("passes outputs, input and the status on", async () => {
    const result = await c.exec(shell("cat; echo err >&2; exit 5"), ["-i"], { input: "in" });
    expect(result.ended(5).stdout).to.equal("in");
    expect(result.stderr).to.equal("err\n");
  });

  it("sets user, working directory and variables", async () => {
    const flags = ["--user", "1000:2000", "--workdir", "/tmp", "--env", "A=b c"];
    const text = await c.says(shell("id -u; id -g; pwd; echo $A $OF"), flags);
    expect(text).to.equal("1000\n2000\n/tmp\nb c container");
    expect(await c.says(["id", "-un"], ["--user", "guest"])).to.equal("guest");
  });

  it("ends with 127 for a command that is missing and 126 for one that cannot be run", async () => {
    (await c.exec(["no-such-program"])).fails(
      /executable file .*not found in \$PATH|no such file or directory/i,
      127,
    );
    (await c.exec(["/no/such/program"])).fails(/no such file or directory/i, 127);
    (await c.exec(["/etc/passwd"])).fails(/permission denied/i, 126);
    expect((await c.state()).Running).to.equal(true);
  });

  it("refuses a container that does not run", async () => {
    (await c.verb("kill")).ok();
    await c.reaches("exited");
    (await c.exec(["true"])).fails(/container state improper/, 255);
  });

  it("reports a death by signal", async () => {
    (await c.exec(shell("kill -KILL $$"))).ended(137);
  });

  it("gives it all capabilities with --privileged only", async () => {
    const bounding = ["grep", "CapEff", "/proc/self/status"];
    const usual = await c.says(bounding);
    const privileged = await c.says(bounding, ["--privileged"]);
    const bits = (text: string) => BigInt(`0x${text.split(/\s+/)[1]}`);
    expect(bits(privileged) & bits(usual)).to.equal(bits(usual));
    expect(Number(bits(privileged) >> 21n) & 1, "CAP_SYS_ADMIN").to.equal(1);
    expect(Number(bits(usual) >> 21n) & 1, "CAP_SYS_ADMIN").to.equal(0);
  });

  it("joins the container's cgroup and namespaces", async () => {
    (await c.exec(["sleep", "2000"], ["--detach"])).ok();
    const pids = await eventually("the second process", async () => {
      const { lines } = (await c.verb("top", [], ["hpid", "args"])).ok();
      return lines.length === 3
        ? lines.slice(1).map((line) => Number.parseInt(line, 10))
        : undefined;
    });
    const [first, second] = pids.map((pid) => cgroupDirectory(pid, "pids"));
    expect(second).to.equal(first);
  });

  it("runs ten at once", async () => {
    const runs = Array.from({ length: 10 }, (_, i) => c.exec(shell(`echo ${i}; exit ${i}`)));
    const results = await Promise.all(runs);
    results.forEach((result, i) => {
      expect(result.ended(i).text).to.equal(String(i));
    });
  });

  it("-it: a terminal of its own", async () => {
    const terminal = onPty(["exec", "-it", c.id, "sh"], 20, 70);
    await terminal.prints(/# /);
    terminal.type("stty size; tty\n");
    await terminal.prints(/20 70\r\n\/dev\/pts\/\d/);
    terminal.type("exit 5\n");
    expect(await terminal.exit()).to.equal(5);
    expect((await c.state()).Running).to.equal(true);
  });

  it("--preserve-fds, --latest and a name do as well", async () => {
    (await podman(["rename", c.id, "by-name"])).ok();
    expect((await podman(["exec", "by-name", "echo", "x"])).ok().text).to.equal("x");
    expect((await podman(["exec", "--latest", "echo", "y"])).ok().text).to.equal("y");
  });
});
