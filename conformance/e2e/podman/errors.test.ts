/** What podman makes of the runtime's failures: exit codes by its regular expressions, texts with and without a JSON log. */
import { expect } from "chai";
import { runtimePath } from "../../harness/environment.ts";
import { created, run, up } from "./container.ts";
import { cgroupParent, type PodmanOptions, podman, workFile } from "./engine.ts";
import { lasting } from "./leaks.ts";

const ways: readonly (readonly [string, PodmanOptions])[] = [
  ["a JSON log (runtime_supports_json)", {}],
  ["text on standard error", { textLog: true }],
  ["--runtime with a path", { runtime: runtimePath, textLog: true }],
];

describe("exit codes", () => {
  it("125 for an image that is missing, with nothing started", async () => {
    const args = ["run", "--rm", "--pull", "never", "localhost/e2e/none", "true"];
    (await podman(args)).fails(/image not known/, 125);
  });

  for (const [title, options] of ways) {
    it(`127 for a missing program, 126 for one that cannot be run: ${title}`, async () => {
      const missing = await run([], ["no-such-program"], options);
      missing.fails(/attempted to invoke a command that was not found/, 127);
      expect(missing.stderr).to.contain("no-such-program");
      (await run([], ["/no/such/program"], options)).fails(/not found/, 127);
      (await run([], ["/etc/passwd"], options)).fails(/OCI permission denied/, 126);
      expect(await lasting()).to.deep.equal([]);
    });

    it(`126 or 127 for start and exec, too: ${title}`, async () => {
      const make = ["create", "--cgroup-parent", cgroupParent, "localhost/e2e/busybox"];
      const id = (await podman([...make, "no-such-program"], options)).ok().text;
      (await podman(["start", id], options)).fails(/not found/, 125);
      const running = ["run", "--detach", "--cgroup-parent", cgroupParent];
      const other = (
        await podman([...running, "localhost/e2e/busybox", "sleep", "99"], options)
      ).ok();
      (await podman(["exec", other.text, "no-such-program"], options)).fails(/not found/, 127);
      (await podman(["exec", other.text, "/etc/passwd"], options)).fails(/permission denied/i, 126);
    });
  }
});

describe("messages", () => {
  it("show the runtime's own text, not its JSON", async () => {
    const result = await run(["--workdir", "/etc/passwd"], ["true"]);
    result.fails(/not a directory/i);
    expect(result.stderr).to.not.match(/\{"|\\"|level=|unable to retrieve/);
    expect(result.stderr.trim().split("\n")).to.have.length(1);
  });

  it("name a sysctl that the container cannot have", async () => {
    (await run(["--sysctl", "net.no.such=1"], ["true"])).fails(/net[./]no[./]such/);
  });

  it("refuse an unknown user before the runtime is asked", async () => {
    (await run(["--user", "nobody-of-this-name"], ["true"])).fails(
      /unable to find user|no matching/,
    );
  });

  it("refuse to go without cgroups before the runtime is asked", async () => {
    const args = ["run", "--rm", "--cgroups", "disabled", "localhost/e2e/busybox", "true"];
    (await podman(args)).fails(/not compatible with NoCgroups/, 125);
  });

  it("name a hook that fails, and leave nothing", async () => {
    const hook = {
      version: "1.0.0",
      hook: { path: "/bin/sh", args: ["sh", "-c", "echo broken hook >&2; exit 3"] },
      when: { always: true },
      stages: ["prestart"],
    };
    const file = workFile("hook.json", JSON.stringify(hook));
    const directory = file.replace(/\/[^/]+$/, "");
    const args = ["--hooks-dir", directory, "run", "--rm", "--cgroup-parent", cgroupParent];
    const result = await podman([...args, "localhost/e2e/busybox", "true"]);
    result.fails(/hook|broken/);
    expect(await lasting()).to.deep.equal([]);
  });

  it("a second start of what runs is no error; a start after the end is a new run", async () => {
    const c = await up();
    (await c.verb("start")).ok();
    const ended = await created([], ["true"]);
    (await ended.verb("start", ["--attach"])).ok();
    (await ended.verb("start", ["--attach"])).ok();
  });
});
