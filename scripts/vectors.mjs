// `npm run vectors`: instruction cases on this machine's processor against the emulated one. Needs gcc and an x86-64 Linux.
// Options: see packages/x86-cpu/tools/vectors/main.ts.
import { join } from "node:path";
import { bootstrap, root } from "./bootstrap.mjs";
import { runBundled } from "./bundle.mjs";

bootstrap();
const tools = join(root, "packages", "x86-cpu", "tools", "vectors");
process.exitCode = runBundled(join(tools, "main.ts"), [
  "--harness",
  join(tools, "harness.c"),
  ...process.argv.slice(2),
]);
