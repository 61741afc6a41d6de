// Random but well-informed calls against the hypervisor and xenstored, for as long as one likes:
//   npm run fuzz -- --minutes 30 [--seed 1] [--only hypercalls,page-tables,xenstore]
// The targets share the time. Each runs world after world, one a seed, the seeds counting up; after each step all
// invariants are checked. Prints progress and, at the end, how often each call succeeded and failed. A failure names the
// target, seed and step; the same seed fails in the same way.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Test file of each target. */
const TARGETS = new Map([
  ["hypercalls", "packages/hypervisor-core/test/fuzz/fuzz.test.ts"],
  ["page-tables", "packages/hypervisor-core/test/fuzz/fuzz.test.ts"],
  ["xenstore", "packages/xenstore/test/fuzz/fuzz.test.ts"],
]);
/** A target that is silent for so long hangs: it tells every ten seconds where it is. */
const SILENT_MS = 300_000;

function end(message) {
  console.error(message);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: [...TARGETS.keys()].join(",") },
  },
});
if (!(Number(values.minutes) > 0)) end(`--minutes is a positive number, not "${values.minutes}".`);
if (!/^\d+$/.test(values.seed)) end(`--seed is a whole number, not "${values.seed}".`);
const chosen = values.only.split(",");
for (const name of chosen) {
  if (!TARGETS.has(name)) end(`--only names targets among ${[...TARGETS.keys()].join(", ")}, not "${name}".`);
}

/** Runs one target in a process of its own; resolves to its exit code. */
function run(target, minutes) {
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url)),
      "run",
      TARGETS.get(target),
      "--disable-console-intercept",
    ],
    {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, FUZZ_TARGET: target, FUZZ_MINUTES: String(minutes), FUZZ_SEED: values.seed },
    },
  );
  return new Promise((resolve) => {
    let silent;
    const heard = () => {
      clearTimeout(silent);
      silent = setTimeout(() => {
        console.error(`${target} hangs: nothing for ${SILENT_MS / 1000} s after its last line.`);
        child.kill("SIGKILL");
      }, SILENT_MS);
    };
    heard();
    child.stdout.on("data", (text) => {
      heard();
      process.stdout.write(text);
    });
    child.on("close", (code) => {
      clearTimeout(silent);
      resolve(code ?? 1);
    });
  });
}

let failed = false;
for (const target of chosen) failed = (await run(target, Number(values.minutes) / chosen.length)) !== 0 || failed;
process.exit(failed ? 1 : 0);
