/** Loggers: real scripts that say what they were given. */
import * as fs from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { openStdio, type ProcessIo, type StdioRequest } from "./stdio.ts";
import {
  addonIsBuilt,
  openFds,
  openWriter,
  owner,
  type Rig,
  sleep,
  startRig,
  startShell,
  until,
} from "./test-rig.ts";

const none = { stdin: "", stdout: "", stderr: "", terminal: false };

describe("shim/io/logger", () => {
  let rig: Rig;
  let atStart: string[];
  let ios: ProcessIo[] = [];

  before(function () {
    if (!addonIsBuilt()) this.skip();
  });

  beforeEach(() => {
    rig = startRig({ readyTimeoutMs: 300, endOfFileGraceMs: 150, termGraceMs: 200 });
    atStart = openFds();
  });

  afterEach(async () => {
    for (const io of ios) io.close();
    await Promise.all(rig.env.endingLoggers);
    ios = [];
    const left = (): string[] => openFds().filter((fd) => !atStart.includes(fd));
    await until(() => left().length === 0);
    const leaked = left();
    rig.end();
    expect(leaked).to.deep.equal([]);
  });

  function file(name: string): string {
    return join(rig.directory, name);
  }

  function text(name: string): string {
    return fs.existsSync(file(name)) ? fs.readFileSync(file(name), "utf8") : "";
  }

  /** Makes a logger; `$D` in it is the test's directory. Returns its path. */
  function script(body: string): string {
    const path = file("logger");
    fs.writeFileSync(path, `#!/bin/sh\n${body.replaceAll("$D", rig.directory)}\n`, { mode: 0o755 });
    return path;
  }

  async function open(request: Partial<StdioRequest>): Promise<ProcessIo> {
    const io = await openStdio(rig.env, { ...none, ...request }, owner);
    ios.push(io);
    return io;
  }

  async function failure(request: Partial<StdioRequest>): Promise<string> {
    try {
      await open(request);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  }

  async function run(io: ProcessIo, body: string): Promise<number> {
    return (await rig.children.exit(startShell(rig, io, body))).status;
  }

  it("gives a logger its arguments, two variables and three fds, and nothing else", async () => {
    const path = script(
      'for a in "$0" "$@"; do echo "[$a]"; done > $D/args\n' +
        "tr '\\0' '\\n' < /proc/$$/environ > $D/env\n" +
        "(ls -l /proc/$$/fd > $D/fds)\n" +
        "exec 5>&-; cat <&4 > $D/err & cat <&3 > $D/out; wait",
    );
    const url = `binary://${path}?id=a%20b&flag&--x=y&`;
    const io = await open({ stdout: url, stderr: url });
    expect(await run(io, "echo out; echo err >&2")).to.equal(0);
    await io.drained(1_000);
    io.close();
    await Promise.all(rig.env.endingLoggers);
    expect(text("args")).to.equal(`[${path}]\n[id]\n[a b]\n[flag]\n[]\n[--x]\n[y]\n`);
    expect(text("env")).to.equal("CONTAINER_ID=c1\nCONTAINER_NAMESPACE=tests\n");
    const fds = text("fds")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.replace(/^.* (\d+) -> (.*?)(\[\d+\])?$/, "$1 $2"));
    // 10 is the script itself, opened by the shell
    expect(fds.filter((line) => !line.startsWith("10 "))).to.deep.equal([
      "0 /dev/null",
      "1 /dev/null",
      "2 /dev/null",
      "3 pipe:",
      "4 pipe:",
      "5 pipe:",
    ]);
    expect(text("out")).to.equal("out\n");
    expect(text("err")).to.equal("err\n");
    expect(rig.logged).to.deep.equal([]);
  });

  it("lets a logger read to the end before it is told to end, and moves input as well", async () => {
    const [stdin = ""] = rig.fifos("stdin");
    const path = script("echo -n x >&5; sleep 0.05; exec cat <&3 > $D/out");
    const io = await open({ stdin, stdout: `binary://${path}` });
    const client = openWriter(stdin);
    fs.writeSync(client, "typed\n");
    fs.closeSync(client);
    io.closeStdin();
    expect(await run(io, "cat; head -c 60000 /dev/zero")).to.equal(0);
    await io.drained(1_000);
    io.close();
    await Promise.all(rig.env.endingLoggers);
    expect(text("out").length).to.equal(60_006);
    expect(text("out").slice(0, 6)).to.equal("typed\n");
  });

  it("ends a logger with SIGTERM, and with SIGKILL where that does not help", async () => {
    const polite = script(
      "trap 'echo term > $D/got; exit 0' TERM; echo x >&5; while :; do sleep 0.01; done",
    );
    const first = await open({ stdout: `binary://${polite}` });
    first.close();
    await Promise.all(rig.env.endingLoggers);
    expect(text("got")).to.equal("term\n");
    expect(rig.logged).to.deep.equal([]);

    const stubborn = script(
      "trap 'echo again > $D/got' TERM; echo x >&5; while :; do sleep 0.01; done",
    );
    const second = await open({ stdout: `binary://${stubborn}` });
    const start = Date.now();
    second.close();
    expect(Date.now() - start).to.be.below(50);
    await Promise.all(rig.env.endingLoggers);
    expect(text("got")).to.equal("again\n");
    expect(Date.now() - start).to.be.within(300, 1_500);
    expect(rig.logged.join()).to.match(/^warn logger .*\/logger of c1 does not end after SIGTERM/);
  });

  it("waits for the ready byte or the end of fd 5, binary-v2 for the byte", async () => {
    const late = script("sleep 0.1; echo ready > $D/ready; exec 5>&-; exec cat <&3 > $D/out");
    await open({ stdout: `binary://${late}` });
    expect(text("ready")).to.equal("ready\n");
    expect(await failure({ stdout: `binary-v2://${late}` })).to.match(
      /^logger .* of c1 ended or closed fd 5 without saying that it is ready$/,
    );
    const says = script("echo -n r >&5; exec cat <&3 > $D/out");
    const io = await open({ stdout: `binary-v2://${says}` });
    await run(io, "echo v2");
    io.close();
    await Promise.all(rig.env.endingLoggers);
    expect(text("out")).to.equal("v2\n");
  });

  it("does not wait for ever, and says why a logger does not start", async () => {
    const silent = script("exec sleep 60");
    const start = Date.now();
    expect(await failure({ stdout: `binary://${silent}` })).to.match(/is not ready after 0.3 s$/);
    expect(Date.now() - start).to.be.below(1_500);
    expect(await failure({ stdout: "binary:///nowhere/logger?a=b" })).to.equal(
      "start logger /nowhere/logger: ENOENT (no such file or directory)",
    );
    // the silent one is gone as well
    expect(
      await until(
        () => !rig.children.native.poll([], 0).length && openFds().length === atStart.length,
      ),
    ).to.equal(true);
  });

  it("reports a logger that fails, whose process then gets SIGPIPE", async () => {
    const path = script("exec 5>&-; exit 7");
    const io = await open({ stdout: `binary://${path}` });
    expect(await until(() => rig.logged.length > 0)).to.equal(true);
    expect(rig.logged).to.deep.equal([`warn logger ${path} of c1 ended with status 7`]);
    expect(await run(io, "while echo x; do :; done 2>/dev/null")).to.equal(128 + 13);
  });

  it("keeps loggers of several processes apart", async () => {
    const paths = [1, 2, 3].map((number) => {
      const path = file(`logger${number}`);
      fs.writeFileSync(path, `#!/bin/sh\nexec 5>&-; exec cat <&3 > ${file(`out${number}`)}\n`, {
        mode: 0o755,
      });
      return path;
    });
    const all = await Promise.all(paths.map((path) => open({ stdout: `binary://${path}` })));
    await Promise.all(all.map((io, index) => run(io, `echo ${index + 1}`)));
    for (const io of all) io.close();
    await Promise.all(rig.env.endingLoggers);
    await sleep(1);
    expect([1, 2, 3].map((number) => text(`out${number}`))).to.deep.equal(["1\n", "2\n", "3\n"]);
  });
});
