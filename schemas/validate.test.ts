/** Validation: real configs pass; standalone validator, ajv at run time and explanation agree on every damage. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { expect } from "chai";
import { parseJson } from "../runtime/base/u64.ts";
import { explain, type Violation } from "./explain.ts";
import { type Documents, validate } from "./validate.ts";

// The tests run from the repository's root, where the sources are.
const fixtures = "schemas/fixtures";

type Json = Record<string, unknown>;

function violationOf(value: unknown, name: keyof Documents = "Spec"): Violation | undefined {
  let found: Violation | undefined;
  try {
    validate(name, value, (violation) => {
      found = violation;
      return new Error("refused");
    });
  } catch (error) {
    if (found === undefined) throw error;
  }
  return found;
}

/** The verdict of the explanation alone. */
function isExplained(value: unknown): boolean {
  const refusal = { instancePath: "", keyword: "nothing found" };
  return !explain("Spec", value, refusal).expected.includes(refusal.keyword);
}

function fixture(name: string): Json {
  return parseJson(readFileSync(`${fixtures}/${name}.json`, "utf8")) as Json;
}

/** Every place of a document, as the object that holds it and its key there. */
function* places(
  value: unknown,
  path: string,
): Generator<{ holder: Json; key: string; path: string }> {
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) {
    const place = `${path}/${key}`;
    yield { holder: value as Json, key, path: place };
    yield* places((value as Json)[key], place);
  }
}

function compileWithAjv(): (value: unknown) => boolean {
  const schema = JSON.parse(readFileSync("schemas/oci/config.json", "utf8")) as object;
  return new Ajv({ validateFormats: false }).compile(schema);
}

/** Paths of properties in the schema that the document does not have. */
function uncovered(schema: Json, value: unknown, root: Json, path: string): string[] {
  const target = schema["$ref"] as string | undefined;
  if (target !== undefined) {
    const definitions = root["definitions"] as Record<string, Json>;
    return uncovered(definitions[target.replace("#/definitions/", "")] ?? {}, value, root, path);
  }
  if (schema["items"] !== undefined) {
    const missing = (value as unknown[]).map((item) =>
      uncovered(schema["items"] as Json, item, root, path),
    );
    // One entry that has it all is enough.
    return missing.sort((a, b) => a.length - b.length)[0] ?? [];
  }
  return Object.entries((schema["properties"] ?? {}) as Record<string, Json>).flatMap(
    ([key, property]) => {
      const member = (value as Json)[key];
      return member === undefined
        ? [`${path}.${key}`]
        : uncovered(property, member, root, `${path}.${key}`);
    },
  );
}

