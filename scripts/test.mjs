// `npm test`: everything that must hold. All checks run, so that one run shows all that is wrong. Arguments go to vitest.
import { join } from "node:path";
import { bootstrap, build, root, runTool } from "./bootstrap.mjs";

const failed = [];

function step(name, run) {
  const start = performance.now();
  console.error(`\n== ${name}`);
  if (run() === false) failed.push(name);
  console.error(`   ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

bootstrap();
step("build", () => build());
step("lint", () => runTool("biome", ["check", "."]));
// One compiler over all sources: many times faster than one a package.
step("types", () => runTool("tsc", ["-p", "."]));
step("package borders", () => runTool("depcruise", ["--config", ".dependency-cruiser.cjs", "packages", "apps"]));
step("tests", () => {
  const report = process.env.XEN_NODE_TEST_REPORT;
  const reporters = report ? ["--reporter=default", "--reporter=json", `--outputFile.json=${join(root, report)}`] : [];
  return runTool("vitest", ["run", ...reporters, ...process.argv.slice(2)]);
});

if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(", ")}.`);
  process.exit(1);
}
