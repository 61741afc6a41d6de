// Random but well-informed calls against the hypervisor and xenstored, for as long as one likes:
//   npm run fuzz -- --minutes 30 [--seed 1] [--only hypercalls,page-tables,pvh,xenstore,instructions]
// The targets share the time. Each runs world after world, one a seed, the seeds counting up; after each step all
// invariants are checked. Prints progress and, at the end, how often each call succeeded and failed. A failure names the
// target, seed and step; the same seed fails in the same way. The target "instructions" is not among the chosen ones unless
// it is named: it runs random instructions on this machine's processor (x86-64, with gcc) and on the emulated one, as
// interpreted and as translated code, and compares registers, flags, memory and faults.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Test file of each target. */
const TARGETS = new Map([
  ["hypercalls", "packages/hypervisor-core/test/fuzz/fuzz.test.ts"],
  ["page-tables", "packages/hypervisor-core/test/fuzz/fuzz.test.ts"],
  ["pvh", "packages/hypervisor-core/test/fuzz/fuzz.test.ts"],
  ["xenstore", "packages/xenstore/test/fuzz/fuzz.test.ts"],
]);
const INSTRUCTIONS = "instructions";
const ALL = [...TARGETS.keys(), INSTRUCTIONS];
/** Each so-manyth instruction case is also run as translated code, which costs milliseconds. */
const TRANSLATED_EVERY = "25";
/**
 * A target that uses so much of a processor without a word hangs: it tells every ten seconds where it is. Processor time,
 * since on a busy machine, or one that was asleep, any time may pass until it has its turn.
 */
const SILENT_CPU_SECONDS = 120;
/** Where the system does not tell what a process uses. */
const SILENT_SECONDS = 600;
const LOOK_EVERY_MS = 5000;
const TICKS_PER_SECOND = 100;

function end(message) {
  console.error(message);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      options: {
        minutes: { type: "string", default: "10" },
        seed: { type: "string", default: "1" },
        only: { type: "string", default: [...TARGETS.keys()].join(",") },
      },
    }).values;
  } catch (error) {
    const [what] = error.message.split(". ");
    return end(`${what}: there are --minutes, --seed and --only.`);
  }
}

const values = parse();
if (!(Number(values.minutes) > 0)) end(`--minutes is a positive number, not "${values.minutes}".`);
if (!/^\d+$/.test(values.seed)) end(`--seed is a whole number, not "${values.seed}".`);
const chosen = values.only.split(",");
for (const name of chosen) {
  if (!ALL.includes(name)) end(`--only names targets among ${ALL.join(", ")}, not "${name}".`);
}

/** Seconds of processor time that a process and its children have used (proc_pid_stat(5)); NaN where nobody tells. */
function processorSeconds(pid) {
  try {
    const fields = (id) =>
      readFileSync(`/proc/${id}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
    const ids = [pid];
    for (let i = 0; i < ids.length; i++) {
      const children = readFileSync(`/proc/${ids[i]}/task/${ids[i]}/children`, "utf8").trim();
      if (children !== "") ids.push(...children.split(" "));
    }
    // utime, stime, cutime, cstime
    const ticks = ids.flatMap((id) => fields(id).slice(11, 15)).reduce((sum, value) => sum + Number(value), 0);
    return ticks / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

function commandOf(target, minutes) {
  if (target === INSTRUCTIONS) {
    const script = fileURLToPath(new URL("vectors.mjs", import.meta.url));
    return [script, "--minutes", `${minutes}`, "--seed", values.seed, "--translate", TRANSLATED_EVERY];
  }
  const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
  return [vitest, "run", TARGETS.get(target), "--disable-console-intercept"];
}

/** Runs one target in a process of its own; resolves to its exit code. */
function run(target, minutes) {
  const child = spawn(process.execPath, commandOf(target, minutes), {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, FUZZ_TARGET: target, FUZZ_MINUTES: String(minutes), FUZZ_SEED: values.seed },
  });
  return new Promise((resolve) => {
    let heardAt = performance.now();
    let usedThen = processorSeconds(child.pid);
    const hear = (stream) => (text) => {
      heardAt = performance.now();
      usedThen = processorSeconds(child.pid);
      stream.write(text);
    };
    const watch = setInterval(() => {
      const silent = (performance.now() - heardAt) / 1000;
      const used = processorSeconds(child.pid) - usedThen;
      if (Number.isNaN(used) ? silent < SILENT_SECONDS : used < SILENT_CPU_SECONDS) return;
      const spent = Number.isNaN(used) ? "" : ` and ${used.toFixed(0)} s of a processor`;
      console.error(`${target} hangs: nothing for ${silent.toFixed(0)} s${spent} after its last line.`);
      child.kill("SIGKILL");
    }, LOOK_EVERY_MS);
    child.stdout.on("data", hear(process.stdout));
    child.stderr.on("data", hear(process.stderr));
    child.on("close", (code) => {
      clearInterval(watch);
      resolve(code ?? 1);
    });
  });
}

let failed = false;
for (const target of chosen) failed = (await run(target, Number(values.minutes) / chosen.length)) !== 0 || failed;
process.exit(failed ? 1 : 0);
