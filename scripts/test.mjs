// `npm test`: everything that must hold. All checks run, so that one run shows all that is wrong. Arguments go to vitest.
import { join } from "node:path";
import { bootstrap, build, root, runTool, startTool } from "./bootstrap.mjs";

const failed = [];
const secondsSince = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

function step(name, run) {
  const start = performance.now();
  console.error(`\n== ${name}`);
  if (run() === false) failed.push(name);
  console.error(`   ${name}: ${secondsSince(start)}`);
}

/** Runs tools at the same time, each of which keeps one processor busy; what each says is shown when it has ended. */
async function stepsAtOnce(tools) {
  const runs = Object.entries(tools).map(async ([name, command]) => {
    const start = performance.now();
    const { succeeded, output } = await startTool(...command);
    if (!succeeded) failed.push(name);
    console.error(`\n== ${name}\n${output}   ${name}: ${secondsSince(start)}`);
  });
  await Promise.all(runs);
}

bootstrap();
step("build", () => build());
await stepsAtOnce({
  lint: ["biome", ["check", "."]],
  // One compiler over all sources: many times faster than one a package.
  types: ["tsc", ["-p", "."]],
  "package borders": ["depcruise", ["--config", ".dependency-cruiser.cjs", "packages", "apps"]],
});
step("tests", () => {
  const report = process.env.XEN_NODE_TEST_REPORT;
  const reporters = report ? ["--reporter=default", "--reporter=json", `--outputFile.json=${join(root, report)}`] : [];
  return runTool("vitest", ["run", ...reporters, ...process.argv.slice(2)]);
});

if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(", ")}.`);
  process.exit(1);
}
