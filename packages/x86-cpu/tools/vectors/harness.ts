import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ResultReader } from "./case-format.ts";

const FLAGS = ["-O2", "-fno-stack-protector", "-mno-red-zone", "-mno-avx", "-static-pie"];

/** Builds harness.c with gcc, once for each version of it; answers the program's path. */
export function buildHarness(source: string): string {
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "xen-node");
  const program = join(folder, `vectors-${hash}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const partial = `${program}.${process.pid}`;
  const built = spawnSync("gcc", [...FLAGS, "-o", partial, source], { encoding: "utf8" });
  if (built.error) throw new Error("gcc is not installed: apt-get install gcc libc6-dev.");
  if (built.status !== 0) throw new Error(`gcc could not build the harness:\n${built.stderr}`);
  renameSync(partial, program);
  return program;
}

/** Whether this machine's kernel lets cases run in compatibility mode, with a descriptor for FS. */
export function hasCompatibilityMode(program: string): boolean {
  return spawnSync(program, ["--compatibility"]).status === 0;
}

/** Runs a stream of cases on this machine's processor, again if the harness dies and may. */
export function runNatively(program: string, cases: Uint8Array, attempts = 1): ResultReader {
  const run = spawnSync(program, [], { input: cases, maxBuffer: 2 ** 31 - 1 });
  if (run.status !== 0 && attempts > 1) return runNatively(program, cases, attempts - 1);
  if (run.status !== 0) {
    throw new Error(`the harness ended with ${run.signal ?? run.status}: ${run.stderr.toString().trim()}`);
  }
  return new ResultReader(run.stdout);
}
