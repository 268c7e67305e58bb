/** What this build is: its version, the commit it was made from, and the specification it follows. */

// Replaced by runtime/build.ts; a source tree run on node has none of them.
declare const TSRUNC_VERSION: string | undefined;
declare const TSRUNC_COMMIT: string | undefined;

/** Version of the product (package.json), or `0.0.0-dev` when run from the source tree. */
export const version: string = typeof TSRUNC_VERSION === "undefined" ? "0.0.0-dev" : TSRUNC_VERSION;

/** Commit as 40 hex digits, with `-dirty` when the tree had changes; empty when not known. */
export const commit: string = typeof TSRUNC_COMMIT === "undefined" ? "" : TSRUNC_COMMIT;

/** The OCI runtime-spec version that is implemented in full. */
export const specVersion = "1.3.0";
