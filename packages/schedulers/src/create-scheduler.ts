import { BvtScheduler } from "./bvt.ts";
import { Credit2Scheduler } from "./credit2.ts";
import { NullScheduler } from "./null-scheduler.ts";
import { RtdsScheduler } from "./rtds.ts";
import { SCHEDULER_NAMES, type SchedulerName } from "./scheduler.ts";
import { SchedulingError } from "./scheduling-error.ts";

export type AnyScheduler<Owner> =
  | BvtScheduler<Owner>
  | Credit2Scheduler<Owner>
  | RtdsScheduler<Owner>
  | NullScheduler<Owner>;

/** A scheduler by the name that Xen's `sched=` gives it. */
export function createScheduler<Owner>(name: SchedulerName = "credit2", processors = 1): AnyScheduler<Owner> {
  switch (name) {
    case "bvt":
      return new BvtScheduler(processors);
    case "credit2":
      return new Credit2Scheduler(processors);
    case "rtds":
      return new RtdsScheduler(processors);
    case "null":
      return new NullScheduler(processors);
  }
}

/** @throws SchedulingError, naming those that there are */
export function schedulerName(text: string): SchedulerName {
  const name = SCHEDULER_NAMES.find((known) => known === text);
  if (name === undefined)
    throw new SchedulingError(`there is no scheduler "${text}": use ${SCHEDULER_NAMES.join(", ")}.`);
  return name;
}
