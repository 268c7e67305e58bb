/** The start-up budget: what the executable loads for the commands that people wait for. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";

const root = join(import.meta.dirname, "../..");

/** The part of Bun's metafile that is used; paths are relative to the repository. */
interface Graph {
  readonly inputs: Readonly<Record<string, Module>>;
  readonly outputs: Readonly<Record<string, { readonly inputs: Readonly<Record<string, Size>> }>>;
}

interface Module {
  readonly imports: readonly {
    readonly path: string;
    readonly kind: string;
    readonly original?: string;
    readonly external?: boolean;
  }[];
}

interface Size {
  readonly bytesInOutput: number;
}

/**
 * Limit of minified code per command, in kB, commander's 41 kB among it. Raise one knowingly: 100 kB more of code
 * that is not even run cost about 0.3 ms. create, run and exec have ajv's validators (50 kB, schemas/validate.ts).
 */
const budgets: Readonly<Record<string, number>> = {
  create: 240,
  start: 130,
  run: 240,
  exec: 230,
  state: 120,
  kill: 125,
  delete: 125,
};

/** The shim's helpers, which run for each container; protobufjs' 29 kB among it, which the build has trimmed. */
const helperBudgets: Readonly<Record<string, number>> = {
  start: 65,
  delete: 60,
  version: 15,
};

function readGraph(): Graph {
  const json = execFileSync(
    join(root, "node_modules/.bin/bun"),
    [join(root, "runtime/build.ts"), "--graph"],
    { cwd: root, maxBuffer: 1 << 28 },
  );
  return JSON.parse(json.toString()) as Graph;
}

interface Reached {
  /** Modules of ours and of packages, as paths. */
  readonly modules: ReadonlySet<string>;
  /** `node:path <- runtime/x.ts`, for each built-in import. */
  readonly builtins: readonly string[];
}

/** Everything that loads together with these modules: import() is not followed. */
function reach(graph: Graph, entries: readonly string[]): Reached {
  const modules = new Set<string>();
  const builtins: string[] = [];
  const queue = [...entries];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (modules.has(path)) continue;
    modules.add(path);
    for (const item of graph.inputs[path]?.imports ?? []) {
      if (item.kind === "dynamic-import") continue;
      if (graph.inputs[item.path] !== undefined) queue.push(item.path);
      else builtins.push(`${item.original ?? item.path} <- ${path}`);
    }
  }
  return { modules, builtins };
}

function minifiedBytes(graph: Graph, modules: ReadonlySet<string>): number {
  let sum = 0;
  for (const output of Object.values(graph.outputs)) {
    for (const [path, size] of Object.entries(output.inputs)) {
      if (modules.has(path)) sum += size.bytesInOutput;
    }
  }
  return sum;
}

function packageOf(path: string): string | undefined {
  const at = path.lastIndexOf("node_modules/");
  return at === -1 ? undefined : path.slice(at + "node_modules/".length).split("/")[0];
}

describe("hot path", () => {
  let graph: Graph;

  before(function () {
    this.timeout(60_000);
    graph = readGraph();
  });

  function check(entries: readonly string[], packages: readonly string[], limit: number): void {
    function reached(): Reached {
      for (const entry of entries) expect(graph.inputs, entry).to.have.property(entry);
      return reach(graph, entries);
    }

    // each costs 0.4 ms (child_process) to 9 ms (process.stdout's streams); node:fs is replaced (build.ts)
    it("loads no built-in", () => {
      expect(reached().builtins).to.deep.equal([]);
    });

    it(`loads no package${packages.length > 0 ? ` but ${packages.join()}` : ""}`, () => {
      const loaded = new Set([...reached().modules].map(packageOf));
      loaded.delete(undefined);
      expect([...loaded]).to.have.members(packages);
    });

    it(`loads at most ${limit} kB of code`, () => {
      expect(minifiedBytes(graph, reached().modules) / 1000).to.be.below(limit);
    });
  }

  for (const [command, limit] of Object.entries(budgets)) {
    describe(command, () => {
      // A command file may import() its verb; both run in any case.
      const entries = ["runtime/main.ts", "runtime/cli/main.ts", `runtime/cli/${command}.ts`];
      const verb = `runtime/lifecycle/${command}.ts`;
      if (existsSync(join(root, verb))) entries.push(verb);
      check(entries, ["commander"], limit);
    });
  }

  for (const [action, limit] of Object.entries(helperBudgets)) {
    describe(`shim ${action}`, () => {
      const entries = ["runtime/main.ts", "shim/main.ts", `shim/bootstrap/${action}.ts`];
      check(entries, action === "version" ? [] : ["protobufjs"], limit);
    });
  }
});
