/** `docker build`: each RUN is a container of the default runtime; BuildKit runs the program that it is told to. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { skips } from "../../harness/requires.ts";
import type { CommandResult } from "../command.ts";
import { docker } from "./container.ts";
import { workDirectory } from "./daemon.ts";
import { imageName } from "./image.ts";
import { dockerAtLeast } from "./subject.ts";

const dockerfile = `FROM ${imageName} AS first
ARG GREETING=hello
ENV WHERE=/made
WORKDIR $WHERE
COPY --chown=1000:1000 context/file .
RUN cat file && echo "$GREETING from $(pwd)" >greeting
RUN ["/bin/sh", "-c", "test \\"$(stat -c %u file)\\" = 1000"]
RUN mkdir -p /cache && for i in 1 2 3; do echo $i >/cache/$i; done
USER guest
RUN id -u >/tmp/user
FROM ${imageName}
COPY --from=first /made/greeting /tmp/user /
RUN rm /etc/group && ln -s greeting /link
ENTRYPOINT ["/bin/cat"]
CMD ["/greeting", "/user"]
`;

function context(text: string): string {
  const directory = workDirectory("build");
  mkdirSync(join(directory, "context"));
  writeFileSync(join(directory, "context", "file"), "content\n");
  writeFileSync(join(directory, "Dockerfile"), text);
  return directory;
}

function build(text: string, flags: readonly string[] = [], kit = "0"): Promise<CommandResult> {
  const args = ["build", "--force-rm", "--tag", "e2e/built", ...flags, context(text)];
  return docker(args, { env: { DOCKER_BUILDKIT: kit } });
}

async function expectBuilt(): Promise<void> {
  const ran = await docker(["run", "--rm", "e2e/built"]);
  expect(ran.ok().text).to.equal("good day from /made\n1000");
}

describe("docker build", () => {
  afterEach(async () => {
    await docker(["image", "prune", "--force"]);
    await docker(["rmi", "e2e/built"]);
  });

  it("runs the steps of several stages", async () => {
    (await build(dockerfile, ["--build-arg", "GREETING=good day"])).ok();
    await expectBuilt();
  });

  it("ends at a step that fails, with its status", async () => {
    const result = await build(`FROM ${imageName}\nRUN echo before; exit 37\n`);
    result.fails(/returned a non-zero code: 37/);
    expect(result.stdout).to.contain("before");
  });

  it("passes limits and networks on to the steps", async () => {
    const step = "RUN ls /sys/class/net; ulimit -n";
    const flags = ["--network", "none", "--ulimit", "nofile=777:777", "--memory", "64m"];
    const { stdout } = (await build(`FROM ${imageName}\n${step}\n`, flags)).ok();
    expect(stdout).to.match(/^777$/m).and.not.contain("eth0");
  });

  it("with BuildKit", async function () {
    if (dockerAtLeast("23.0.0") && (await docker(["buildx", "version"])).status !== 0) {
      skips.push("docker build with BuildKit: needs the client's plugin buildx");
      return this.skip();
    }
    const flags = ["--build-arg", "GREETING=good day", "--progress", "plain", "--no-cache"];
    (await build(dockerfile, flags, "1")).ok();
    await expectBuilt();
    (await docker(["builder", "prune", "--all", "--force"])).ok();
  });
});
