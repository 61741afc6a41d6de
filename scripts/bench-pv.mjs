// `npm run bench:pv`: ns of each path that a PV kernel lives on (packages/hypervisor-core/bench/pv-paths.ts).
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build as bundle } from "tsup";
import { bootstrap, build, root } from "./bootstrap.mjs";

bootstrap();
build({ only: "@xen-node/hypervisor-core^..." });
const folder = join(root, "packages", "hypervisor-core");
const outDir = join(folder, "node_modules", ".cache", "bench");
const lab = join(folder, "test", "guests", "guest-lab.ts");
await bundle({
  entry: [join(folder, "bench", "pv-paths.ts")],
  outDir,
  format: "esm",
  target: "node20",
  config: false,
  silent: true,
  sourcemap: "inline",
  external: [/^@xen-node\//],
  // In the bundle, too, the lab finds its guests next to itself.
  esbuildOptions: (options) => {
    options.define = { "import.meta.url": JSON.stringify(pathToFileURL(lab).href) };
  },
});
// A young generation that nothing fills, so that what is allocated is seen.
const flags = ["--expose-gc", "--max-semi-space-size=128", "--min-semi-space-size=128", "--enable-source-maps"];
const { status } = spawnSync(process.execPath, [...flags, join(outDir, "pv-paths.js"), ...process.argv.slice(2)], {
  stdio: "inherit",
});
process.exit(status ?? 1);
