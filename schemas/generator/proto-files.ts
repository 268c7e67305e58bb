/** Reads schemas/proto/*.proto: which file holds which messages, with the types and comments of their fields. */
import protobuf from "protobufjs";

export interface ProtoFile {
  /** task.proto */
  readonly name: string;
  /** The comment at its top. */
  readonly doc: string;
  readonly messages: readonly protobuf.Type[];
  readonly enums: readonly protobuf.Enum[];
}

function collect(space: protobuf.NamespaceBase, file: string): protobuf.ReflectionObject[] {
  return space.nestedArray.flatMap((nested) => {
    if (nested instanceof protobuf.Type || nested instanceof protobuf.Enum) {
      return nested.filename === file ? [nested] : [];
    }
    return nested instanceof protobuf.Namespace ? collect(nested, file) : [];
  });
}

/** The files in the order given; they import each other by bare names. */
export function readProtoFiles(texts: Readonly<Record<string, string>>): ProtoFile[] {
  const root = new protobuf.Root();
  for (const [name, text] of Object.entries(texts)) {
    // the parser notes in each object which file it came from
    (protobuf.parse as typeof protobuf.parse & { filename: string | null }).filename = name;
    protobuf.parse(text, root, { alternateCommentMode: true });
  }
  root.resolveAll();
  return Object.entries(texts).map(([name, text]) => {
    const found = collect(root, name);
    return {
      name,
      doc: /^\/\/ (.*)/.exec(text)?.[1] ?? "",
      messages: found.filter((each) => each instanceof protobuf.Type),
      enums: found.filter((each) => each instanceof protobuf.Enum),
    };
  });
}
