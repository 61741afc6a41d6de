// `npm run vectors`: instruction cases on this machine's processor against the emulated one. Needs gcc and an x86-64 Linux.
// Options: see packages/x86-cpu/tools/vectors/main.ts.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bootstrap, root, runTool } from "./bootstrap.mjs";

bootstrap();
const tools = join(root, "packages", "x86-cpu", "tools", "vectors");
const cache = join(root, "node_modules", ".cache");
const bundle = join(cache, "vectors.mjs");
mkdirSync(cache, { recursive: true });
runTool("esbuild", [
  join(tools, "main.ts"),
  "--bundle",
  "--platform=node",
  "--format=esm",
  "--conditions=source",
  "--log-level=warning",
  `--outfile=${bundle}`,
]);
const run = spawnSync(process.execPath, [bundle, "--harness", join(tools, "harness.c"), ...process.argv.slice(2)], {
  stdio: "inherit",
});
process.exitCode = run.status ?? 2;
