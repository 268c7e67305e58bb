/** Where output goes: fifos, files, logger programs; and that containers do not wait for each other's readers. */

import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { readOrEmpty } from "../../harness/processes.ts";
import { until } from "../../harness/wait.ts";
import { Container, freshId } from "./ctr.ts";
import { workDirectory } from "./daemon.ts";
import { fifoOf, follow } from "./fifos.ts";
import { known } from "./subject.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

/** The ctr that starts a container copies its output until it ends: what a case reads must come later. */
const awaitGo = "until test -e /go; do sleep 0.01; done";

describe("output to fifos", () => {
  it("waits for a reader while the container lives, and has its end when it has ended", async () => {
    const script = `${awaitGo}; seq 1 5000; touch /written; until test -e /late; do sleep 0.01; done`;
    const c = await new Container().up([], shell(`${script}; echo late`));
    (await c.exec(shell("touch /go; until test -e /written; do sleep 0.01; done"))).ok();
    const output = follow(fifoOf(c.id, "stdout"));
    await until("what was written before", () => output.text().endsWith("5000\n"));
    await c.exec(["touch", "/late"]);
    await until("all of it", () => output.text().endsWith("5000\nlate\n"));
    expect(output.text().split("\n").length).to.equal(5002);
    await c.reaches("STOPPED");
    await c.remove();
    await output.done;
  });

  it("holds a writer back, and only that one", async () => {
    const group = ["--annotation", `io.containerd.runc.v2.group=${freshId()}`];
    const script = `${awaitGo}; head -c 4194304 /dev/zero; touch /written; sleep 1000`;
    const slow = await new Container().up(group, shell(script));
    (await slow.exec(["touch", "/go"])).ok();
    const other = await new Container().up(group);
    expect((await slow.exec(["ls", "/written"])).status).to.not.equal(0);
    for (let i = 0; i < 5; i++) {
      const result = (await other.exec(shell("head -c 1000000 /dev/zero"))).ok();
      expect(result.bytes.length).to.equal(1_000_000);
    }
    (await slow.exec(shell("echo also here"))).ok();
    const output = follow(fifoOf(slow.id, "stdout"));
    await until("the rest", () => output.text().length === 4_194_304);
    (await slow.exec(shell("while ! ls /written; do sleep 0.01; done"))).ok();
    await slow.stop();
    await slow.remove();
    await output.done;
  });

  it("does not keep a container from ending that nobody reads", async () => {
    const c = await new Container().up([], shell("yes"));
    await c.stop();
    expect(await c.remove()).to.equal(137);
  });

  it("ends although a child of the container holds them open", async () => {
    const c = new Container();
    const begun = Date.now();
    // in the host's pid namespace nobody kills what the first process leaves, but the runtime
    const result = await c.run(["--rm"], shell("(sleep 100; echo never) & echo done"));
    expect(result.ok().stdout).to.equal("done\n");
    expect(Date.now() - begun).to.be.below(8000);
  });
});

describe("output to a file", () => {
  const lost = "sometimes loses what one of the two streams of a short-lived container brings";

  it(
    "gets both streams, appended, in a new directory",
    known(
      { shim: "runc" },
      lost,
      async () => {
        const file = join(workDirectory("log"), "a", "b", "log");
        const flags = ["--rm", "--log-uri", `file://${file}`];
        for (const word of ["one", "two"]) {
          const c = new Container();
          (await c.run(flags, shell(`echo ${word}; echo err >&2`))).ok();
        }
        const lines = readFileSync(file, "utf8").trim().split("\n");
        expect(lines.toSorted()).to.deep.equal(["err", "err", "one", "two"]);
        expect(lines.indexOf("one")).to.be.below(lines.indexOf("two"));
        expect(statSync(file).mode & 0o777).to.equal(0o644);
      },
      "sometimes",
    ),
  );

  it("loses nothing", async () => {
    const file = join(workDirectory("log"), "log");
    const flags = ["--rm", "--log-uri", `file://${file}`];
    (await new Container().run(flags, shell("seq 1 100000"))).ok();
    const lines = readFileSync(file, "utf8").trim().split("\n");
    expect(lines.length).to.equal(100_000);
    expect(lines.at(-1)).to.equal("100000");
  });

  it("says so when it cannot be opened", async () => {
    const flags = ["--rm", "--log-uri", "file:///proc/no/such"];
    (await new Container().run(flags, ["true"])).fails(/no such file or directory/);
  });

  it("says so when the scheme is unknown", async () => {
    const flags = ["--rm", "--log-uri", "carrier-pigeon:///x"];
    (await new Container().run(flags, ["true"])).fails(/unknown STDIO scheme carrier-pigeon/);
  });
});

