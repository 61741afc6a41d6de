// Bundles a TypeScript program of the workspace, from the packages' sources, and runs it.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { root } from "./bootstrap.mjs";

/** Builds `entry` into node_modules/.cache and runs it with arguments and Node.js options; answers its exit status. */
export function runBundled(entry, args, options = []) {
  // esbuild comes with tsup and is linked nowhere else.
  const require = createRequire(join(root, "package.json"));
  const { buildSync } = createRequire(require.resolve("tsup"))("esbuild");
  const outfile = join(root, "node_modules", ".cache", basename(entry).replace(/\.ts$/, ".mjs"));
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["source"],
    logLevel: "warning",
  });
  return spawnSync(process.execPath, [...options, outfile, ...args], { stdio: "inherit" }).status ?? 2;
}
