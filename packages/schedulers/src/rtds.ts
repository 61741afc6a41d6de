import { RunQueueScheduler, type SchedulingDomain } from "./run-queue-scheduler.ts";
import { checkRange, SchedulingError } from "./scheduling-error.ts";
import { SchedulingUnit } from "./scheduling-unit.ts";
import type { Turn } from "./turn.ts";

const NS_PER_US = 1000;
const LEAST_US = 10;
const MOST_US = 10_000_000;
/** Levels of extra time that are told apart. */
const MOST_LEVEL = 2 ** 30;

/** What a vcpu has. */
export interface RtdsParameters {
  /** us. Default 10000. */
  periodUs: number;
  /** Time that it may run in each period, us. Default 4000. */
  budgetUs: number;
  /** Whether it may run longer while nobody else needs the processor. Default true. */
  extratime: boolean;
}

const DEFAULTS: RtdsParameters = { periodUs: 10_000, budgetUs: 4_000, extratime: true };

class RtdsUnit<Owner> extends SchedulingUnit<Owner> {
  parameters = DEFAULTS;
  /** What is left of the budget; less than 0: it ran longer than it should. ns */
  budgetNs = DEFAULTS.budgetUs * NS_PER_US;
  /** End of its period. */
  deadlineNs = Number.NEGATIVE_INFINITY;
  /** How often it has used its budget up in this period and taken extra time. */
  level = 0;
}

/**
 * Xen's real-time scheduler: a vcpu has a budget of time in each period, and of those with budget left the one whose period
 * ends first runs. What it does not use while it sleeps is its own until the period ends (a deferrable server). With
 * extra time one goes on behind all that have budget, and has a budget's worth of it at a time.
 */
export class RtdsScheduler<Owner> extends RunQueueScheduler<Owner, RtdsUnit<Owner>, undefined> {
  readonly name = "rtds";

  constructor(processors = 1) {
    super(processors);
  }

  /** Of each of a domain's vcpus, in the order in which they were admitted. @throws SchedulingError */
  parametersOf(domid: number): readonly RtdsParameters[] {
    return this.domain(domid).units.map(({ parameters }) => parameters);
  }

  /**
   * Changes one vcpu (by the order in which it was admitted), or all that the domain has.
   * They count from the next period on; without a period yet, from the first.
   * @throws SchedulingError
   */
  adjust(domid: number, vcpu: number | "all", changes: Partial<RtdsParameters>): void {
    const { units } = this.domain(domid);
    const chosen = vcpu === "all" ? units : units.slice(vcpu, vcpu + 1);
    if (chosen.length === 0) throw new SchedulingError(`vcpu ${vcpu} does not exist.`);
    const changed = chosen.map((unit) => ({ ...unit.parameters, ...changes }));
    for (const { periodUs, budgetUs } of changed) {
      checkRange("VCPU period", periodUs, LEAST_US, MOST_US);
      checkRange("VCPU budget", budgetUs, LEAST_US, MOST_US);
      if (budgetUs > periodUs) throw new SchedulingError("VCPU budget must be smaller than or equal to VCPU period.");
    }
    for (const [at, unit] of chosen.entries()) {
      unit.parameters = changed[at];
      // One that may take no extra time any more has had its budget.
      if (unit.level > 0 && !unit.parameters.extratime) unit.budgetNs = Math.min(0, unit.budgetNs);
    }
    for (const turn of this.turns) turn.over = true;
  }

  protected createParameters(): undefined {
    return undefined;
  }

  protected createUnit(_domain: SchedulingDomain<RtdsUnit<Owner>, undefined>, domid: number, owner: Owner) {
    return new RtdsUnit(domid, owner);
  }

  protected before(a: RtdsUnit<Owner>, b: RtdsUnit<Owner>): boolean {
    return a.level < b.level || (a.level === b.level && a.deadlineNs < b.deadlineNs);
  }

  /** Whoever yields has its budget still. */
  protected override yieldsTo(unit: RtdsUnit<Owner>, other: RtdsUnit<Owner>): boolean {
    return other.level <= unit.level;
  }

  protected override isEligible({ budgetNs }: RtdsUnit<Owner>): boolean {
    return budgetNs > 0;
  }

  protected override onWake(unit: RtdsUnit<Owner>): void {
    if (this.nowNs >= unit.deadlineNs) this.replenish(unit);
  }

  protected override refresh(): void {
    const { queue } = this;
    for (let i = 0; i < queue.length; i++) if (this.nowNs >= queue[i].deadlineNs) this.replenish(queue[i]);
  }

  protected override nextEventNs(): number {
    const { queue } = this;
    let next = Number.POSITIVE_INFINITY;
    for (let i = 0; i < queue.length; i++) if (queue[i].deadlineNs < next) next = queue[i].deadlineNs;
    return next;
  }

  /** A new period; those that passed while it slept are lost. The first begins when it first wakes up. */
  private replenish(unit: RtdsUnit<Owner>): void {
    const periodNs = unit.parameters.periodUs * NS_PER_US;
    if (unit.deadlineNs === Number.NEGATIVE_INFINITY) unit.deadlineNs = this.nowNs;
    const periods = Math.floor((this.nowNs - unit.deadlineNs) / periodNs) + 1;
    const budgetNs = unit.parameters.budgetUs * NS_PER_US;
    unit.deadlineNs += periods * periodNs;
    // Processors are not left to the nanosecond: what was too much is taken off.
    unit.budgetNs = Math.min(budgetNs, Math.min(0, unit.budgetNs) + periods * budgetNs);
    unit.level = 0;
  }

  protected charge(unit: RtdsUnit<Owner>, ranNs: number): void {
    unit.budgetNs -= ranNs;
    if (unit.budgetNs > 0 || !unit.parameters.extratime) return;
    unit.level = Math.min(MOST_LEVEL, unit.level + 1);
    unit.budgetNs = unit.parameters.budgetUs * NS_PER_US;
  }

  protected beginTurn(turn: Turn<Owner>, unit: RtdsUnit<Owner>): void {
    turn.leftNs = unit.budgetNs;
  }
}
