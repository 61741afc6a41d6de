/** A parameter or a vcpu that the scheduler cannot take; the message is one sentence for a person. */
export class SchedulingError extends RangeError {
  override readonly name = "SchedulingError";
}

/** @throws SchedulingError unless `value` is a whole number from `least` to `most` */
export function checkRange(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new SchedulingError(`${what} out of range, valid values are within range from ${least} to ${most}.`);
}
