import { execFile, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { GuestBuild, Job, Width } from "./guest-build.ts";
import type { Round } from "./kernel-machine.ts";
import type { Kernel } from "./kernels.ts";
import { explainMissing } from "./missing-peer.ts";
import { processorMs } from "./processor-time.ts";
import { SerialRounds } from "./serial-rounds.ts";

/** Runs the rounds of a kernel, one after another in one process, the first of them cold. */
export type Contender = (build: GuestBuild, width: Width, kernel: Kernel, rounds: number) => Promise<Round[]>;

/** How often native code and v86's JIT run the kernel in a round, so that a round takes some tenths of a second there too. */
const FAST_TIMES = 5;

const run = promisify(execFile);
/** Our own part of another process, as it lies beside this file once it is built. */
const part = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const lines = (text: string): string[] => text.trim().split("\n");

/** The kernels as a program of this machine. */
export const native: Contender = async (build, _width, { id, repetitions }, rounds) => {
  const { stdout } = await run(build.native, [id, repetitions, FAST_TIMES, rounds].map(String));
  return lines(stdout).map((line) => {
    const [result, nanoseconds] = line.split(" ");
    return { result, milliseconds: Number(nanoseconds) / 1e6 / FAST_TIMES };
  });
};

/** Our processor alone. */
export const xenNode: Contender = async (build, width, { id, repetitions }, rounds) => {
  const parameters = [part("xen-node-rounds"), build.alone(width), ...[id, repetitions, rounds].map(String)];
  return lines((await run(process.execPath, parameters)).stdout).map((line) => JSON.parse(line));
};

/** v86, which runs 32-bit code alone. */
export const v86 =
  (tier: "interpreter" | "jit"): Contender =>
  async (build, width, { id, repetitions }, rounds) => {
    const times = tier === "jit" ? FAST_TIMES : 1;
    const image = build.bareWithJob(width, { kernel: id, repetitions, times, rounds });
    const parameters = [part("v86-rounds"), image, String(times), String(rounds), tier];
    return lines((await run(process.execPath, parameters)).stdout).map((line) => JSON.parse(line));
  };

export const QEMU = "qemu-system-x86_64";

/** Processor time of another process comes in steps of 10 ms; a round has to be long against that. */
const LONG_ROUND_MS = 500;
const PROBE_TIMES = 4;
const CLOCK_TICK_MS = 10;

/** QEMU's system emulation with its translator, whose time is taken as the marks come out of its serial port. */
export const qemuTcg: Contender = async (build, width, { id, repetitions }, rounds) => {
  const job = { kernel: id, repetitions };
  const [, probe] = await qemuRounds(build, width, { ...job, times: PROBE_TIMES, rounds: 2 });
  const perRun = Math.max(probe.milliseconds, CLOCK_TICK_MS / PROBE_TIMES);
  return qemuRounds(build, width, { ...job, times: Math.ceil(LONG_ROUND_MS / perRun), rounds });
};

function qemuRounds(build: GuestBuild, width: Width, job: Job): Promise<Round[]> {
  return new Promise((resolve, reject) => {
    const machine = ["-accel", "tcg", "-m", "64", "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none"];
    const exits = ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"];
    const child = spawn(QEMU, [...machine, ...exits, "-serial", "stdio", "-kernel", build.bareWithJob(width, job)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const serial = new SerialRounds(job, { milliseconds: () => processorMs(child.pid!) }, resolve);
    let errors = "";
    child.on("error", (error) => reject(explainMissing(QEMU, error)));
    child.on("close", (status) => reject(new Error(`${QEMU} ended with ${status} before the last round: ${errors}`)));
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    child.stdout.on("data", (chunk: Buffer) => {
      for (const byte of chunk) serial.push(byte);
    });
  });
}