/** A logger: notes what it was given, says that it is ready, copies its inputs into files. */
function logger(script = ""): { uri: string; read: (name: string) => string } {
  const directory = workDirectory("logger");
  const program = join(directory, "logger");
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find(existsSync) ?? "busybox";
  const lines = [
    `#!${busybox} sh`,
    `bb() { ${busybox} "$@"; }`,
    `cd ${directory}`,
    "bb tr '\\0' '\\n' </proc/$$/environ >environ",
    'echo "$@" >arguments',
    "bb ls /proc/$$/fd >descriptors",
    "trap 'echo term >>signals' TERM",
    script,
    "exec 5>&-",
    "bb cat <&3 >out & bb cat <&4 >err & wait",
    "echo end >ended",
  ];
  writeFileSync(program, `${lines.join("\n")}\n`);
  chmodSync(program, 0o755);
  return {
    uri: `binary://${program}?name=value&empty=`,
    read: (name) => readOrEmpty(join(directory, name)),
  };
}

describe("output to a program", () => {
  it("starts it with exactly the documented environment, arguments and descriptors", async () => {
    const log = logger();
    const c = new Container();
    (await c.run(["--rm", "--log-uri", log.uri], shell("echo out; echo err >&2"))).ok();
    await until("the logger's end", () => log.read("ended"));
    expect(log.read("out")).to.equal("out\n");
    expect(log.read("err")).to.equal("err\n");
    expect(log.read("environ").trim().split("\n").toSorted()).to.deep.equal([
      `CONTAINER_ID=${c.id}`,
      `CONTAINER_NAMESPACE=${c.namespace}`,
    ]);
    expect(log.read("arguments")).to.match(/^(name value empty ?|empty {2}name value)\n$/);
    // 10 and above are the shell's own
    const numbers = log.read("descriptors").trim().split("\n").map(Number);
    expect(numbers.filter((fd) => fd < 10).toSorted()).to.deep.equal([0, 1, 2, 3, 4, 5]);
  });

  it("runs the container only when the logger is ready", async () => {
    const log = logger("bb sleep 0.5; echo yes >ready");
    const c = await new Container().up(["--log-uri", log.uri]);
    expect(log.read("ready")).to.equal("yes\n");
    await c.stop();
    await c.remove();
    await until("the logger's end", () => log.read("ended"));
  });

  it("gets all of a long output", async () => {
    const log = logger();
    const flags = ["--rm", "--log-uri", log.uri];
    (await new Container().run(flags, shell("seq 1 100000"))).ok();
    await until("the logger's end", () => log.read("ended"));
    expect(log.read("out").trim().split("\n").length).to.equal(100_000);
  });

  it("gets what an exec writes, under the exec's id", async () => {
    const log = logger();
    const c = await new Container().up();
    (await c.exec(["echo", "hi"], ["--exec-id", "logged", "--log-uri", log.uri])).ok();
    await until("the logger's end", () => log.read("ended"));
    expect(log.read("out")).to.equal("hi\n");
    expect(log.read("environ")).to.include("CONTAINER_ID=logged\n");
  });

  it("says so when the program is missing", async () => {
    const flags = ["--rm", "--log-uri", "binary:///no/such/logger"];
    (await new Container().run(flags, ["true"])).fails(/no such file or directory/);
  });
});
