/** The executable: which of its two programs argv[0] asks for. The only file that exits. */
import { baseName } from "./base/paths.ts";

// Each program is a chunk of its own: neither waits for the other's code (commander alone is 1.5 ms).
const { main } =
  baseName(process.argv0) === "containerd-shim-tsrunc-v2"
    ? await import("../shim/main.ts")
    : await import("./cli/main.ts");
process.exit(await main(process.argv.slice(2)));
