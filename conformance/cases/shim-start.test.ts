/** The shim's `start`: what it answers to which containerd, who shares a shim, and the daemon that it leaves. */
import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { decode, message, numberIn, textIn } from "../e2e/containerd/wire.ts";
import { idPrefix, runtimePath } from "../harness/environment.ts";
import { readOrEmpty } from "../harness/processes.ts";
import { scratchDirectory } from "../harness/scratch.ts";
import {
  any,
  daemons,
  describeShim,
  endProcess,
  launcher,
  linkToEngine,
  namespace,
  pathIn,
  runcOptions,
  shim,
  socketDirectory,
  Task,
  toml,
} from "../harness/shim.ts";
import { until } from "../harness/wait.ts";

/** The executable in a place of its own, with what belongs to it beside. */
function copyOfShim(): string {
  const dir = scratchDirectory("copy");
  mkdirSync(join(dir, "bin"));
  symlinkSync(join(dirname(runtimePath), "../libexec"), join(dir, "libexec"));
  const copy = join(dir, "bin/containerd-shim-tsrunc-v2");
  copyFileSync(runtimePath, copy);
  return copy;
}

describeShim("shim start", () => {
  it("answers containerd 1.6 with the bare address, which it writes to the bundle", () => {
    const task = new Task();
    const answer = task.start();
    expect(statSync(pathIn(answer)).mode & 0o777).to.equal(0o600);
    expect(readFileSync(join(task.bundle, "address"), "utf8")).to.equal(answer.toString());
    expect(readdirSync(task.bundle)).to.deep.equal(["address"]);
  });

  it("answers containerd 1.7 to 2.2 in a way that all of them understand", () => {
    const env = { MAX_SHIM_VERSION: "2", GRPC_ADDRESS: "/x", NAMESPACE: namespace };
    pathIn(new Task().start({ env }));
    const options = any(runcOptions, message([[9, true]]));
    pathIn(new Task().start({ env, input: options }));
  });

  it("answers containerd 2.3 with BootstrapResult, and links the socket directory", () => {
    const task = new Task();
    const answer = decode(task.start({ input: task.params(), env: { MAX_SHIM_VERSION: "2" } }));
    expect(numberIn(answer, 1)).to.equal(3);
    expect(textIn(answer, 2)).to.match(new RegExp(`^unix://${socketDirectory()}/[0-9a-f]{64}$`));
    expect(textIn(answer, 3)).to.equal("ttrpc");
    expect(readlinkSync(join(task.bundle, "s"))).to.equal(socketDirectory());
    expect(readFileSync(join(task.bundle, "address"), "utf8")).to.equal(textIn(answer, 2));
    // a second time, as after a failure
    expect(decode(task.start({ input: task.params() }))).to.deep.equal(answer);
  });

  it("takes params of another container for what they are", () => {
    const task = new Task();
    const { status, stderr } = task.call(task.flags("start"), { input: new Task().params() });
    expect(status).to.equal(1);
    expect(stderr.toString()).to.include("runtime options of unknown type");
  });

  it("refuses what is no message", () => {
    const task = new Task();
    const { status, stdout } = task.call(task.flags("start"), { input: Buffer.from("\n\x80") });
    expect([status, stdout.toString()]).to.deep.equal([1, ""]);
    expect(task.daemon()).to.equal(0);
  });

  it("starts a daemon that has nothing of its caller's", async () => {
    const task = new Task();
    const env = { SECRET: "x", BUN_OPTIONS: "--smol", BUN_JSC_useFTLJIT: "0" };
    task.start({ env });
    const pid = task.daemon();
    const environ = await until("environment", () => readOrEmpty(`/proc/${pid}/environ`));
    const variables = environ.split("\0");
    expect(variables).to.include(`TTRPC_ADDRESS=${task.containerd}.ttrpc`);
    expect(variables.join()).to.not.match(/SECRET|BUN_OPTIONS|FTLJIT/);
    const stat = readOrEmpty(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
    await until("its name", () => readOrEmpty(`/proc/${pid}/comm`) === "containerd-shim\n");
    expect([stat[2], stat[3]], "process group and session").to.deep.equal([`${pid}`, `${pid}`]);
    expect(readlinkSync(`/proc/${pid}/cwd`)).to.equal(task.bundle);
    for (const fd of [0, 1, 2])
      expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).to.match(/^\/dev\/null|log$/);
  });

  it("starts the same daemon, by whomever", async () => {
    const told = [];
    for (const program of [launcher, linkToEngine()]) {
      const task = new Task();
      task.start({ program, env: { XDG_RUNTIME_DIR: "/x", SECRET: "y" } });
      const pid = task.daemon();
      const environ = await until("environment", () => readOrEmpty(`/proc/${pid}/environ`));
      const text = `${environ}${readOrEmpty(`/proc/${pid}/cmdline`)}`;
      const anonymous = text.replaceAll(task.containerd, "A").replaceAll(task.id, "ID");
      told.push(anonymous.replace(/[0-9a-f]{64}/, "HASH").split("\0"));
    }
    expect(told[0]).to.deep.equal(told[1]);
    expect(told[0]).to.include("XDG_RUNTIME_DIR=/x").and.include("BUN_JSC_useJIT=0");
  });

  it("makes the daemon a likelier victim of the OOM killer than its parent, up to 1000", async () => {
    const scores = { 100: "101", 999: "1000", 1000: "1000" };
    for (const [own, expected] of Object.entries(scores)) {
      const task = new Task();
      const script = `echo ${own} > /proc/self/oom_score_adj; "$0" "$@"; exit $?`;
      const wrapped = task.call(["-c", script, shim, ...task.flags("start")], {
        program: "/bin/sh",
      });
      expect(wrapped.status, wrapped.stderr.toString()).to.equal(0);
      expect(readOrEmpty(`/proc/${task.daemon()}/oom_score_adj`).trim()).to.equal(expected);
    }
  });

  it("joins a shim of the same group, pod or, when told to, namespace", () => {
    for (const name of ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"]) {
      const first = new Task(undefined, { [name]: "g" });
      const second = new Task(first, { [name]: "g" });
      const third = new Task(first, { [name]: "h" });
      const address = first.start().toString();
      expect(second.start().toString()).to.equal(address);
      expect(readFileSync(join(second.bundle, "address"), "utf8")).to.equal(address);
      expect(third.start().toString()).to.not.equal(address);
      expect([first, second, third].map((task) => task.daemon() > 0)).to.deep.equal([
        true,
        false,
        true,
      ]);
    }
    const first = new Task(undefined, { "io.containerd.runc.v2.group": "g" });
    const second = new Task(first);
    const input = toml('ShimGroup = "namespace"');
    expect(second.start({ input }).toString()).to.equal(first.start({ input }).toString());
  });

  it("makes one shim when two start at once", async () => {
    const annotations = { "io.containerd.runc.v2.group": "g" };
    const first = new Task(undefined, annotations);
    const tasks = [first, ...Array.from({ length: 5 }, () => new Task(first, annotations))];
    const answers = await Promise.all(
      tasks.map(
        (task) =>
          new Promise<string>((resolve, reject) => {
            const child = spawn(shim, task.flags("start"), { cwd: task.bundle });
            let text = "";
            child.stdin.end();
            child.stdout.on("data", (data) => {
              text += data;
            });
            child.on("error", reject);
            child.on("close", () => resolve(text));
          }),
      ),
    );
    expect(new Set(answers).size).to.equal(1);
    expect(daemons()).to.have.length(1);
  });

  it("replaces the socket of a shim that was killed", async () => {
    const task = new Task();
    const path = pathIn(task.start());
    await endProcess(task.daemon(), "SIGKILL");
    expect(existsSync(path)).to.equal(true);
    expect(pathIn(task.start())).to.equal(path);
    expect(task.daemon()).to.be.above(0);
  });

  it("puts the shim into a cgroup, which has to be there", () => {
    const task = new Task();
    const none = any(runcOptions, message([[3, `/${idPrefix}-none`]]));
    const { status, stderr } = task.call(task.flags("start"), { input: none });
    expect(status).to.equal(1);
    expect(stderr.toString()).to.include(`no cgroup /${idPrefix}-none`);
    expect(daemons()).to.deep.equal([]);
  });

  it("speaks gRPC when it is asked to and containerd can", () => {
    const task = new Task();
    const input = toml('Transport = "grpc"');
    const old = task.call(task.flags("start"), { input });
    expect([old.status, old.stdout.toString()]).to.deep.equal([1, ""]);
    expect(old.stderr.toString()).to.include("gRPC");
    const answer = JSON.parse(task.start({ input, env: { MAX_SHIM_VERSION: "2" } }).toString());
    expect(answer).to.include({ version: 2, protocol: "grpc" });
    expect(answer.address).to.match(/^\/.*[0-9a-f]{64}$/);
  });

  it("fails when the daemon cannot be executed, and leaves no socket", () => {
    const task = new Task();
    const program = copyOfShim();
    const script = '(sleep 0.2; chmod -x "$0") | "$0" "$@"';
    const { status, stderr } = task.call(["-c", script, program, ...task.flags("start")], {
      program: "/bin/sh",
    });
    expect(status).to.equal(1);
    expect(stderr.toString()).to.include("start the shim's daemon").and.include("EACCES");
    expect(existsSync(join(task.bundle, "address"))).to.equal(false);
    expect(pathIn(task.start()), "no socket was in the way").to.be.a("string");
  });

  it("starts the daemon even when an upgrade removes the executable meanwhile", () => {
    const task = new Task();
    const program = copyOfShim();
    const script = '(sleep 0.2; rm "$0") | "$0" "$@"';
    const { status, stderr } = task.call(["-c", script, program, ...task.flags("start")], {
      program: "/bin/sh",
    });
    expect([status, stderr.toString()]).to.deep.equal([0, ""]);
    expect(task.daemon()).to.be.above(0);
  });

  it("works from a copy, and through a link of another name in front", () => {
    const copy = copyOfShim();
    const link = join(scratchDirectory("link"), "containerd-shim-tsrunc-v2");
    symlinkSync(copy, link);
    pathIn(new Task().start({ program: copy }));
    pathIn(new Task().start({ program: link }));
  });

  it("runs no code out of the bundle", async () => {
    const task = new Task();
    writeFileSync(join(task.bundle, "evil.ts"), 'console.log("evil")');
    writeFileSync(join(task.bundle, "bunfig.toml"), 'preload = ["./evil.ts"]');
    writeFileSync(join(task.bundle, ".env"), "BUN_OPTIONS=--print=1\nTTRPC_ADDRESS=/evil");
    pathIn(task.start());
    const environ = await until("environment", () => readOrEmpty(`/proc/${task.daemon()}/environ`));
    expect(environ).to.not.include("evil");
  });
});
