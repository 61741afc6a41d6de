import { RunQueueScheduler, type SchedulingDomain } from "./run-queue-scheduler.ts";
import { checkRange, SchedulingError } from "./scheduling-error.ts";
import { SchedulingUnit } from "./scheduling-unit.ts";
import type { Turn } from "./turn.ts";

/** What everybody is given when those that want to run have used theirs up, ns of the heaviest one's time. */
const CREDIT_INIT = 10_000_000;
/** What is left over at that time and kept. */
const CARRYOVER_MAX = 500_000;
/** A turn's length, ns. */
const SHORTEST_TURN = 500_000;
const LONGEST_TURN = CREDIT_INIT;
/** A capped domain has its share of so much time anew each time it has passed, ns. */
const CAP_PERIOD = 100_000_000;
const DEFAULT_RATELIMIT_US = 1000;
const NS_PER_US = 1000;

/** What a domain's vcpus have. */
export interface Credit2Parameters {
  /** Share of each of its vcpus in relation to others'. 1 to 65535, default 256. */
  weight: number;
  /** The most that all of them get together, percent of one processor; 0: no limit. */
  cap: number;
}

interface Credit2State extends Credit2Parameters {
  /** Time that a capped domain may run until it is given more; less than 0: it ran longer than it should. ns */
  budgetNs: number;
  nextBudgetNs: number;
}

class Credit2Unit<Owner> extends SchedulingUnit<Owner> {
  credit = CREDIT_INIT;

  constructor(
    readonly domain: SchedulingDomain<Credit2Unit<Owner>, Credit2State>,
    domid: number,
    owner: Owner,
  ) {
    super(domid, owner);
  }
}

/**
 * Xen's default scheduler since 4.12. Running burns credit, the faster the less a domain weighs; whoever has most runs,
 * until the next has more, and everybody is given more when nobody that wants to run has any left. A cap is a budget of
 * time in each 100 ms.
 */
export class Credit2Scheduler<Owner> extends RunQueueScheduler<Owner, Credit2Unit<Owner>, Credit2State> {
  readonly name = "credit2";
  private heaviest = 1;
  /** Domains that have a cap. */
  private readonly capped: Credit2State[] = [];
  private readonly everyone: Credit2Unit<Owner>[] = [];
  private ratelimitNs = DEFAULT_RATELIMIT_US * NS_PER_US;

  constructor(processors = 1) {
    super(processors);
  }

  /** Time for which one that runs is left alone, us. 0 or from 100 to 500000. */
  get ratelimitUs(): number {
    return this.ratelimitNs / NS_PER_US;
  }

  set ratelimitUs(us: number) {
    if (us !== 0) checkRange("ratelimit", us, 100, 500_000);
    this.ratelimitNs = us * NS_PER_US;
  }

  /** @throws SchedulingError if the domain has no vcpus here */
  parametersOf(domid: number): Credit2Parameters {
    const { weight, cap } = this.domain(domid).parameters;
    return { weight, cap };
  }

  /** @throws SchedulingError */
  adjust(domid: number, changes: Partial<Credit2Parameters>): void {
    const { parameters, units } = this.domain(domid);
    const { weight = parameters.weight, cap = parameters.cap } = changes;
    checkRange("weight", weight, 1, 65535);
    const most = units.length * 100;
    if (!(Number.isInteger(cap) && cap >= 0 && cap <= most))
      throw new SchedulingError(`cap out of range, valid range is from 0 to ${most} for ${units.length} vcpu(s).`);
    parameters.weight = weight;
    if (cap !== parameters.cap) {
      parameters.cap = cap;
      parameters.budgetNs = (cap * CAP_PERIOD) / 100;
      parameters.nextBudgetNs = this.nowNs + CAP_PERIOD;
    }
    this.measure();
    // Whoever has the processor goes on by the new rules, and whoever waited for a budget looks again.
    for (const turn of this.turns) turn.over = true;
  }

