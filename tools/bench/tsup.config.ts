import { defineConfig } from "tsup";

export default defineConfig({
  // The benchmarks and the processes that they start. All lie side by side: the guest's sources are found from there.
  entry: [
    "src/bench-suite.ts",
    "src/bench-cpu.ts",
    "src/bench-boot.ts",
    "src/bench-io.ts",
    "src/bench-forks.ts",
    "src/bench-hundred.ts",
    "src/bench-shares.ts",
    "src/bench-isolation.ts",
    "src/web-client.ts",
    "src/node-disk.ts",
    "src/hypervisor-paths.ts",
    "src/xen-node-rounds.ts",
    "src/v86-rounds.ts",
    "src/v86-guest.ts",
  ],
  format: "esm",
  sourcemap: true,
  clean: true,
  target: "node20",
});
