// Files for one test, and qemu-img as the judge of images.
import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";

/** A directory that goes away after the test; in memory where there is room, because the tests call fsync a lot. */
export async function scratchDirectory(): Promise<string> {
  const memory = await statfs("/dev/shm").catch(() => undefined);
  const roomy = memory !== undefined && memory.bavail * memory.bsize > 2 ** 30;
  const parent = process.env.VIRTUAL_DISK_TEST_DIRECTORY ?? (roomy ? "/dev/shm" : tmpdir());
  const directory = await mkdtemp(join(parent, "virtual-disk-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const execFileAsync = promisify(execFile);

export async function qemuImg(...args: string[]): Promise<string> {
  return (await execFileAsync("qemu-img", args)).stdout;
}

/** True where tests against qemu-img are to be left out: it is missing, and this is not CI. */
export const withoutQemuImg = !process.env.CI && !runs("qemu-img");

function runs(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export interface CheckReport {
  corruptions: number;
  leaks: number;
}

/** qemu-img check, which fails for either; so the report is read whatever the exit code. */
export async function checkImage(path: string): Promise<CheckReport> {
  const text = await qemuImg("check", "--output=json", path).catch((error: { stdout?: string; message: string }) => {
    if (!error.stdout) throw new Error(error.message);
    return error.stdout;
  });
  const report: { corruptions?: number; leaks?: number; "check-errors": number } = JSON.parse(text);
  return { corruptions: (report.corruptions ?? 0) + report["check-errors"], leaks: report.leaks ?? 0 };
}
