import { SchedulingError } from "./scheduling-error.ts";

/** Bits of an affinity, and so the most processors that a scheduler has. */
export const MOST_PROCESSORS = 32;

/** @throws SchedulingError */
export function checkProcessors(processors: number): void {
  if (Number.isInteger(processors) && processors >= 1 && processors <= MOST_PROCESSORS) return;
  throw new SchedulingError(`${processors} processors: must be from 1 to ${MOST_PROCESSORS}.`);
}

/** The mask of so many processors: a bit for each. */
export const allOf = (processors: number): number => (processors === MOST_PROCESSORS ? -1 : (1 << processors) - 1);

/** The numbers that the bits of a mask stand for, in order. */
export const processorsOf = (mask: number): number[] =>
  Array.from({ length: MOST_PROCESSORS }, (_, processor) => processor).filter((at) => ((mask >>> at) & 1) !== 0);

/** @throws SchedulingError if no bit stands for a processor that there is */
export function checkAffinity(affinity: number, processors: number): void {
  if ((affinity & allOf(processors)) !== 0) return;
  throw new SchedulingError(
    processors === 1 ? "the machine has processor 0 alone." : `the machine has processors 0 to ${processors - 1}.`,
  );
}
