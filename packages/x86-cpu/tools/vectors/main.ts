/**
 * Instruction vectors: makes cases of every instruction form, runs them on this machine's processor and on the Cpu, and
 * compares. `npm run vectors -- [--count N] [--seed N] [--form TEXT] [--group integer,sequence,sse,mmx,x87,bytes] [--detail N]
 * [--minutes N] [--translate N] [--write FILE]`. With --minutes the seeds count up until the time is over; with --translate
 * each Nth case is also run as translated code.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Background, CaseWriter, TRAP_TIMEOUT, type VectorCase } from "./case-format.ts";
import { describeMismatch } from "./describe.ts";
import { excludedForms, excludedNames } from "./exclusions.ts";
import { makeFixedSet } from "./fixed-set.ts";
import { makeBackground } from "./generate.ts";
import { buildHarness, hasCompatibilityMode, runNatively } from "./harness.ts";
import { allJobs, type Job } from "./jobs.ts";
import { isPlain } from "./plain-cases.ts";
import { Random } from "./random.ts";
import { Replayer } from "./replay.ts";

const CHUNK = 20_000;
/** A kernel that loses bases of FS at a switch of tasks now and then ends the harness by that. */
const ATTEMPTS = 5;
/** How many cases a seed makes in a run by time. */
const CASES_PER_SEED = 40_000;

interface Item {
  readonly job: Job;
  readonly background: Background;
  readonly c: VectorCase;
}

class Run {
  private readonly writer = new CaseWriter();
  readonly replayer: Replayer;
  private readonly translated: Replayer;
  private items: Item[] = [];
  cases = 0;
  endless = 0;
  /** Cases whose results this machine's kernel has a part in. */
  unclear = 0;
  readonly mismatches = new Map<string, number>();
  readonly seconds = { generating: 0, native: 0, replaying: 0 };

  constructor(
    private readonly program: string,
    /** How many mismatches of each form are shown in full. */
    private readonly detail: number,
    /** Each so-manyth case is also run as translated code; 0 for none. */
    private readonly translate: number,
    private readonly compatibility: boolean,
  ) {
    const threadSelector = compatibility ? undefined : 0;
    this.replayer = new Replayer({}, threadSelector);
    this.translated = new Replayer({ translator: { eager: true } }, threadSelector);
  }

  get mismatchCount(): number {
    return [...this.mismatches.values()].reduce((sum, count) => sum + count, 0);
  }

  make(job: Job, random: Random, count: number): void {
    const start = performance.now();
    const background = makeBackground(random);
    this.writer.background(background);
    job.make(random, count, background, (c) => {
      this.items.push({ job, background, c });
      this.writer.add(c);
    });
    this.seconds.generating += (performance.now() - start) / 1000;
    if (this.items.length >= CHUNK) this.finish();
  }

  /** Runs and compares what has been made. */
  finish(): void {
    if (this.items.length === 0) return;
    const start = performance.now();
    const results = runNatively(this.program, this.writer.bytes, this.compatibility ? 1 : ATTEMPTS);
    const middle = performance.now();
    for (const { job, background, c } of this.items) {
      const result = results.next();
      this.cases++;
      if (result.trap === TRAP_TIMEOUT) this.endless++;
      if (!this.compatibility && !isPlain(background, c, result)) {
        this.unclear++;
        continue;
      }
      let mismatch = this.replayer.check(background, c, result);
      if (mismatch === null && this.translate > 0 && this.cases % this.translate === 0)
        mismatch = this.translated.check(background, c, result);
      if (mismatch === null) continue;
      const seen = (this.mismatches.get(job.name) ?? 0) + 1;
      this.mismatches.set(job.name, seen);
      if (seen <= this.detail) console.log(describeMismatch(job.name, background, c, mismatch));
    }
    this.seconds.native += (middle - start) / 1000;
    this.seconds.replaying += (performance.now() - middle) / 1000;
    this.items = [];
    this.writer.clear();
  }
}

function main(): number {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      form: { type: "string" },
      group: { type: "string" },
      detail: { type: "string", default: "2" },
      minutes: { type: "string" },
      translate: { type: "string", default: "0" },
      write: { type: "string" },
      forms: { type: "boolean", default: false },
      harness: { type: "string" },
    },
  });
  const program = buildHarness(values.harness ?? "packages/x86-cpu/tools/vectors/harness.c");
  const groups = values.group?.split(",");
  const everyJob = allJobs();
  const compatibility = hasCompatibilityMode(program);
  if (!compatibility)
    console.error(
      "This machine's kernel has no compatibility mode to run cases in: 64-bit ones only, and no odd stacks.",
    );
  const jobs = everyJob.filter(
    (job) =>
      (compatibility || !job.compatibility) &&
      (groups?.includes(job.group) ?? true) &&
      (values.form === undefined || job.name.includes(values.form)),
  );
  if (jobs.length === 0) {
    console.error("No form has that name.");
    return 2;
  }
  if (values.write !== undefined) {
    const data = makeFixedSet(program, jobs, Number(values.seed));
    writeFileSync(values.write, data);
    console.log(`${data.length} bytes written to ${values.write}`);
    return 0;
  }
  const run = new Run(program, Number(values.detail), Number(values.translate), compatibility);
  const perSeed = values.minutes === undefined ? Number(values.count) : CASES_PER_SEED;
  const share = perSeed / jobs.reduce((sum, { weight }) => sum + weight, 0);
  const end = performance.now() + Number(values.minutes ?? 0) * 60_000;
  let shown = performance.now();
  let seed = Number(values.seed);
  do {
    for (const job of jobs) {
      // The same cases whichever other forms are wanted.
      const number = everyJob.indexOf(job);
      const before = run.cases;
      run.make(job, new Random(seed, number), Math.ceil(share * job.weight));
      if (run.cases !== before && performance.now() - shown > 5000) {
        shown = performance.now();
        console.error(`seed ${seed}: ${run.cases} cases, ${run.mismatchCount} mismatches; at ${job.name}`);
      }
    }
    run.finish();
    seed++;
  } while (performance.now() < end);
  report(run, jobs, values.forms);
  return run.mismatchCount > 0 ? 1 : 0;
}

function report(run: Run, jobs: readonly Job[], everyForm: boolean): void {
  if (everyForm)
    for (const { name } of jobs) console.log(`${String(run.mismatches.get(name) ?? 0).padStart(7)}  ${name}`);
  else for (const [name, count] of run.mismatches) console.log(`${String(count).padStart(7)}  ${name}`);
  if (run.replayer.missing.size > 0) console.log(`without semantics: ${[...run.replayer.missing].join(", ")}`);
  console.log("Compared in part, as processors differ:");
  for (const [reason, count] of run.replayer.deviations) console.log(`  ${String(count).padStart(6)} cases: ${reason}`);
  console.log("Without cases:");
  for (const [name, reason] of [...excludedForms, ...excludedNames]) console.log(`  ${name}: ${reason}`);
  const { generating, native, replaying } = run.seconds;
  console.log(
    `generated in ${generating.toFixed(0)} s, run natively in ${native.toFixed(0)} s, replayed twice in ${replaying.toFixed(0)} s; ` +
      `${run.endless} cases did not end natively and were not compared`,
  );
  if (run.unclear > 0)
    console.log(`${run.unclear} cases were not compared: this machine's kernel has a part in their results`);
  console.log(`${run.cases} cases over ${jobs.length} forms, ${run.mismatchCount} mismatches`);
}

try {
  process.exitCode = main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