  private measure(): void {
    this.heaviest = 1;
    this.capped.length = 0;
    this.everyone.length = 0;
    for (const { parameters, units } of this.domains.values()) {
      this.heaviest = Math.max(this.heaviest, parameters.weight);
      if (parameters.cap > 0) this.capped.push(parameters);
      for (const unit of units) this.everyone.push(unit);
    }
  }

  override admit(domid: number, owner: Owner): SchedulingUnit<Owner> {
    const unit = super.admit(domid, owner);
    this.measure();
    return unit;
  }

  override dismiss(unit: SchedulingUnit<Owner>, nowNs: number): void {
    super.dismiss(unit, nowNs);
    this.measure();
  }

  protected createParameters(): Credit2State {
    return { weight: 256, cap: 0, budgetNs: 0, nextBudgetNs: 0 };
  }

  protected createUnit(domain: SchedulingDomain<Credit2Unit<Owner>, Credit2State>, domid: number, owner: Owner) {
    return new Credit2Unit(domain, domid, owner);
  }

  protected before(a: Credit2Unit<Owner>, b: Credit2Unit<Owner>): boolean {
    return a.credit > b.credit;
  }

  protected override isEligible({ domain: { parameters } }: Credit2Unit<Owner>): boolean {
    return parameters.cap === 0 || parameters.budgetNs > 0;
  }

  /** Budgets of which the time has come. A domain that slept for long has one budget, not many. */
  protected override refresh(): void {
    for (let i = 0; i < this.capped.length; i++) {
      const parameters = this.capped[i];
      if (this.nowNs < parameters.nextBudgetNs) continue;
      const periods = Math.floor((this.nowNs - parameters.nextBudgetNs) / CAP_PERIOD) + 1;
      const budget = (parameters.cap * CAP_PERIOD) / 100;
      parameters.budgetNs = Math.min(budget, parameters.budgetNs + periods * budget);
      parameters.nextBudgetNs += periods * CAP_PERIOD;
    }
  }

  protected override nextEventNs(): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.capped.length === 0) return next;
    const { queue } = this;
    for (let i = 0; i < queue.length; i++) {
      const { parameters } = queue[i].domain;
      if (parameters.cap > 0 && parameters.budgetNs <= 0 && parameters.nextBudgetNs < next)
        next = parameters.nextBudgetNs;
    }
    return next;
  }

  protected charge(unit: Credit2Unit<Owner>, ranNs: number): void {
    const { parameters } = unit.domain;
    unit.credit -= (ranNs * this.heaviest) / parameters.weight;
    if (parameters.cap > 0) parameters.budgetNs -= ranNs;
  }

  protected override preempt(turn: Turn<Owner>): void {
    const protectedNs = this.ratelimitNs - turn.ranNs;
    if (protectedNs <= 0) turn.over = true;
    else turn.leftNs = Math.min(turn.leftNs, protectedNs);
  }

  protected beginTurn(turn: Turn<Owner>, unit: Credit2Unit<Owner>, next: Credit2Unit<Owner> | undefined): void {
    const { parameters } = unit.domain;
    if (unit.credit <= 0) this.reset(unit.credit);
    const ahead = next === undefined ? unit.credit : unit.credit - next.credit;
    const time = (ahead * parameters.weight) / this.heaviest;
    turn.leftNs = Math.min(LONGEST_TURN, Math.max(SHORTEST_TURN, this.ratelimitNs, time));
    if (parameters.cap > 0) turn.leftNs = Math.min(turn.leftNs, parameters.budgetNs);
  }

  /** Gives everybody more, until the one that is to run, which has the most, has some. */
  private reset(credit: number): void {
    const given = CREDIT_INIT * (1 + Math.floor(-credit / CREDIT_INIT));
    for (let i = 0; i < this.everyone.length; i++) {
      const unit = this.everyone[i];
      unit.credit = Math.min(unit.credit + given, CREDIT_INIT + CARRYOVER_MAX);
    }
  }
}
