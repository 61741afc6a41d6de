import { gunzipSync, gzipSync } from "node:zlib";
import {
  type Background,
  CaseReader,
  CaseWriter,
  ResultReader,
  type VectorCase,
  type VectorResult,
} from "./case-format.ts";
import { makeBackground } from "./generate.ts";
import { runNatively } from "./harness.ts";
import type { Job } from "./jobs.ts";
import { Random } from "./random.ts";

/** What lies in the data file besides the two streams: names of the jobs, and the job of each case. */
interface Index {
  readonly names: readonly string[];
  readonly groups: readonly string[];
  readonly jobs: readonly number[];
}

const JOBS_PER_BACKGROUND = 150;
const CASES_PER_JOB = 4;

/**
 * Makes the smaller set that is kept as data. File, gzipped: u32 length and JSON index, u32 length and cases, results.
 */
export function makeFixedSet(program: string, jobs: readonly Job[], seed: number): Buffer {
  const writer = new CaseWriter();
  const owners: number[] = [];
  let background: Background | undefined;
  jobs.forEach((job, number) => {
    const random = new Random(seed, number);
    if (number % JOBS_PER_BACKGROUND === 0) {
      background = makeBackground(random);
      writer.background(background);
    }
    job.make(random, Math.max(CASES_PER_JOB, job.weight), background!, (c) => {
      owners.push(number);
      writer.add(c);
    });
  });
  const cases = Buffer.from(writer.bytes);
  const results = runNatively(program, cases).buffer;
  const index: Index = { names: jobs.map(({ name }) => name), groups: jobs.map(({ group }) => group), jobs: owners };
  const text = Buffer.from(JSON.stringify(index));
  const lengths = [text.length, cases.length].map((length) => Buffer.from(Uint32Array.of(length).buffer));
  return gzipSync(Buffer.concat([lengths[0], text, lengths[1], cases, results]), { level: 9 });
}

export interface FixedCase {
  readonly name: string;
  readonly group: string;
  readonly background: Background;
  readonly c: VectorCase;
  readonly result: VectorResult;
}

export function* readFixedSet(file: Uint8Array): Generator<FixedCase> {
  const data = gunzipSync(file);
  const textLength = data.readUInt32LE(0);
  const { names, groups, jobs } = JSON.parse(data.toString("utf8", 4, 4 + textLength)) as Index;
  const start = 8 + textLength;
  const end = start + data.readUInt32LE(start - 4);
  const cases = new CaseReader(data.subarray(start, end));
  const results = new ResultReader(data.subarray(end));
  for (const job of jobs) {
    const c = cases.next();
    yield { name: names[job], group: groups[job], background: cases.background!, c, result: results.next() };
  }
}
