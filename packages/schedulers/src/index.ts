export { type BvtParameters, BvtScheduler } from "./bvt.ts";
export { type AnyScheduler, createScheduler, schedulerName } from "./create-scheduler.ts";
export { type Credit2Parameters, Credit2Scheduler } from "./credit2.ts";
export { NullScheduler } from "./null-scheduler.ts";
export { type RtdsParameters, RtdsScheduler } from "./rtds.ts";
export { SCHEDULER_NAMES, type Scheduler, type SchedulerName } from "./scheduler.ts";
export { SchedulingError } from "./scheduling-error.ts";
export type { SchedulingUnit } from "./scheduling-unit.ts";
export type { Turn } from "./turn.ts";
