// Hostile block and network frontends against the backends on a real machine, for as long as one likes:
//   node scripts/fuzz-rings.mjs --requests 10000000 --seed 2
// Half of the requests are made of each kind. The same seed gives the same run. Prints progress and, at the end, the
// accounts: requests, answers, frames free before and after, and what the audits say.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

function parse() {
  try {
    return parseArgs({
      options: { requests: { type: "string", default: "10000000" }, seed: { type: "string", default: "1" } },
    }).values;
  } catch (error) {
    const [what] = error.message.split(". ");
    console.error(`${what}: there are --requests and --seed.`);
    return process.exit(2);
  }
}

const values = parse();
for (const [name, value] of Object.entries(values)) {
  if (!/^\d+$/.test(value)) {
    console.error(`--${name} is a number, not "${value}".`);
    process.exit(2);
  }
}

const { status } = spawnSync(
  process.execPath,
  [
    fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url)),
    "run",
    "packages/toolstack/test/devices/fuzz-rings.test.ts",
    "--disable-console-intercept",
  ],
  {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: "inherit",
    env: {
      ...process.env,
      FUZZ_REQUESTS: String(Math.ceil(Number(values.requests) / 2)),
      FUZZ_SEED: values.seed,
    },
  },
);
process.exit(status ?? 1);
