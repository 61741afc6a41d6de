// `npm run bench:fpu`: nanoseconds for each floating-point, vector and string instruction. Arguments choose cases by name.
import { join } from "node:path";
import { bootstrap, root } from "./bootstrap.mjs";
import { runBundled } from "./bundle.mjs";

bootstrap();
// Optimised code from the start: the engine's second thoughts would fall into the measurements.
process.exitCode = runBundled(join(root, "packages", "x86-cpu", "tools", "fpu-speed.ts"), process.argv.slice(2), [
  "--no-liftoff",
]);
