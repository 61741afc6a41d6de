import { allOf, checkAffinity, checkProcessors } from "./affinity.ts";
import type { Scheduler, SchedulerName } from "./scheduler.ts";
import { SchedulingError } from "./scheduling-error.ts";
import type { SchedulingUnit } from "./scheduling-unit.ts";
import { Turn } from "./turn.ts";

/** Puts those that woke up before those that used their turns up, among equals. */
const WOKEN_FIRST = -(2 ** 52);

/** The most that is billed at once, ns: a host that hangs is not the guest's fault. */
const MOST_BILLED_NS = 100_000_000;

/** A domain's units, and what all of them have in common. */
export interface SchedulingDomain<U, P> {
  readonly units: U[];
  parameters: P;
}

/**
 * What schedulers with one run queue for all processors have in common. A decision looks at every runnable vcpu once and
 * allocates nothing; derived classes say who goes before whom, what running costs, and how long a turn is.
 */
export abstract class RunQueueScheduler<Owner, U extends SchedulingUnit<Owner>, P> implements Scheduler<Owner> {
  abstract readonly name: SchedulerName;
  readonly turns: readonly Turn<Owner>[];
  online: number;
  protected readonly domains = new Map<number, SchedulingDomain<U, P>>();
  /** In no order. */
  protected readonly queue: U[] = [];
  /** The time of the call that is being served. */
  protected nowNs = 0;
  private orders = 0;

  /** @throws SchedulingError */
  constructor(readonly processors: number) {
    checkProcessors(processors);
    this.online = allOf(processors);
    this.turns = Array.from({ length: processors }, (_, processor) => new Turn<Owner>(processor));
  }

  // ---- what algorithms say ----

  protected abstract createParameters(domid: number): P;
  protected abstract createUnit(domain: SchedulingDomain<U, P>, domid: number, owner: Owner): U;
  /** Whether `a` is to run before `b`; false among equals. */
  protected abstract before(a: U, b: U): boolean;
  /** `unit` has run for so long. */
  protected abstract charge(unit: U, ranNs: number): void;
  /** Others have worked for `unit` so long. */
  protected chargeService(unit: U, servedNs: number): void {
    this.charge(unit, servedNs);
  }
  /** Sets `leftNs` and `reviewNs` of a turn that begins for `unit`. `next` is whom the processor would run after it. */
  protected abstract beginTurn(turn: Turn<Owner>, unit: U, next: U | undefined): void;

  /** It wakes up. */
  protected onWake(_unit: U): void {}
  /** It may have a turn now; runnable ones that may not wait for `nextEventNs`. */
  protected isEligible(_unit: U): boolean {
    return true;
  }
  /** Before a decision: what falls due at `nowNs`. */
  protected refresh(): void {}
  /** When somebody in the queue becomes eligible or more urgent by the passing of time alone. */
  protected nextEventNs(): number {
    return Number.POSITIVE_INFINITY;
  }
  /** Whether `woken` takes the processor from `current`. */
  protected preempts(woken: U, current: U): boolean {
    return this.before(woken, current);
  }
  /** Ends a turn for a vcpu that woke up. */
  protected preempt(turn: Turn<Owner>): void {
    turn.over = true;
  }
  /** Whether one that yielded leaves the processor to `other`, the first of those that wait. */
  protected yieldsTo(_unit: U, _other: U): boolean {
    return true;
  }

  // ---- vcpus ----

  admit(domid: number, owner: Owner): SchedulingUnit<Owner> {
    let domain = this.domains.get(domid);
    if (domain === undefined) {
      domain = { units: [], parameters: this.createParameters(domid) };
      this.domains.set(domid, domain);
    }
    const unit = this.createUnit(domain, domid, owner);
    unit.allow(this.online);
    domain.units.push(unit);
    return unit;
  }

