import { PvhWorld } from "./pvh-world.ts";
import { Tally } from "./tally.ts";
import { FuzzWorld, type FuzzTarget as PvTarget } from "./world.ts";

/** PV guests by what they try, or PVH guests. */
export type FuzzTarget = PvTarget | "pvh";

/** A step that took longer is a hang. */
const HANG_MS = 1000;
/** Between two searches of all memory for other domains' words. */
const DEEP_EVERY = 64;

export interface FuzzReport {
  tally: Tally;
  steps: number;
  /** The longest step, ms. */
  longestMs: number;
}

/** Something that must not happen did; the message says how to see it again. */
export class FuzzFailure extends Error {
  override readonly name = "FuzzFailure";
}

/**
 * One world from its making to its end.
 * @param onStep called before each step: a hang is in the step named last
 * @throws FuzzFailure
 */
export function fuzzWorld(
  target: FuzzTarget,
  seed: number,
  steps: number,
  report: FuzzReport,
  onStep: (step: number) => void = () => {},
): void {
  const world = target === "pvh" ? new PvhWorld(seed, report.tally) : new FuzzWorld(seed, target, report.tally);
  const fail = (step: number, problems: readonly string[]): never => {
    throw new FuzzFailure(
      `${target}, seed ${seed}, step ${step} (${world.last}):\n  ${problems.slice(0, 12).join("\n  ")}`,
    );
  };
  for (let step = 0; step < steps; step++) {
    onStep(step);
    const start = performance.now();
    const cpuStart = process.cpuUsage();
    let actor = -1;
    try {
      actor = world.step();
    } catch (error) {
      fail(step, [error instanceof Error ? (error.stack ?? error.message) : String(error)]);
    }
    const took = performance.now() - start;
    if (took > HANG_MS) {
      // On a busy machine a step may have waited for the processor: only what it used counts.
      const { user, system } = process.cpuUsage(cpuStart);
      if ((user + system) / 1000 > HANG_MS) fail(step, [`took ${Math.round(took)} ms`]);
    }
    report.longestMs = Math.max(report.longestMs, took);
    report.steps++;
    const problems = world.violations(actor, step % DEEP_EVERY === 0);
    if (problems.length > 0) fail(step, problems);
  }
  const problems = world.finishAll();
  if (problems.length > 0) fail(steps, problems);
}

export function newReport(): FuzzReport {
  return { tally: new Tally(), steps: 0, longestMs: 0 };
}
