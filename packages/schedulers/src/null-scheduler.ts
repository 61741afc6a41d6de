import { allOf, checkAffinity, checkProcessors } from "./affinity.ts";
import type { Scheduler } from "./scheduler.ts";
import { SchedulingError } from "./scheduling-error.ts";
import { SchedulingUnit } from "./scheduling-unit.ts";
import { Turn } from "./turn.ts";

class NullUnit<Owner> extends SchedulingUnit<Owner> {
  /** Which processor is its own. */
  seat = -1;
}

/** Gives each vcpu a processor of its own, for the whole of its life, and refuses it when there is none left. */
export class NullScheduler<Owner> implements Scheduler<Owner> {
  readonly name = "null";
  readonly turns: readonly Turn<Owner>[];
  online: number;
  private readonly seats: (NullUnit<Owner> | undefined)[];

  /** @throws SchedulingError */
  constructor(readonly processors = 1) {
    checkProcessors(processors);
    this.online = allOf(processors);
    this.turns = Array.from({ length: processors }, (_, processor) => new Turn<Owner>(processor));
    this.seats = Array.from({ length: processors });
  }

  admit(domid: number, owner: Owner): SchedulingUnit<Owner> {
    const unit = new NullUnit(domid, owner);
    unit.allow(this.online);
    this.seat(unit, this.freeSeat(unit));
    return unit;
  }

  private freeSeat(unit: NullUnit<Owner>): number {
    const seat = this.seats.findIndex((taken, processor) => taken === undefined && unit.mayRunOn(processor));
    if (seat < 0)
      throw new SchedulingError(
        `the null scheduler gives each vcpu a processor of its own, and there is none left: end another guest or use another scheduler.`,
      );
    return seat;
  }

  private seat(unit: NullUnit<Owner>, seat: number): void {
    if (unit.seat >= 0) {
      this.seats[unit.seat] = undefined;
      this.turns[unit.seat].over = true;
    }
    unit.seat = seat;
    if (seat < 0) return;
    this.seats[seat] = unit;
    this.turns[seat].over = true;
  }

  dismiss(unit: SchedulingUnit<Owner>): void {
    unit.runnable = false;
    this.vacate(unit);
    this.seat(unit as NullUnit<Owner>, -1);
  }

  wake(unit: SchedulingUnit<Owner>): void {
    const { seat } = unit as NullUnit<Owner>;
    if (unit.runnable || seat < 0) return;
    unit.runnable = true;
    this.turns[seat].over = true;
  }

  sleep(unit: SchedulingUnit<Owner>): void {
    unit.runnable = false;
    this.vacate(unit);
  }

  private vacate(unit: SchedulingUnit<Owner>): void {
    if (unit.processor < 0) return;
    const turn = this.turns[unit.processor];
    turn.unit = undefined;
    turn.over = true;
    unit.processor = -1;
  }

  yield(): void {}

  /** Nobody shares anything. */
  bill(): void {}

  pick(processor: number): Turn<Owner> {
    const turn = this.turns[processor];
    if (!turn.over) return turn;
    const unit = this.seats[processor];
    turn.over = false;
    turn.unit = unit?.runnable ? unit : undefined;
    turn.leftNs = Number.POSITIVE_INFINITY;
    turn.reviewNs = Number.POSITIVE_INFINITY;
    if (turn.unit !== undefined) turn.unit.processor = processor;
    return turn;
  }

  start(processor: number, nowNs: number): void {
    this.turns[processor].sinceNs = nowNs;
  }

  stop(processor: number): void {
    this.turns[processor].sinceNs = -1;
  }

  pin(unit: SchedulingUnit<Owner>, affinity: number): void {
    checkAffinity(affinity, this.processors);
    const seated = unit as NullUnit<Owner>;
    const former = unit.affinity;
    unit.affinity = affinity;
    unit.allow(this.online);
    if (unit.mayRunOn(seated.seat)) return;
    try {
      this.reseat(seated);
    } catch (error) {
      unit.affinity = former;
      unit.allow(this.online);
      throw error;
    }
  }

  setOnline(processor: number, isOnline: boolean): void {
    const former = this.online;
    const bit = 1 << processor;
    this.setAllOnline(isOnline ? former | bit : former & ~bit);
    const seated = this.seats[processor];
    if (isOnline || seated === undefined) return;
    try {
      this.reseat(seated);
    } catch (error) {
      this.setAllOnline(former);
      throw error;
    }
  }

  private setAllOnline(online: number): void {
    this.online = online;
    for (const unit of this.seats) unit?.allow(online);
  }

  private reseat(unit: NullUnit<Owner>): void {
    const seat = this.freeSeat(unit);
    this.vacate(unit);
    this.seat(unit, seat);
  }
}
