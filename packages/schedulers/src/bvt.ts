import { RunQueueScheduler, type SchedulingDomain } from "./run-queue-scheduler.ts";
import { checkRange, SchedulingError } from "./scheduling-error.ts";
import { SchedulingUnit } from "./scheduling-unit.ts";
import type { Turn } from "./turn.ts";

/** What running is counted in. */
const MCU_NS = 100_000;
const NS_PER_MS = 1_000_000;
/** A turn is at most so many context-switch allowances long. */
const LONGEST_TURN = 10;
const MOST_ADVANCE = 1_000_000;
const MOST_WARP = 1_000_000_000;
const MOST_MS = 1_000_000;

/** What a domain's vcpus each have, under the names of Xen 1.x and 2.0's `xm sched-bvt`. */
export interface BvtParameters {
  /** Virtual time that 100 us of running cost: the inverse of a weight. Default 10. */
  mcuAdvance: number;
  /** Whether it warps: goes before others for the sake of latency. Default false. */
  warpback: boolean;
  /** How far it warps back, in virtual time. Default 0. */
  warpvalue: number;
  /** Longest time to run warped, ms; 0: no limit. Default 2000. */
  warpl: number;
  /** Time that it has to pass unwarped after that, ms. Default 1000. */
  warpu: number;
}

const DEFAULTS: BvtParameters = { mcuAdvance: 10, warpback: false, warpvalue: 0, warpl: 2000, warpu: 1000 };

class BvtUnit<Owner> extends SchedulingUnit<Owner> {
  /** Actual virtual time. */
  avt = 0;
  /** It woke up and has not had its turn since. */
  fresh = false;
  /** Time that it ran warped since it last stood unwarped for `warpu`, ns. */
  warpedNs = 0;
  lastWarpedNs = Number.NEGATIVE_INFINITY;
  /** Until then it may not warp. */
  unwarpedUntilNs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly domain: SchedulingDomain<BvtUnit<Owner>, BvtParameters>,
    domid: number,
    owner: Owner,
  ) {
    super(domid, owner);
  }
}

/**
 * Borrowed virtual time (Duda and Cheriton, SOSP 1999), the scheduler of the Xen of 2003. A vcpu's virtual time grows as
 * it runs, in inverse proportion to its weight; the one whose effective virtual time is least runs, until it is a
 * context-switch allowance ahead of the next. One that wakes up begins at the least virtual time there is, so that it has
 * the processor soon; warping takes it further back, which it pays for later.
 */
export class BvtScheduler<Owner> extends RunQueueScheduler<Owner, BvtUnit<Owner>, BvtParameters> {
  readonly name = "bvt";
  /** Scheduler virtual time: the least of those that want to run. */
  private svt = 0;
  private allowanceNs: number;

  /** @param contextAllowanceMs how far a vcpu may run ahead before it has to leave; the paper's default is 5 */
  constructor(processors = 1, contextAllowanceMs = 5) {
    super(processors);
    this.allowanceNs = 0;
    this.contextAllowanceMs = contextAllowanceMs;
  }

  get contextAllowanceMs(): number {
    return this.allowanceNs / NS_PER_MS;
  }

  set contextAllowanceMs(ms: number) {
    checkRange("context-switch allowance", ms, 1, 1000);
    this.allowanceNs = ms * NS_PER_MS;
  }

  /** @throws SchedulingError if the domain has no vcpus here */
  parametersOf(domid: number): Readonly<BvtParameters> {
    return this.domain(domid).parameters;
  }

  /** @throws SchedulingError */
  adjust(domid: number, changes: Partial<BvtParameters>): void {
    const domain = this.domain(domid);
    const parameters = { ...domain.parameters, ...changes };
    checkRange("mcuadv", parameters.mcuAdvance, 1, MOST_ADVANCE);
    checkRange("warpvalue", parameters.warpvalue, 0, MOST_WARP);
    checkRange("warpl", parameters.warpl, 0, MOST_MS);
    checkRange("warpu", parameters.warpu, 0, MOST_MS);
    if (parameters.warpl > 0 && parameters.warpu === 0)
      throw new SchedulingError(
        "warpu must be at least 1 where warpl limits warping: it is what the limit consists in.",
      );
    domain.parameters = parameters;
  }

  protected createParameters(): BvtParameters {
    return { ...DEFAULTS };
  }

