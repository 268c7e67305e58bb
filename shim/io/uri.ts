/** What containerd says about where stdio goes: a path, or a URI whose scheme names a kind of logger. */
import { fail } from "../../runtime/base/errors.ts";

export interface StdioUri {
  /** Lower case; `fifo` for a bare path. */
  readonly scheme: string;
  /** Decoded, but for a bare path, which is taken as it is. */
  readonly path: string;
  /** Names and values in the order given, decoded; a name without `=` has the empty value. */
  readonly query: readonly (readonly [name: string, value: string])[];
}

/**
 * Takes a stdio address apart as Go's net/url does, which containerd's own shim uses.
 * @throws InvalidArgument for escapes that are none.
 */
export function parseStdioUri(text: string): StdioUri {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1];
  if (scheme === undefined) return { scheme: "fifo", path: text, query: [] };
  const rest = text.slice(scheme.length + 1).split("#", 1)[0] ?? "";
  const mark = rest.indexOf("?");
  const place = mark < 0 ? rest : rest.slice(0, mark);
  // "//host/path": there is no host to talk to, only the path counts
  const slash = place.startsWith("//") ? place.indexOf("/", 2) : 0;
  return {
    scheme: scheme.toLowerCase(),
    path: slash < 0 ? "" : decoded(place.slice(slash), text),
    query: mark < 0 ? [] : parseQuery(rest.slice(mark + 1), text),
  };
}

function parseQuery(query: string, uri: string): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (const piece of query.split("&")) {
    // Go drops what has a semicolon: it once separated pairs
    if (piece === "" || piece.includes(";")) continue;
    const equals = piece.indexOf("=");
    const name = equals < 0 ? piece : piece.slice(0, equals);
    const value = equals < 0 ? "" : piece.slice(equals + 1);
    pairs.push([decoded(name.replaceAll("+", " "), uri), decoded(value.replaceAll("+", " "), uri)]);
  }
  return pairs;
}

function decoded(text: string, uri: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw fail("InvalidArgument", `invalid escape in stdio address ${uri}`, { cause: error });
  }
}
