// Builds the benchmarks and runs one of them in a process of its own, so that the build costs it nothing.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { bootstrap, build, root } from "./bootstrap.mjs";

/** Runs a program of tools/bench with this process's arguments. */
export function runBench(name) {
  bootstrap();
  build({ only: "@xen-node/bench..." });
  const program = join(root, "tools", "bench", "dist", `${name}.js`);
  const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { stdio: "inherit" });
  process.exit(status ?? 1);
}