describe("shape validation", () => {
  it("accepts configs as engines write them", () => {
    for (const name of ["everything", "dockerd", "go-nulls"]) {
      expect(violationOf(fixture(name)), name).to.equal(undefined);
    }
  });

  it("has a fixture that uses every property of the schema", () => {
    const schema = JSON.parse(readFileSync("schemas/oci/config.json", "utf8")) as Json;
    expect(uncovered(schema, fixture("everything"), schema, "")).to.deep.equal([]);
  });

  it("agrees with ajv and with its explanation on every single damage", function () {
    this.timeout(60_000);
    const accepts = compileWithAjv();
    const config = JSON.parse(readFileSync(`${fixtures}/everything.json`, "utf8")) as Json;
    // 2^63 - 1 is out of a double's reach; ajv gets rounded numbers.
    const limits = (config["process"] as Json)["rlimits"] as Json[];
    limits.pop();
    const rounded = JSON.stringify(config).replace("18446744073709552000", "5");
    const subject = JSON.parse(rounded) as Json;
    let refused = 0;
    for (const { holder, key, path } of [...places(subject, "")]) {
      const old = holder[key];
      for (const wrong of [
        "x",
        "",
        -1,
        1.5,
        70000,
        2 ** 40,
        1e25,
        true,
        [],
        [1],
        ["x"],
        {},
        { a: 1 },
        { a: "b" },
      ]) {
        holder[key] = wrong;
        const verdict = violationOf(subject) === undefined;
        const damage = `${path} = ${JSON.stringify(wrong)}`;
        expect(verdict, damage).to.equal(accepts(subject));
        expect(isExplained(subject), damage).to.equal(!verdict);
        if (!verdict) refused++;
      }
      if (!Array.isArray(holder)) {
        delete holder[key];
        expect(violationOf(subject) === undefined, `${path} deleted`).to.equal(accepts(subject));
      }
      holder[key] = old;
    }
    expect(refused).to.be.greaterThan(2000);
  });

  it("says where, what was expected and what was found", () => {
    const cases: readonly (readonly [Json, readonly (string | number)[], string, unknown])[] = [
      [
        { ociVersion: "1.0.0", process: { cwd: "/", args: "sh" } },
        ["process", "args"],
        "array of strings",
        "sh",
      ],
      [
        { ociVersion: "1.0.0", process: { cwd: "/", args: [1] } },
        ["process", "args", 0],
        "string",
        1,
      ],
      [{ ociVersion: "1.0.0", process: {} }, ["process", "cwd"], "string", undefined],
      [{}, ["ociVersion"], "string", undefined],
      [
        { ociVersion: "1", linux: { sysctl: { "a.b": 1 } } },
        ["linux", "sysctl", "a.b"],
        "string",
        1,
      ],
      [
        { ociVersion: "1", linux: { namespaces: [{ type: "net" }] } },
        ["linux", "namespaces", 0, "type"],
        "one of pid, network, mount, ipc, uts, user, cgroup, time",
        "net",
      ],
      [
        { ociVersion: "1", linux: { resources: { memory: { limit: "1g" } } } },
        ["linux", "resources", "memory", "limit"],
        "64-bit integer",
        "1g",
      ],
    ];
    for (const [config, path, expected, found] of cases) {
      expect(violationOf(config)).to.deep.equal({ path: [...path], expected, found });
    }
    expect(violationOf([])).to.deep.equal({ path: [], expected: "object", found: [] });
    expect(violationOf("text")).to.deep.equal({ path: [], expected: "object", found: "text" });
  });

  it("reports ajv's word where the explanation finds nothing", () => {
    const config = { process: { args: ["a", "b"], "x/~y": 1 } };
    const report = (instancePath: string) =>
      explain("LinuxResources", config, { instancePath, keyword: "type" });
    expect(report("/process/args/1")).to.deep.equal({
      path: ["process", "args", 1],
      expected: 'a value that satisfies "type" of the schema',
      found: "b",
    });
    expect(report("/process/x~1~0y")).to.deep.include({ path: ["process", "x/~y"], found: 1 });
    expect(report("")).to.deep.include({ path: [], found: config });
  });

  it("takes null for absent, but not for something required or in a list", () => {
    const config = fixture("go-nulls");
    expect(violationOf(config)).to.equal(undefined);
    expect(config["annotations"]).to.equal(undefined);
    expect(Object.hasOwn(config, "annotations")).to.equal(false);
    expect(violationOf({ ociVersion: null })?.path).to.deep.equal(["ociVersion"]);
    expect(violationOf({ cwd: "/", args: [null] }, "Process")?.found).to.equal(null);
  });

  it("holds 64-bit integers to their exact bounds", () => {
    const limit = (value: unknown) => violationOf({ memory: { limit: value } }, "LinuxResources");
    expect(limit(2n ** 63n - 1n)).to.equal(undefined);
    expect(limit(-(2n ** 63n))).to.equal(undefined);
    expect(limit(-(2n ** 63n) - 1n)?.expected).to.equal("64-bit integer");
    expect(limit(2n ** 63n)?.expected).to.equal("64-bit integer");
    expect(limit(2 ** 63)?.expected).to.equal("64-bit integer");
    const shares = (value: unknown) => violationOf({ cpu: { shares: value } }, "LinuxResources");
    expect(shares(2n ** 64n - 1n)).to.equal(undefined);
    expect(shares(2n ** 64n)?.expected).to.equal("unsigned 64-bit integer");
    expect(shares(-1n)?.found).to.equal(-1n);
    expect(violationOf({ cwd: "/", user: { uid: 2n ** 60n } }, "Process")?.path).to.deep.equal([
      "user",
      "uid",
    ]);
  });

  it("does not take inherited names for properties, nor follow deep nesting", () => {
    const config =
      '{"ociVersion":"1.0.0","constructor":1,"toString":{"a":1},"__proto__":{"root":5}}';
    expect(violationOf(JSON.parse(config))).to.equal(undefined);
    const deep = `{"ociVersion":"1.0.0","x":${"[".repeat(3000)}${"]".repeat(3000)}}`;
    const violation = violationOf(JSON.parse(deep));
    expect(violation?.expected).to.equal("less nesting");
    expect(violation?.path).to.deep.equal(["x", ...Array<number>(63).fill(0)]);
  });

  // OCI_SPEC_FIXTURES=<runtime-spec>/schema/test; not part of this repository.
  const directory = process.env["OCI_SPEC_FIXTURES"];
  const title = "gives the verdicts of the specification's own fixtures";
  if (directory === undefined || !existsSync(directory)) {
    it.skip(`${title} (OCI_SPEC_FIXTURES is not set)`);
    return;
  }

  it(title, () => {
    for (const [kind, good] of [
      ["good", true],
      ["bad", false],
    ] as const) {
      for (const file of readdirSync(`${directory}/config/${kind}`)) {
        const text: string = readFileSync(`${directory}/config/${kind}/${file}`, "utf8");
        let accepted = true;
        try {
          validate("Spec", parseJson(text), () => new Error("refused"));
        } catch {
          accepted = false;
        }
        expect(accepted, file).to.equal(good);
      }
    }
  });
});
