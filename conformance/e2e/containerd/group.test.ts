/** Containers that share a shim: `io.containerd.runc.v2.group` or the sandbox of Kubernetes. */
import { expect } from "chai";
import { isAlive } from "../../harness/processes.ts";
import { Container, freshId, untilGone } from "./ctr.ts";
import { known } from "./subject.ts";

for (const annotation of ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"]) {
  describe(`containers with the same ${annotation}`, () => {
    let flags: string[];
    beforeEach(() => {
      flags = ["--annotation", `${annotation}=${freshId()}`];
    });

    it("live in one shim, which ends with the last", async () => {
      const first = await new Container().up(flags);
      const second = await new Container().up(flags, ["sleep", "1001"]);
      const alone = await new Container().up();
      const shim = await first.shim();
      expect(await second.shim()).to.equal(shim);
      expect(await alone.shim()).to.not.equal(shim);
      await first.stop();
      expect(await first.remove()).to.equal(137);
      expect(await second.status()).to.equal("RUNNING");
      expect((await second.exec(["cat", "/proc/1/cmdline"])).ok().stdout).to.equal(
        "sleep\x001001\0",
      );
      const third = await new Container().up(flags);
      expect(await third.shim()).to.equal(shim);
      for (const c of [second, third]) {
        expect(isAlive(shim)).to.equal(true);
        await c.stop();
        await c.remove();
      }
      await untilGone(shim);
    });

    it(
      "start and end at the same time",
      known(
        { shim: "runc" },
        "ends while it answers the Delete of another container",
        async () => {
          const containers = Array.from({ length: 6 }, () => new Container());
          await Promise.all(containers.map((c) => c.up(flags)));
          const shims = new Set(await Promise.all(containers.map((c) => c.shim())));
          expect(shims.size).to.equal(1);
          await Promise.all(containers.map((c) => c.stop()));
          await Promise.all(containers.map((c) => c.remove()));
          await untilGone([...shims][0] ?? 0);
        },
        "sometimes",
      ),
    );

    it("fail one by one", async () => {
      const first = await new Container().up(flags);
      (await new Container().run(["--rm", ...flags], ["no-such-program"])).fails(/not found/);
      (await first.exec(["true"])).ok();
      (await new Container().run(["--rm", ...flags], ["true"])).ok();
    });
  });
}