  protected createUnit(domain: SchedulingDomain<BvtUnit<Owner>, BvtParameters>, domid: number, owner: Owner) {
    return new BvtUnit(domain, domid, owner);
  }

  protected before(a: BvtUnit<Owner>, b: BvtUnit<Owner>): boolean {
    return this.rank(a) < this.rank(b);
  }

  /**
   * The one that wakes up goes first, as it is the one that somebody may be waiting for, unless it is an allowance ahead of the
   * least: else whoever runs is not disturbed for nothing.
   */
  protected override preempts(woken: BvtUnit<Owner>, current: BvtUnit<Owner>): boolean {
    const rank = this.rank(woken);
    return rank <= this.rank(current) && (this.evt(woken) <= this.evt(current) || rank <= this.svt);
  }

  /** It gives away what is left of its allowance. */
  protected override yieldsTo(unit: BvtUnit<Owner>, other: BvtUnit<Owner>): boolean {
    return this.evt(other) < this.evt(unit) + this.virtual(unit, this.allowanceNs);
  }

  protected override onWake(unit: BvtUnit<Owner>): void {
    const { queue } = this;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < queue.length; i++) if (queue[i].avt < least) least = queue[i].avt;
    if (least !== Number.POSITIVE_INFINITY && least > this.svt) this.svt = least;
    if (unit.avt < this.svt) unit.avt = this.svt;
    unit.fresh = true;
    if (this.nowNs - unit.lastWarpedNs >= unit.domain.parameters.warpu * NS_PER_MS) unit.warpedNs = 0;
  }

  protected charge(unit: BvtUnit<Owner>, ranNs: number): void {
    const { warpback, warpl, warpu } = unit.domain.parameters;
    // The time before now is what is charged, and that decides whether it was warped.
    const warped = warpback && this.nowNs - ranNs >= unit.unwarpedUntilNs;
    unit.avt += this.virtual(unit, ranNs);
    if (!warped) return;
    unit.warpedNs += ranNs;
    unit.lastWarpedNs = this.nowNs;
    if (warpl === 0 || unit.warpedNs < warpl * NS_PER_MS) return;
    unit.unwarpedUntilNs = this.nowNs + warpu * NS_PER_MS;
    unit.warpedNs = 0;
  }

  /** Warping is for what it runs itself. */
  protected override chargeService(unit: BvtUnit<Owner>, servedNs: number): void {
    unit.avt += this.virtual(unit, servedNs);
  }

  protected beginTurn(turn: Turn<Owner>, unit: BvtUnit<Owner>, next: BvtUnit<Owner> | undefined): void {
    const { mcuAdvance, warpl } = unit.domain.parameters;
    const longest = LONGEST_TURN * this.allowanceNs;
    if (next === undefined) {
      turn.leftNs = longest;
    } else {
      const ahead = ((this.evt(next) - this.evt(unit)) * MCU_NS) / mcuAdvance;
      // One that woke up has what is left of its allowance, for that is what it goes first by.
      const time = unit.fresh ? Math.max(MCU_NS, ahead + this.allowanceNs) : Math.max(0, ahead) + this.allowanceNs;
      turn.leftNs = Math.min(longest, time);
    }
    unit.fresh = false;
    if (warpl > 0 && this.isWarped(unit)) turn.leftNs = Math.min(turn.leftNs, warpl * NS_PER_MS - unit.warpedNs);
  }

  private isWarped(unit: BvtUnit<Owner>): boolean {
    return unit.domain.parameters.warpback && this.nowNs >= unit.unwarpedUntilNs;
  }

  /**
   * What decides who runs. Virtual time is fair to within an allowance only: the least grows by leaps, as each in turn runs for one.
   * So one that wakes up is taken for one whose turn goes on until it is an allowance ahead; by its virtual time alone it
   * would have to wait until everybody who has run less since the last leap has had a turn.
   */
  private rank(unit: BvtUnit<Owner>): number {
    return unit.fresh ? this.evt(unit) - this.virtual(unit, this.allowanceNs) : this.evt(unit);
  }

  /** Effective virtual time. */
  private evt(unit: BvtUnit<Owner>): number {
    return this.isWarped(unit) ? unit.avt - unit.domain.parameters.warpvalue : unit.avt;
  }

  private virtual(unit: BvtUnit<Owner>, ns: number): number {
    return (ns / MCU_NS) * unit.domain.parameters.mcuAdvance;
  }
}
