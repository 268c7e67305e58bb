/**
 * Turns protobufjs' static code into one small module for each .proto file.
 *
 * pbjs writes one tree of namespaces whose messages hold on to each other, so that a program which prints one of them
 * carries all. Here each message becomes functions of its own (encodeX, decodeX over writeX, readX), which a
 * bundler leaves out where they are not used. The bodies stay as pbjs wrote them, but for unknown fields, which nobody
 * reads, and constructor arguments.
 */
import protobuf from "protobufjs";
import pbjs from "protobufjs-cli/pbjs.js";
import type { ProtoFile } from "./proto-files.ts";
import { enumLiteral, messageInterfaces } from "./proto-types.ts";

/** protobufjs' own code of all messages in these files. */
export function staticCode(directory: string, files: readonly string[]): Promise<string> {
  const leftOut = ["create", "verify", "convert", "delimited", "service", "comments", "typeurl"];
  const args = ["-t", "static", "--es6", "-p", directory, ...leftOut.map((name) => `--no-${name}`)];
  return new Promise((resolve, reject) => {
    pbjs.main([...args, ...files.map((name) => `${directory}/${name}`)], (error, output) => {
      if (error === null && output !== undefined) resolve(output);
      else reject(error ?? new Error("pbjs has no output"));
    });
  });
}

function dedent(lines: readonly string[]): string[] {
  const first = lines.find((line) => line !== "") ?? "";
  const indent = first.length - first.trimStart().length;
  return lines.map((line) => {
    const text = line.slice(indent);
    const depth = text.length - text.trimStart().length;
    return text.slice(depth / 2);
  });
}

/** Text without all occurrences of `part`, of which there has to be one. */
function without(text: string, part: RegExp): string {
  if (!part.test(text)) throw new Error(`pbjs writes other code than expected: no ${part.source}`);
  return text.replaceAll(new RegExp(part, "g"), "");
}

interface MessageCode {
  readonly constructor: string;
  readonly encode: string;
  readonly decode: string;
}

/** Cuts the code of one message into its three functions. */
function cutMessage(block: string, name: string): MessageCode {
  const encodeAt = block.indexOf(`${name}.encode = `);
  const decodeAt = block.indexOf(`${name}.decode = `);
  const endAt = block.lastIndexOf(`return ${name};`);
  const start = block.indexOf(`const ${name} = `);
  if (start === -1 || encodeAt < start || decodeAt < encodeAt || endAt < decodeAt) {
    throw new Error(`pbjs writes other code than expected for ${name}`);
  }
  return {
    constructor: block.slice(start, encodeAt).trimEnd(),
    encode: block.slice(encodeAt, decodeAt).trimEnd(),
    decode: block.slice(decodeAt, endAt).trimEnd(),
  };
}