  dismiss(unit: SchedulingUnit<Owner>, nowNs: number): void {
    this.sleep(unit, nowNs);
    const domain = this.domains.get(unit.domid);
    const at = domain?.units.indexOf(unit as U) ?? -1;
    if (domain === undefined || at < 0) return;
    domain.units.splice(at, 1);
    if (domain.units.length === 0) this.domains.delete(unit.domid);
  }

  wake(unit: SchedulingUnit<Owner>, nowNs: number): void {
    if (unit.runnable) return;
    const woken = unit as U;
    this.chargeAll(nowNs);
    this.refresh();
    this.onWake(woken);
    woken.runnable = true;
    woken.order = WOKEN_FIRST + ++this.orders;
    woken.slot = this.queue.length;
    this.queue.push(woken);
    this.offer(woken);
  }

  sleep(unit: SchedulingUnit<Owner>, nowNs: number): void {
    if (!unit.runnable) return;
    this.chargeAll(nowNs);
    unit.runnable = false;
    const last = this.queue.pop()!;
    if (last !== unit) {
      this.queue[unit.slot] = last;
      last.slot = unit.slot;
    }
    unit.slot = -1;
    if (unit.processor >= 0) this.leave(unit as U);
  }

  yield(unit: SchedulingUnit<Owner>, nowNs: number): void {
    if (unit.processor < 0) return;
    this.chargeAll(nowNs);
    const turn = this.turns[unit.processor];
    turn.over = true;
    turn.yielded = true;
  }

  bill(domid: number, servedNs: number, nowNs: number): void {
    const domain = this.domains.get(domid);
    if (domain === undefined || servedNs <= 0) return;
    this.chargeAll(nowNs);
    const part = Math.min(servedNs, MOST_BILLED_NS) / domain.units.length;
    for (const unit of domain.units) {
      this.chargeService(unit, part);
      // A turn is not the longer for what others do in it.
      if (unit.processor >= 0) this.turns[unit.processor].leftNs -= part;
    }
  }

  pin(unit: SchedulingUnit<Owner>, affinity: number, nowNs: number): void {
    checkAffinity(affinity, this.processors);
    this.chargeAll(nowNs);
    unit.affinity = affinity;
    this.reallow(unit as U);
    if (unit.runnable && unit.processor < 0) this.offer(unit as U);
  }

  setOnline(processor: number, isOnline: boolean, nowNs: number): void {
    this.chargeAll(nowNs);
    const bit = 1 << processor;
    this.online = isOnline ? this.online | bit : this.online & ~bit;
    for (const { units } of this.domains.values()) for (const unit of units) this.reallow(unit);
    for (const unit of this.queue) if (unit.processor < 0) this.offer(unit);
  }

  private reallow(unit: U): void {
    unit.allow(this.online);
    if (unit.processor >= 0 && !unit.mayRunOn(unit.processor)) this.leave(unit);
  }

  // ---- processors ----

  pick(processor: number, nowNs: number): Turn<Owner> {
    const turn = this.turns[processor];
    this.nowNs = Math.max(this.nowNs, nowNs);
    if (!turn.over && nowNs < turn.reviewNs && (turn.unit === undefined || turn.leftNs > 0)) return turn;
    this.refresh();
    const former = turn.unit as U | undefined;
    if (former !== undefined) former.processor = -1;
    const next = this.choose(turn, former);
    this.give(turn, next);
    if (former !== undefined && former !== next) {
      former.order = ++this.orders;
      if (!this.isEligible(former)) this.reviewAll();
    }
    if (this.processors > 1) this.inviteIdle();
    return turn;
  }

  start(processor: number, nowNs: number): void {
    this.turns[processor].sinceNs = nowNs;
  }

  stop(processor: number, nowNs: number): void {
    this.nowNs = Math.max(this.nowNs, nowNs);
    const turn = this.turns[processor];
    this.chargeTurn(turn);
    turn.sinceNs = -1;
  }

  // ---- parts ----

