import type { SchedulingUnit } from "./scheduling-unit.ts";
import type { Turn } from "./turn.ts";

export const SCHEDULER_NAMES = ["credit2", "rtds", "bvt", "null"] as const;
/** As Xen's `sched=` spells them. */
export type SchedulerName = (typeof SCHEDULER_NAMES)[number];

/**
 * Divides processors among vcpus. Whoever owns the processors asks `pick` which vcpu a processor is to run, tells `start`
 * and `stop` around the time that it does, and `wake` and `sleep` when a vcpu begins and ceases to want a processor.
 * Times are ns of one clock that never runs back. Processors are numbered from 0.
 */
export interface Scheduler<Owner> {
  readonly name: SchedulerName;
  readonly processors: number;
  /** Those that it may use, a bit each. At first all. */
  readonly online: number;
  /** One for each processor; the same objects for ever. */
  readonly turns: readonly Turn<Owner>[];

  /** Takes a vcpu of a domain into care, asleep, allowed on all processors. @throws SchedulingError */
  admit(domid: number, owner: Owner): SchedulingUnit<Owner>;
  /** Forgets a vcpu; with its last one, its domain's parameters. */
  dismiss(unit: SchedulingUnit<Owner>, nowNs: number): void;

  /** It can run. Without effect on one that could already. */
  wake(unit: SchedulingUnit<Owner>, nowNs: number): void;
  /** It cannot run any more: blocked, paused or down. Without effect on one that could not. */
  sleep(unit: SchedulingUnit<Owner>, nowNs: number): void;
  /** It has nothing to do until somebody else has done something. */
  yield(unit: SchedulingUnit<Owner>, nowNs: number): void;

  /** Whom a processor is to run now and for how long: the turn under way if that is not over, else another one. */
  pick(processor: number, nowNs: number): Turn<Owner>;
  /** The processor begins to run the vcpu of its turn. */
  start(processor: number, nowNs: number): void;
  /** The processor does something else; what it ran has cost that time. */
  stop(processor: number, nowNs: number): void;

  /**
   * Others have worked on a domain's behalf for so long: that is taken from its vcpus' shares, in equal parts, as if they had
   * run. Without effect on a domain that has none.
   */
  bill(domid: number, servedNs: number, nowNs: number): void;

  /**
   * Lets a vcpu run on those processors only whose bits are set (bit 0: processor 0), of which some may be offline.
   * @throws SchedulingError if none of them exists
   */
  pin(unit: SchedulingUnit<Owner>, affinity: number, nowNs: number): void;

  /**
   * Gives it a processor, or takes one away. Vcpus that are pinned to none that is left run on all that are.
   * @throws SchedulingError if a vcpu that needs a processor of its own would have none
   */
  setOnline(processor: number, isOnline: boolean, nowNs: number): void;
}
