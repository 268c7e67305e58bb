/** An application of several containers of Debian packages: nginx in front, an interface behind it, PostgreSQL with a volume. */
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { skips } from "../../harness/requires.ts";
import { eventually } from "../../harness/wait.ts";
import { cached, cachePath, hostSuite, runProgram, unpackPackages } from "../debian.ts";
import { Container, docker, mainDaemon, shell } from "./container.ts";
import { workFile } from "./daemon.ts";

const image = "e2e/application";
const packages = ["nginx", "postgresql", "dash", "coreutils", "sed", "grep"];

/** Large and not needed by anything here. */
const left = [
  "share/doc",
  "share/locale",
  "share/i18n",
  "share/perl",
  "lib/*/perl",
  "lib/*/libLLVM*",
];

const passwd = `root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
postgres:x:100:100:postgres:/var/lib/postgresql:/bin/sh
`;
const group = "root:x:0:\nadm:x:4:\nwww-data:x:33:\npostgres:x:100:\n";

/** A root file system as a tar file: the packages unpacked, and the little of their scripts that is needed. */
function makeArchive(file: string): void {
  const root = `${file}.root`;
  try {
    unpackPackages(root, { suite: hostSuite(), packages, whole: true });
    for (const name of ["dev", "proc", "sys", "tmp", "run", "root", "data"])
      mkdirSync(join(root, name), { recursive: true });
    chmodSync(join(root, "tmp"), 0o1777);
    // A new volume takes its owner from here.
    chownSync(join(root, "data"), 100, 100);
    writeFileSync(join(root, "etc", "passwd"), passwd);
    writeFileSync(join(root, "etc", "group"), group);
    copyFileSync("/bin/busybox", join(root, "usr", "bin", "busybox"));
    const [version = ""] = readdirSync(join(root, "usr", "lib", "postgresql"));
    runProgram("ln", ["-s", version, join(root, "usr", "lib", "postgresql", "current")]);
    const excluded = left.map((name) => `--exclude=./usr/${name}`);
    runProgram("tar", ["--numeric-owner", ...excluded, "-C", root, "-cf", file, "."]);
  } finally {
    runProgram("rm", ["-rf", root]);
  }
}

const bin = "/usr/lib/postgresql/current/bin";

const database = `set -e
if ! test -e /data/db; then
  ${bin}/initdb -D /data/db --auth trust >/dev/null
  echo 'host all all all trust' >>/data/db/pg_hba.conf
fi
exec ${bin}/postgres -D /data/db -h 0.0.0.0 -k /tmp
`;

