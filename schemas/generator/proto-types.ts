/** TypeScript types of protobuf messages: what is read (every field is there) and what may be written. */
import protobuf from "protobufjs";

const wideTypes: readonly string[] = ["int64", "uint64", "sint64", "fixed64", "sfixed64"];

function scalarType(type: string, written: boolean): string {
  if (type === "string") return "string";
  if (type === "bool") return "boolean";
  if (type === "bytes") return "Uint8Array";
  return written && wideTypes.includes(type) ? "number | Uint64" : "number";
}

/** Type of one value of the field, before repetition. */
function valueType(field: protobuf.Field, written: boolean): string {
  if (field.resolvedType instanceof protobuf.Type) {
    return written ? `${field.resolvedType.name}Init` : field.resolvedType.name;
  }
  // enums of proto3 are open: any number may come
  return field.resolvedType === null ? scalarType(field.type, written) : "number";
}

function fieldType(field: protobuf.Field, written: boolean): string {
  const value = valueType(field, written);
  if (field instanceof protobuf.MapField) return `Readonly<Record<string, ${value}>>`;
  if (field.repeated) return `readonly ${value.includes("|") ? `(${value})` : value}[]`;
  return field.resolvedType instanceof protobuf.Type ? `${value} | null` : value;
}

function docLines(comment: string | null, indent: string): string[] {
  return comment === null ? [] : [`${indent}/** ${comment.replaceAll("\n", " ")} */`];
}

/** Interface `X` of a decoded message and `XInit` of one to encode. */
export function messageInterfaces(message: protobuf.Type): string {
  const lines = [...docLines(message.comment, ""), `export interface ${message.name} {`];
  for (const field of message.fieldsArray) {
    lines.push(...docLines(field.comment, "  "));
    lines.push(`  readonly ${field.name}: ${fieldType(field, false)};`);
  }
  lines.push("}", "", `export interface ${message.name}Init {`);
  for (const field of message.fieldsArray) {
    lines.push(`  readonly ${field.name}?: ${fieldType(field, true)} | undefined;`);
  }
  return `${[...lines, "}"].join("\n")}\n`;
}

/** The enum's values by name. */
export function enumLiteral(type: protobuf.Enum): string {
  const values = Object.entries(type.values).map(([name, value]) => `  ${name}: ${value},`);
  const lines = docLines(type.comment, "");
  return `${[...lines, `export const ${type.name} = {`, ...values, "} as const;"].join("\n")}\n`;
}