  private choose(turn: Turn<Owner>, former: U | undefined): U | undefined {
    const { processor } = turn;
    const best = this.best(processor, former);
    if (former === undefined || !this.isEligible(former) || !former.mayRunOn(processor)) return best;
    if (best === undefined) return former;
    if (turn.yielded) return this.yieldsTo(former, best) ? best : former;
    // One that woke up and took the processor has it among equals, too.
    const goesOn = turn.over ? this.before(former, best) : !this.before(best, former);
    return goesOn ? former : best;
  }

  /** The first of those that wait for this processor. */
  protected best(processor: number, except: U | undefined): U | undefined {
    const { queue } = this;
    let best: U | undefined;
    for (let i = 0; i < queue.length; i++) {
      const unit = queue[i];
      if (unit === except || unit.processor >= 0 || !unit.mayRunOn(processor) || !this.isEligible(unit)) continue;
      if (best === undefined || this.before(unit, best)) best = unit;
      else if (unit.order < best.order && !this.before(best, unit)) best = unit;
    }
    return best;
  }

  private give(turn: Turn<Owner>, unit: U | undefined): void {
    turn.over = false;
    turn.yielded = false;
    turn.unit = unit;
    turn.ranNs = 0;
    turn.reviewNs = this.nextEventNs();
    if (unit === undefined) return;
    unit.processor = turn.processor;
    this.beginTurn(turn, unit, this.best(turn.processor, unit));
    turn.leftNs = Math.ceil(turn.leftNs);
  }

  private leave(unit: U): void {
    const turn = this.turns[unit.processor];
    unit.processor = -1;
    turn.unit = undefined;
    turn.over = true;
  }

  /** Finds a processor for one that waits: one that is idle, else the one whose vcpu it goes before by most. */
  private offer(unit: U): void {
    if (!this.isEligible(unit)) {
      this.reviewAll();
      return;
    }
    if (this.offerIdle(unit)) return;
    let worst: Turn<Owner> | undefined;
    for (let p = 0; p < this.processors; p++) {
      const turn = this.turns[p];
      if (unit.mayRunOn(p) && (worst === undefined || this.before(worst.unit as U, turn.unit as U))) worst = turn;
    }
    if (worst !== undefined && this.preempts(unit, worst.unit as U)) this.preempt(worst);
  }

  /** Several may have been offered the same idle processor: those that it was not given to have the others. */
  private inviteIdle(): void {
    for (let p = 0; p < this.processors; p++) {
      const turn = this.turns[p];
      if (turn.unit === undefined && !turn.over && this.best(p, undefined) !== undefined) turn.over = true;
    }
  }

  private offerIdle(unit: U): boolean {
    for (let p = 0; p < this.processors; p++) {
      const turn = this.turns[p];
      if (turn.unit !== undefined || !unit.mayRunOn(p)) continue;
      turn.over = true;
      return true;
    }
    return false;
  }

  /** Something falls due earlier than the processors know. */
  protected reviewAll(): void {
    const next = this.nextEventNs();
    for (let p = 0; p < this.processors; p++) {
      const turn = this.turns[p];
      if (next < turn.reviewNs) turn.reviewNs = next;
    }
  }

  private chargeAll(nowNs: number): void {
    this.nowNs = Math.max(this.nowNs, nowNs);
    for (let p = 0; p < this.processors; p++) this.chargeTurn(this.turns[p]);
  }

  private chargeTurn(turn: Turn<Owner>): void {
    if (turn.sinceNs < 0) return;
    const ranNs = Math.max(0, this.nowNs - turn.sinceNs);
    turn.sinceNs = this.nowNs;
    if (turn.unit === undefined || ranNs === 0) return;
    turn.ranNs += ranNs;
    turn.leftNs -= ranNs;
    this.charge(turn.unit as U, ranNs);
  }

  protected domain(domid: number): SchedulingDomain<U, P> {
    const domain = this.domains.get(domid);
    if (domain === undefined) throw new SchedulingError(`domain ${domid} has no vcpus to schedule.`);
    return domain;
  }
}
