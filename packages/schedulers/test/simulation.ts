import type { Scheduler, SchedulingUnit } from "../src/index.ts";

/** How a vcpu behaves: runs for so long, sleeps for so long, and so on. ns; a burst of Infinity never sleeps. */
export interface Behaviour {
  burstNs(): number;
  sleepNs(): number;
}

export const busy: Behaviour = { burstNs: () => Number.POSITIVE_INFINITY, sleepNs: () => 0 };

/** A stretch of running. */
export interface Stretch {
  processor: number;
  fromNs: number;
  toNs: number;
}

export class SimulatedVcpu {
  ranNs = 0;
  /** Longest time that it wanted a processor and had none. */
  longestWaitNs = 0;
  readonly stretches: Stretch[] = [];
  readonly wakeLatenciesNs: number[] = [];
  waitingSinceNs = 0;
  justWoke = true;
  wakeAtNs = 0;
  burstLeftNs: number;
  unit!: SchedulingUnit<SimulatedVcpu>;

  constructor(readonly behaviour: Behaviour = busy) {
    this.burstLeftNs = behaviour.burstNs();
  }
}

/** Most decisions at one point of time: more would be a scheduler that cannot make up its mind. */
const MOST_AT_ONCE = 10_000;

/** Processors and vcpus in a time of their own, from one event to the next. */
export class Simulation {
  nowNs = 0;
  /** A processor was idle while a vcpu that may run on it waited for one. */
  idleWhileWanted = false;
  readonly vcpus: SimulatedVcpu[] = [];

  constructor(readonly scheduler: Scheduler<SimulatedVcpu>) {}

  add(domid: number, behaviour: Behaviour = busy): SimulatedVcpu {
    const vcpu = new SimulatedVcpu(behaviour);
    vcpu.unit = this.scheduler.admit(domid, vcpu);
    this.vcpus.push(vcpu);
    vcpu.waitingSinceNs = this.nowNs;
    this.scheduler.wake(vcpu.unit, this.nowNs);
    return vcpu;
  }

  run(ns: number): void {
    const end = this.nowNs + ns;
    let atOnce = 0;
    while (this.nowNs < end) {
      const before = this.nowNs;
      this.step(end);
      atOnce = this.nowNs === before ? atOnce + 1 : 0;
      if (atOnce > MOST_AT_ONCE) throw new Error(`the scheduler makes no progress at ${this.nowNs} ns`);
    }
  }

  private step(end: number): void {
    const { scheduler } = this;
    for (let p = 0; p < scheduler.processors; p++) scheduler.pick(p, this.nowNs);
    if (scheduler.turns.some((turn) => turn.over)) return;
    const waiting = this.vcpus.filter(({ unit }) => unit.runnable && unit.processor < 0);
    this.idleWhileWanted ||= scheduler.turns.some(
      (turn) => turn.unit === undefined && waiting.some(({ unit }) => unit.mayRunOn(turn.processor)),
    );
    let until = end;
    for (const { unit, leftNs, reviewNs } of scheduler.turns) {
      until = Math.min(until, reviewNs);
      if (unit !== undefined) until = Math.min(until, this.nowNs + leftNs, this.nowNs + unit.owner.burstLeftNs);
    }
    for (const vcpu of this.vcpus) if (!vcpu.unit.runnable) until = Math.min(until, vcpu.wakeAtNs);
    until = Math.max(until, this.nowNs + (until > this.nowNs ? 0 : 1));
    const running = scheduler.turns.map(({ unit }) => unit?.owner);
    for (const [p, vcpu] of running.entries()) {
      scheduler.start(p, this.nowNs);
      if (vcpu !== undefined) this.noteStart(vcpu);
    }
    const from = this.nowNs;
    this.nowNs = until;
    for (const vcpu of this.vcpus) if (!vcpu.unit.runnable && vcpu.wakeAtNs <= until) this.wake(vcpu);
    for (const [p, vcpu] of running.entries()) {
      scheduler.stop(p, until);
      if (vcpu !== undefined) this.noteRun(vcpu, p, from);
    }
  }

  private wake(vcpu: SimulatedVcpu): void {
    vcpu.burstLeftNs = vcpu.behaviour.burstNs();
    vcpu.waitingSinceNs = this.nowNs;
    vcpu.justWoke = true;
    this.scheduler.wake(vcpu.unit, this.nowNs);
  }

  private noteStart(vcpu: SimulatedVcpu): void {
    const waited = this.nowNs - vcpu.waitingSinceNs;
    vcpu.longestWaitNs = Math.max(vcpu.longestWaitNs, waited);
    if (vcpu.justWoke) vcpu.wakeLatenciesNs.push(waited);
    vcpu.justWoke = false;
  }

  private noteRun(vcpu: SimulatedVcpu, processor: number, fromNs: number): void {
    const ran = this.nowNs - fromNs;
    vcpu.ranNs += ran;
    vcpu.burstLeftNs -= ran;
    vcpu.waitingSinceNs = this.nowNs;
    vcpu.stretches.push({ processor, fromNs, toNs: this.nowNs });
    if (vcpu.burstLeftNs > 0) return;
    vcpu.wakeAtNs = this.nowNs + vcpu.behaviour.sleepNs();
    this.scheduler.sleep(vcpu.unit, this.nowNs);
  }
}

/** Random behaviour from a seed, the same each time. */
export function blocking(seed: number, longestBurstNs: number, longestSleepNs: number): Behaviour {
  let state = seed >>> 0 || 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    burstNs: () => 1 + Math.floor(random() * longestBurstNs),
    sleepNs: () => 1 + Math.floor(random() * longestSleepNs),
  };
}

/** How long of a window it ran. */
export function ranWithin(vcpu: SimulatedVcpu, fromNs: number, toNs: number): number {
  return vcpu.stretches.reduce((sum, s) => sum + Math.max(0, Math.min(s.toNs, toNs) - Math.max(s.fromNs, fromNs)), 0);
}
