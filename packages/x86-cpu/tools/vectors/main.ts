/**
 * Instruction vectors: makes cases of every instruction form, runs them on this machine's processor and on the Cpu, and
 * compares. `npm run vectors -- [--count N] [--seed N] [--form TEXT] [--group integer,sequence,sse,mmx,x87] [--detail N]
 * [--write FILE]`.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Background, CaseWriter, TRAP_TIMEOUT, type VectorCase } from "./case-format.ts";
import { describeMismatch } from "./describe.ts";
import { excludedForms, excludedNames } from "./exclusions.ts";
import { makeFixedSet } from "./fixed-set.ts";
import { makeBackground } from "./generate.ts";
import { buildHarness, runNatively } from "./harness.ts";
import { allJobs, type Job } from "./jobs.ts";
import { Random } from "./random.ts";
import { Replayer } from "./replay.ts";

const CHUNK = 20_000;

interface Item {
  readonly job: Job;
  readonly background: Background;
  readonly c: VectorCase;
}

class Run {
  private readonly writer = new CaseWriter();
  readonly replayer = new Replayer();
  private items: Item[] = [];
  cases = 0;
  endless = 0;
  readonly mismatches = new Map<string, number>();
  readonly seconds = { generating: 0, native: 0, replaying: 0 };

  constructor(
    private readonly program: string,
    /** How many mismatches of each form are shown in full. */
    private readonly detail: number,
  ) {}

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
    const results = runNatively(this.program, this.writer.bytes);
    const middle = performance.now();
    for (const { job, background, c } of this.items) {
      const result = results.next();
      this.cases++;
      if (result.trap === TRAP_TIMEOUT) this.endless++;
      const mismatch = this.replayer.check(background, c, result);
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
      write: { type: "string" },
      forms: { type: "boolean", default: false },
      harness: { type: "string" },
    },
  });
  const program = buildHarness(values.harness ?? "packages/x86-cpu/tools/vectors/harness.c");
  const groups = values.group?.split(",");
  const everyJob = allJobs();
  const jobs = everyJob.filter(
    (job) => (groups?.includes(job.group) ?? true) && (values.form === undefined || job.name.includes(values.form)),
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
  const run = new Run(program, Number(values.detail));
  const share = Number(values.count) / jobs.reduce((sum, { weight }) => sum + weight, 0);
  let shown = performance.now();
  for (const job of jobs) {
    // The same cases whichever other forms are wanted.
    const number = everyJob.indexOf(job);
    const before = run.cases;
    run.make(job, new Random(Number(values.seed), number), Math.ceil(share * job.weight));
    if (run.cases !== before && performance.now() - shown > 5000) {
      shown = performance.now();
      console.error(`${run.cases} cases, ${run.mismatchCount} mismatches; at ${job.name}`);
    }
  }
  run.finish();
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
  console.log(`${run.cases} cases over ${jobs.length} forms, ${run.mismatchCount} mismatches`);
}

try {
  process.exitCode = main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
