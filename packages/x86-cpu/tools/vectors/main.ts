import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInstruction, Decoder, format } from "../../src/decode/index.ts";
import { type Background, CaseWriter, ResultReader, TRAP_TIMEOUT, type VectorCase } from "./case-format.ts";
import { makeBackground } from "./generate.ts";
import { allJobs, type Job } from "./jobs.ts";
import { CODE } from "./memory-map.ts";
import { Random } from "./random.ts";
import { hex64, hexBytes, flagText, registerNames, Replayer } from "./replay.ts";

const options = new Map<string, string>();
for (let i = 2; i < process.argv.length; i++) {
  const [key, value] = process.argv[i].split("=");
  options.set(key.replace(/^--/, ""), value ?? process.argv[++i] ?? "");
}
const total = Number(options.get("count") ?? 1_000_000);
const seed = Number(options.get("seed") ?? 1);
const wanted = options.get("form");
const groups = (options.get("group") ?? "integer,sequence").split(",");
const detail = Number(options.get("detail") ?? 3);
const mode = options.get("mode");

const source = join(dirname(fileURLToPath(import.meta.url)), "harness.c");
const text = readFileSync(source);
const folder = join(tmpdir(), "xen-node-vectors");
mkdirSync(folder, { recursive: true });
const binary = join(folder, `harness-${createHash("sha256").update(text).digest("hex").slice(0, 12)}`);
if (!existsSync(binary)) {
  const built = spawnSync("gcc", ["-O2", "-fno-stack-protector", "-mno-red-zone", "-mno-avx", "-static-pie", "-o", binary, source], { stdio: "inherit" });
  if (built.status !== 0) process.exit(2);
}

const jobs = allJobs().filter(
  (job) =>
    groups.includes(job.group) &&
    (mode === undefined || job.compatibility === (mode === "32")) &&
    (wanted === undefined || job.name.includes(wanted)),
);
const share = total / jobs.reduce((sum, job) => sum + job.weight, 0);
const writer = new CaseWriter();
const replayer = new Replayer();
const CHUNK = 20000;

interface Item {
  form: Job;
  background: Background;
  c: VectorCase;
}
let items: Item[] = [];
let cases = 0;
let timeouts = 0;
let mismatches = 0;
const bad = new Map<string, number>();
let time = { native: 0, replay: 0, generate: 0 };

function runChunk(): void {
  if (items.length === 0) return;
  let t = performance.now();
  const result = spawnSync(binary, [], { input: writer.bytes, maxBuffer: 1 << 30 });
  if (result.status !== 0) writeFileSync("/tmp/vec/crash.bin", writer.bytes);
  if (result.status !== 0) throw new Error(`harness: ${result.status} ${result.signal} ${result.stderr}`);
  time.native += performance.now() - t;
  t = performance.now();
  const reader = new ResultReader(result.stdout);
  for (const { form, background, c } of items) {
    if (reader.done) throw new Error("the harness ended early");
    const r = reader.next();
    cases++;
    if (r.trap === TRAP_TIMEOUT) timeouts++;
    const mismatch = replayer.check(background, c, r);
    if (mismatch === null) continue;
    mismatches++;
    const seen = (bad.get(form.name) ?? 0) + 1;
    bad.set(form.name, seen);
    if (seen <= detail) {
      const insn = createInstruction();
      const texts: string[] = [];
      const wide = new Uint8Array(c.code.length + 16);
      wide.set(c.code);
      for (let at = c.entry - c.codeOffset; at < c.code.length; at += insn.length) {
        if (new Decoder().decode(wide, at, 15, !c.compatibility, insn) !== 0) break;
        texts.push(format(insn, CODE + c.codeOffset + at));
      }
      console.log(`${form.name}: ${texts.join("; ")}   ${hexBytes(c.code)}   at ${(CODE + c.entry).toString(16)} (${mismatch.run})`);
      const inputs = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => i);
      const names = c.gpr.map((v, i) => (v !== undefined || inputs.includes(i) ? `${registerNames[i]}=${hex64(v ?? background.gpr[i])}` : "")).filter((s) => s !== "");
      console.log(`  in: ${names.join(" ")} flags ${flagText(c.flags)}`);
      for (const { address, bytes } of c.patches) console.log(`      [${address.toString(16)}] = ${hexBytes(bytes)}`);
      for (const d of mismatch.differences.slice(0, 8)) console.log(`  ${d}`);
    }
  }
  time.replay += performance.now() - t;
  items = [];
  writer.clear();
}

let last = performance.now();
for (const [i, form] of jobs.entries()) {
  const t = performance.now();
  const random = new Random(seed, i);
  const background = makeBackground(random);
  writer.background(background);
  let made = 0;
  form.make(random, Math.ceil(share * form.weight), background, (c) => {
    made++;
    items.push({ form, background, c });
    writer.add(c);
  });
  if (made === 0) console.log(`no encoding: ${form.name}`);
  time.generate += performance.now() - t;
  if (items.length >= CHUNK) runChunk();
  if (performance.now() - last > 5000) {
    last = performance.now();
    console.error(`${cases} cases, ${mismatches} mismatches (${form.name})`);
  }
}
runChunk();
for (const [name, count] of bad) console.log(`${String(count).padStart(7)}  ${name}`);
for (const [reason, n] of replayer.deviations) console.log(`${n} x ${reason}`);
console.log(`missing: ${[...replayer.missing].join(", ")}`);
console.log(`${cases} cases over ${jobs.length} forms, ${mismatches} mismatches, ${timeouts} without end`);
console.log(Object.entries(time).map(([k, v]) => `${k} ${(v / 1000).toFixed(1)}s`).join(" "));
process.exit(mismatches > 0 ? 1 : 0);
