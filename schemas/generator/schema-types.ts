/** Turns our JSON Schemas into TypeScript types: closed, readonly, named as in the schema. */

/** The part of JSON Schema (draft-07) that our schemas use; anything else is refused. */
export interface Schema {
  readonly $schema?: string;
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly format?: "uint64" | "int64";
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

/** All schemas that may refer to each other, by file name (`config.json`). */
export type SchemaSet = Readonly<Record<string, Schema>>;

/** Definitions with a capital first letter become exported types; the others are written out in place. */
function isNamed(definition: string): boolean {
  return /^[A-Z]/.test(definition);
}

function docComment(text: string | undefined, indent: string): string {
  return text === undefined ? "" : `${indent}/** ${text.replaceAll("*/", "* /")} */\n`;
}

class TypeWriter {
  private readonly schemas: SchemaSet;
  private readonly file: string;
  /** Type names used from other files, by module. */
  readonly imports: Record<string, string[]> = {};
  usesInteger = false;

  constructor(schemas: SchemaSet, file: string) {
    this.schemas = schemas;
    this.file = file;
  }

  private reference(ref: string, file: string): string {
    const [other, pointer] = ref.split("#") as [string, string];
    const target = other === "" ? file : other;
    const root = this.schemas[target];
    if (root === undefined) throw new Error(`${file}: no schema ${target}`);
    const name = pointer === "" ? root.title : pointer.replace("/definitions/", "");
    if (name === undefined) throw new Error(`${target} has no title`);
    if (pointer !== "" && root.definitions?.[name] === undefined) {
      throw new Error(`${file}: ${ref} does not exist`);
    }
    if (pointer !== "" && !isNamed(name)) {
      return this.typeOf(root.definitions?.[name] as Schema, `${target} ${name}`, target);
    }
    if (target !== this.file) {
      const names = this.imports[target] ?? [];
      this.imports[target] = names.includes(name) ? names : [...names, name];
    }
    return name;
  }

  private typeOf(schema: Schema, where: string, file: string): string {
    if (schema.$ref !== undefined) return this.reference(schema.$ref, file);
    switch (schema.type) {
      case "boolean":
        return "boolean";
      case "integer":
        if (schema.format === undefined) return "number";
        this.usesInteger = true;
        return "Integer";
      case "string":
        return schema.enum?.map((value) => JSON.stringify(value)).join(" | ") ?? "string";
      case "array": {
        const item = this.typeOf(schema.items ?? {}, `${where}[]`, file);
        return `readonly ${item.includes(" ") ? `(${item})` : item}[]`;
      }
      case "object":
        if (schema.additionalProperties !== undefined) {
          return `Readonly<Record<string, ${this.typeOf(schema.additionalProperties, where, file)}>>`;
        }
    }
    throw new Error(`${file}: ${where} needs a named definition or a type`);
  }

  /** One exported interface or alias. */
  declaration(name: string, schema: Schema): string {
    const doc = docComment(schema.description, "");
    if (schema.properties === undefined) {
      const text = this.typeOf(schema, name, this.file);
      const body =
        schema.enum === undefined ? ` ${text}` : `\n  | ${text.replaceAll(" | ", "\n  | ")}`;
      return `\n${doc}export type ${name} =${body};\n`;
    }
    const members = Object.entries(schema.properties).map(([key, property]) => {
      const optional = schema.required?.includes(key) === true ? "" : "?";
      const type = this.typeOf(property, `${name}.${key}`, this.file);
      return `${docComment(property.description, "  ")}  readonly ${key}${optional}: ${type};\n`;
    });
    return `\n${doc}export interface ${name} {\n${members.join("")}}\n`;
  }
}

const integerImport = 'import type { Integer } from "../../runtime/base/u64.ts";\n';

/** The text of `<file>.ts` for one schema of the set. */
export function typesModule(schemas: SchemaSet, file: string): string {
  const schema = schemas[file];
  if (schema?.title === undefined) throw new Error(`${file} has no title`);
  const writer = new TypeWriter(schemas, file);
  const declarations = [writer.declaration(schema.title, schema)];
  for (const [name, definition] of Object.entries(schema.definitions ?? {})) {
    if (isNamed(name)) declarations.push(writer.declaration(name, definition));
  }
  const imports = Object.entries(writer.imports).map(
    ([other, names]) =>
      `import type { ${names.sort().join(", ")} } from "./${other.replace(".json", ".ts")}";\n`,
  );
  return [
    `/** Types of the ${schema.title} document. Generated by schemas/generate.ts; do not edit. */\n`,
    writer.usesInteger ? integerImport : "",
    ...imports,
    ...declarations,
  ].join("");
}