/** The code of every message by its full name. */
export function messageBlocks(code: string): Map<string, MessageCode> {
  const blocks = new Map<string, MessageCode>();
  const lines = code.split("\n");
  for (const [at, line] of lines.entries()) {
    const [, indent, name] = /^( +)\w+\.(\w+) = \(function\(\) \{$/.exec(line) ?? [];
    if (indent === undefined || name === undefined) continue;
    const end = lines.indexOf(`${indent}})();`, at);
    const block = dedent(lines.slice(at + 1, end)).join("\n");
    const fullName = new RegExp(`new \\$root\\.([\\w.]+\\.${name})\\(\\);`).exec(block)?.[1];
    // namespaces and enums have no decoder
    if (fullName === undefined || !block.includes(`const ${name} = function (properties)`))
      continue;
    blocks.set(fullName, cutMessage(block, name));
  }
  return blocks;
}

const unknownRead = /\n *if \(!reader\.discardUnknown\) \{\n.*\n.*\n *\}(?=\n)/;
const unknownWritten = /\n *if \(message\.\$unknowns != null .*\n.*\n *writer\.raw\(.*\);(?=\n)/;
const constructorArguments = /\n *if \(properties\)\n *for .*\n *if .*\n *this\[.*;(?=\n)/;

function messageFunctions(message: protobuf.Type, code: MessageCode): string {
  const { name } = message;
  const prototype = without(code.constructor, constructorArguments)
    .replace("function (properties)", "function ()")
    .replaceAll(/\$util\.Long \? \$util\.Long\.fromBits\(0,0,(?:true|false)\) : 0/g, "0")
    .replaceAll("$util.newBuffer([])", "noBytes");
  const write = without(code.encode, unknownWritten).replace(
    /^\w+\.encode = function (.*)/,
    `export function write${name}$1`,
  );
  const read = without(code.decode, unknownRead).replace(
    /^\w+\.decode = function (.*)/,
    `export function read${name}$1`,
  );
  const body = prototype.replaceAll("\n", "\n  ");
  return `${messageInterfaces(message)}
const new${name} = /* @__PURE__ */ (() => {
  ${body}
  return ${name};
})();

${write.replace(/;$/, "")}

${read.replace(/;$/, "")}

export function encode${name}(message: ${name}Init): Uint8Array {
  return write${name}(message, Writer.create(), 0).finish();
}

/** Throws InvalidArgument for what is no ${name}. Bytes in it lie in the memory that was given. */
export function decode${name}(bytes: Uint8Array): ${name} {
  return decoded("${name}", read${name}, bytes);
}
`;
}

function withPlainNames(text: string): string {
  return text
    .replaceAll(/new \$root\.[\w.]+\.(\w+)\(\)/g, "new new$1()")
    .replaceAll(/\$root\.[\w.]+\.(\w+)\.encode\(/g, "write$1(")
    .replaceAll(/\$root\.[\w.]+\.(\w+)\.decode\(/g, "read$1(")
    .replaceAll(/\$(Object|undefined|Error|RangeError|Reader|Writer|util)\b/g, "$1")
    .replaceAll(/[ \t]+$/gm, "");
}

/** Import lines for the messages of other files that this one's fields have. */
function imports(file: ProtoFile, home: ReadonlyMap<protobuf.Type, string>): string[] {
  const byModule = new Map<string, Set<string>>();
  for (const field of file.messages.flatMap((message) => message.fieldsArray)) {
    const type = field.resolvedType;
    if (!(type instanceof protobuf.Type) || file.messages.includes(type)) continue;
    const module = `./${home.get(type)?.replace(".proto", ".ts")}`;
    const names = byModule.get(module) ?? new Set<string>();
    byModule.set(module, names);
    for (const prefix of ["read", "write", "type ", "type "]) {
      names.add(prefix + type.name);
    }
    names.add(`type ${type.name}Init`);
  }
  return [...byModule].sort().map(([module, names]) => {
    return `import { ${[...names].sort().join(", ")} } from "${module}";`;
  });
}

/** The module of one file: `task.proto` gives `task.ts`. */
export function protoModule(
  file: ProtoFile,
  files: readonly ProtoFile[],
  blocks: ReadonlyMap<string, MessageCode>,
): string {
  const home = new Map(files.flatMap((each) => each.messages.map((type) => [type, each.name])));
  const parts = file.messages.map((message) => {
    const code = blocks.get(message.fullName.slice(1));
    if (code === undefined) throw new Error(`pbjs has left out ${message.fullName}`);
    return messageFunctions(message, code);
  });
  const body = withPlainNames([...file.enums.map(enumLiteral), ...parts].join("\n"));
  if (/\$(?!\{)/.test(body)) throw new Error(`${file.name}: pbjs uses names that are not known`);
  const runtime = ["Reader", "Writer", "type Uint64", "decoded", "noBytes", "util"].filter((name) =>
    new RegExp(`\\b${name.replace("type ", "")}\\b`).test(body),
  );
  return `// @ts-nocheck
/** ${file.doc} Generated by schemas/generate.ts from ${file.name}; do not edit. */
${[`import { ${runtime.join(", ")} } from "../../protobuf.ts";`, ...imports(file, home)].join("\n")}

${body}`;
}