const answer = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
${bin}/psql -h db -U postgres -qtAc "insert into visits default values returning 'visit ' || id"
`;

const nginx = `user www-data;
daemon off;
error_log stderr;
events {}
http {
  access_log /dev/stdout;
  server {
    listen 80;
    # nc closes its half of the connection after the request
    proxy_ignore_client_abort on;
    location / { proxy_pass http://api:8000/cgi-bin/visit; }
  }
}
`;

const asPostgres = ["--user", "postgres", "--volume", "records:/data"];

const service = (name: string): string[] => [
  ...["--detach", "--name", name, "--hostname", name, "--network", "application"],
  ...["--restart", "unless-stopped", "--stop-timeout", "5"],
];

async function start(flags: readonly string[], command: readonly string[]): Promise<Container> {
  const { text } = (await docker(["run", ...flags, image, ...command])).ok();
  return new Container(text);
}

async function startAll(): Promise<{ db: Container; api: Container; web: Container }> {
  (await docker(["network", "create", "application"])).ok();
  (await docker(["volume", "create", "records"])).ok();
  const check = [
    "--health-cmd",
    `${bin}/pg_isready -h 127.0.0.1 -U postgres`,
    "--health-interval",
    "500ms",
  ];
  const limits = ["-m", "512m", "--shm-size", "128m", "--ulimit", "nofile=4096"];
  const db = await start([...service("db"), ...check, ...limits, ...asPostgres], shell(database));
  const script = workFile("visit", answer, 0o755);
  const api = await start(
    [
      ...service("api"),
      "--read-only",
      "--cap-drop",
      "ALL",
      "-v",
      `${script}:/www/cgi-bin/visit:ro`,
    ],
    ["busybox", "httpd", "-f", "-p", "8000", "-h", "/www"],
  );
  const healthy = async () => {
    const { Health, Status } = await db.state();
    if (Status !== "running") throw new Error(`the database is ${Status}: ${await db.logs()}`);
    return Health?.Status === "healthy";
  };
  await eventually("the database", healthy, 40_000);
  const table = ["-h", "127.0.0.1", "-U", "postgres", "-qc", "create table visits (id serial)"];
  (await db.exec([`${bin}/psql`, ...table])).ok();
  const config = workFile("nginx.conf", nginx);
  const own = ["-p", "18090:80", "--tmpfs", "/var/lib/nginx", "-v", `${config}:/etc/nginx.conf:ro`];
  const web = await start([...service("web"), ...own], ["nginx", "-c", "/etc/nginx.conf"]);
  return { db, api, web };
}

/** What the published port answers. */
async function visit(): Promise<string> {
  const request =
    "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 127.0.0.1 18090 | tail -n 1";
  return (await mainDaemon().inNetwork(shell(request))).text;
}

/** Waits for the first answer; says what the containers have said when there is none. */
async function firstVisit(parts: readonly Container[]): Promise<void> {
  let last = "";
  const answered = async () => {
    last = await visit();
    return last === "visit 1";
  };
  await eventually("the first visit", answered, 20_000).catch(async (error: Error) => {
    const logs = await Promise.all(parts.map((part) => part.logs()));
    throw new Error(`${error.message}; last answer: ${last}\n${logs.join("\n").slice(-3000)}`);
  });
}

describe("an application of nginx, an interface and PostgreSQL", () => {
  before(async function () {
    this.timeout(300_000);
    let archive: string;
    try {
      archive = cached(cachePath("e2e-application.tar"), makeArchive);
    } catch (error) {
      const { stderr, message } = error as { stderr?: Buffer; message: string };
      const lines = (stderr?.toString() || message).trim().split("\n");
      skips.push(`the application: needs packages of Debian: ${lines.at(-1)}`);
      return this.skip();
    }
    const path = "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    (await docker(["import", "--change", path, archive, image])).ok();
  });

  it("serves, survives the death of each part, and keeps its data", async function () {
    this.timeout(180_000);
    const { db, api, web } = await startAll();
    await firstVisit([db, api, web]);
    expect(await visit()).to.equal("visit 2");
    for (const part of [web, api]) {
      process.kill(await part.pid(), "SIGKILL");
      await eventually("a visit", async () => /^visit \d/.test(await visit()), 20_000);
    }
    (await db.verb("restart")).ok();
    const last = await eventually(
      "the data",
      async () => /^visit (\d+)$/.exec(await visit())?.[1],
      40_000,
    );
    expect(Number(last)).to.be.above(2);
    expect(await db.logs()).to.contain("database system is shut down");
    await db.remove();
    const again = await start([...service("db"), ...asPostgres], shell(database));
    await eventually("the data again", async () => /^visit \d+$/.test(await visit()), 40_000);
    (await again.verb("stop")).ok();
    expect((await again.state()).ExitCode).to.equal(0);
    expect((await web.verb("logs")).stdout).to.contain('"GET / HTTP/1.0" 200');
    expect((await web.verb("top")).ok().stdout).to.match(/nginx: master.*nginx: worker/s);
  });

  it("carries load over exec, stats and logs while it serves", async function () {
    this.timeout(180_000);
    const { db, api, web } = await startAll();
    await firstVisit([db, api, web]);
    const bench = `${bin}/pgbench -h 127.0.0.1 -U postgres`;
    (await db.exec(shell(`${bench} -qi -s 2 postgres`))).ok();
    const load = db.exec(shell(`${bench} -c 4 -T 4 postgres`));
    for (let i = 0; i < 5; i++) {
      expect(await visit()).to.match(/^visit \d+$/);
      expect(
        (await docker(["stats", "--no-stream", "--format", "{{.Name}}"])).ok().lines,
      ).to.have.length(3);
    }
    expect((await load).ok().stdout).to.match(/number of failed transactions: 0/);
  });
});
