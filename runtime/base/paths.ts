/** Lexical path arithmetic: what node:path would do, without loading it on the hot path. */

/**
 * The absolute, cleaned form of `path`: `.`, `..`, empty parts and a trailing slash are removed, symlinks are not
 * followed. An empty path is `cwd` itself.
 */
export function absolutePath(path: string, cwd: string): string {
  const parts: string[] = [];
  const full = path.startsWith("/") ? path : `${cwd}/${path}`;
  for (const part of full.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The last component of a path, as in argv[0]. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
