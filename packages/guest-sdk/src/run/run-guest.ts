import { spawn } from "node:child_process";
import { constants } from "node:os";
import { findRunner, type Runner } from "./runner.ts";
import { parseTap, type TapReport } from "./tap.ts";

export interface RunOptions {
  memoryMiB?: number;
  vcpus?: number;
  cmdline?: string;
  /** Further arguments of `xen-node run`. */
  arguments?: string[];
  /** Default: the one that is installed. */
  runner?: Runner;
}

export interface TestOptions extends RunOptions {
  /** Ends a guest that has not ended by itself. Seconds. Default: 60. */
  timeoutSeconds?: number;
  /** Called with what the guest prints, as it comes. */
  onOutput?: (text: string) => void;
}

/** What a guest's test has come to. */
export interface GuestTestReport extends TapReport {
  /** All that the guest printed. */
  output: string;
  /** What the runner said, such as the registers of a guest that crashed. */
  runnerOutput: string;
}

/** A small guest is built and started faster. */
const DEFAULT_MEMORY_MIB = 32;
const DEFAULT_TIMEOUT_SECONDS = 60;
/** A runner that is told to end gets so long to close what it has open. */
const GRACE_MS = 3000;

function commandOf(kernel: string, options: RunOptions): { program: string; args: string[] } {
  const [program, ...first] = options.runner ?? findRunner();
  const args = [...first, "run", "--kernel", kernel, "--memory", `${options.memoryMiB ?? DEFAULT_MEMORY_MIB}`];
  if (options.vcpus !== undefined) args.push("--vcpus", `${options.vcpus}`);
  if (options.cmdline !== undefined) args.push("--cmdline", options.cmdline);
  return { program, args: [...args, ...(options.arguments ?? [])] };
}

/**
 * Runs a guest with the terminal as its console.
 *
 * @returns the runner's exit status.
 * @throws UserError if there is no runner.
 */
export function runGuest(kernel: string, options: RunOptions = {}): Promise<number> {
  const { program, args } = commandOf(kernel, options);
  const child = spawn(program, args, { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve(status ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/**
 * Runs a guest that tests something, to its end, and reads its results from its console.
 *
 * @throws UserError if there is no runner.
 */
export function testGuest(kernel: string, options: TestOptions = {}): Promise<GuestTestReport> {
  const { program, args } = commandOf(kernel, options);
  const seconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let runnerOutput = "";
  let late = false;
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    output += text;
    options.onOutput?.(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (runnerOutput += text));
  const timers = [
    setTimeout(() => {
      late = true;
      child.kill("SIGTERM");
    }, seconds * 1000),
    setTimeout(() => child.kill("SIGKILL"), seconds * 1000 + GRACE_MS),
  ];
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      for (const timer of timers) clearTimeout(timer);
      const report = parseTap(output);
      if (late) report.problems.push(`the guest had not ended after ${seconds} s`);
      else if (status !== 0 && report.problems.length === 0) {
        report.problems.push(`the runner ended with status ${status}: ${runnerOutput.trim().split("\n")[0]}`);
      }
      resolve({ ...report, output, runnerOutput });
    });
  });
}
