// `npm run -s xen-node -- ARGS`: the built runner, in this very process so that the terminal and signals are its own.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./bootstrap.mjs";

const cli = join(root, "apps", "xen-node", "dist", "cli.js");
if (!existsSync(cli)) {
  console.error("xen-node is not built yet: run `npm run build` first.");
  process.exit(1);
}
await import(pathToFileURL(cli).href);
