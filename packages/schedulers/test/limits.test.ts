import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BvtScheduler,
  Credit2Scheduler,
  NullScheduler,
  RtdsScheduler,
  SchedulingError,
  schedulerName,
} from "../src/index.ts";
import { blocking, busy, ranWithin, type SimulatedVcpu, Simulation } from "./simulation.ts";

const MS = 1_000_000;
const SECOND = 1000 * MS;

describe("caps of credit2", () => {
  it("are held in every stretch of time, and what is below them is had", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 2 }),
        fc.option(fc.nat()),
        (cap, vcpus, rivals, seed) => {
          const scheduler = new Credit2Scheduler<SimulatedVcpu>();
          const simulation = new Simulation(scheduler);
          const capped = Array.from({ length: vcpus }, () =>
            simulation.add(1, seed === null ? busy : blocking(seed, 30 * MS, 30 * MS)),
          );
          scheduler.adjust(1, { cap });
          for (let at = 0; at < rivals; at++) simulation.add(2 + at);
          simulation.run(5 * SECOND);
          const budget = cap * MS;
          for (let from = 0; from < 5 * SECOND; from += 130 * MS) {
            const ran = capped.reduce((sum, vcpu) => sum + ranWithin(vcpu, from, from + 500 * MS), 0);
            expect(ran).toBeLessThanOrEqual(6 * budget + 1000);
          }
          const ran = capped.reduce((sum, { ranNs }) => sum + ranNs, 0);
          expect(ran).toBeLessThanOrEqual(51 * budget);
          if (seed === null && rivals === 0) expect(ran).toBeGreaterThan(0.97 * 50 * budget);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("a capped domain alone leaves the processor idle until it has its next budget", () => {
    const scheduler = new Credit2Scheduler<string>();
    const unit = scheduler.admit(1, "a");
    scheduler.adjust(1, { cap: 10 });
    scheduler.wake(unit, 0);
    expect(scheduler.pick(0, 0)).toMatchObject({ leftNs: 10 * MS });
    scheduler.start(0, 0);
    scheduler.stop(0, 10 * MS);
    expect(scheduler.pick(0, 10 * MS)).toMatchObject({ unit: undefined, reviewNs: 100 * MS });
    expect(scheduler.pick(0, 99 * MS).unit).toBeUndefined();
    expect(scheduler.pick(0, 100 * MS).unit).toBe(unit);
  });

  it("go away when they are lifted", () => {
    const scheduler = new Credit2Scheduler<SimulatedVcpu>();
    const simulation = new Simulation(scheduler);
    const vcpu = simulation.add(1);
    scheduler.adjust(1, { cap: 1 });
    simulation.run(SECOND);
    scheduler.adjust(1, { cap: 0 });
    simulation.run(SECOND);
    expect(ranWithin(vcpu, SECOND, 2 * SECOND)).toBe(SECOND);
  });
});

describe("credit2's rate limit", () => {
  it("leaves whoever runs alone for so long, and no longer, when another wakes up", () => {
    const scheduler = new Credit2Scheduler<string>();
    const a = scheduler.admit(1, "a");
    const b = scheduler.admit(2, "b");
    scheduler.wake(a, 0);
    const turn = scheduler.pick(0, 0);
    scheduler.start(0, 0);
    scheduler.wake(b, 300_000);
    expect(turn).toMatchObject({ unit: a, over: false, leftNs: 700_000 });
    scheduler.stop(0, MS);
    expect(scheduler.pick(0, MS).unit).toBe(b);
    scheduler.ratelimitUs = 0;
    scheduler.sleep(b, MS);
    expect(scheduler.pick(0, MS).unit).toBe(a);
    scheduler.start(0, MS);
    scheduler.wake(b, MS + 1000);
    expect(turn.over).toBe(true);
  });
});

describe("rtds", () => {
  const plan = fc.record({
    periodUs: fc.integer({ min: 1000, max: 50_000 }),
    percent: fc.integer({ min: 1, max: 100 }),
    seed: fc.option(fc.nat()),
  });

  it("lets nobody without extra time run longer than its budget in any period", () => {
    fc.assert(
      fc.property(
        fc.array(plan, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 3 }),
        (plans, processors) => {
          const scheduler = new RtdsScheduler<SimulatedVcpu>(processors);
          const run = new Simulation(scheduler);
          const made = plans.map(({ periodUs, percent, seed }, at) => {
            const budgetUs = Math.max(10, Math.floor((periodUs * percent) / 100));
            const vcpu = run.add(at + 1, seed === null ? busy : blocking(seed, 20 * MS, 20 * MS));
            scheduler.sleep(vcpu.unit, 0);
            (vcpu.unit as unknown as { deadlineNs: number }).deadlineNs = Number.NEGATIVE_INFINITY;
            scheduler.adjust(at + 1, "all", { periodUs, budgetUs, extratime: false });
            scheduler.wake(vcpu.unit, 0);
            return { vcpu, periodNs: periodUs * 1000, budgetNs: budgetUs * 1000 };
          });
          run.run(SECOND / 2);
          const load = made.reduce((sum, { budgetNs, periodNs }) => sum + budgetNs / periodNs, 0);
          for (const [at, { vcpu, periodNs, budgetNs }] of made.entries()) {
            for (let from = 0; from + periodNs <= SECOND / 2; from += periodNs) {
              const ran = ranWithin(vcpu, from, from + periodNs);
              expect(ran).toBeLessThanOrEqual(budgetNs + 1);
              // Earliest deadline first keeps every promise that can be kept on one processor.
              const alwaysBusy = plans.every(({ seed }) => seed === null);
              if (processors === 1 && load <= 1 && alwaysBusy && plans[at].seed === null)
                expect(ran).toBeGreaterThanOrEqual(budgetNs - 10);
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("gives what is left to those with extra time, after everybody's budget", () => {
    const scheduler = new RtdsScheduler<SimulatedVcpu>();
    const simulation = new Simulation(scheduler);
    const strict = simulation.add(1);
    const more = simulation.add(2);
    scheduler.adjust(1, "all", { periodUs: 10_000, budgetUs: 2_000, extratime: false });
    simulation.run(10 * MS);
    const before = strict.ranNs;
    simulation.run(100 * MS);
    expect(strict.ranNs - before).toBe(20 * MS);
    expect(strict.ranNs + more.ranNs).toBe(110 * MS);
  });

  it("takes what a processor ran too long off the next budgets", () => {
    const scheduler = new RtdsScheduler<string>();
    const unit = scheduler.admit(1, "a");
    scheduler.adjust(1, "all", { periodUs: 10_000, budgetUs: 2000, extratime: false });
    scheduler.wake(unit, 0);
    expect(scheduler.pick(0, 0)).toMatchObject({ leftNs: 2 * MS });
    scheduler.start(0, 0);
    scheduler.stop(0, 5 * MS);
    expect(scheduler.pick(0, 5 * MS).unit).toBeUndefined();
    expect(scheduler.pick(0, 10 * MS)).toMatchObject({ unit: undefined, reviewNs: 20 * MS });
    expect(scheduler.pick(0, 20 * MS)).toMatchObject({ unit, leftNs: MS });
  });

  it("takes a vcpu's own parameters, and refuses those that cannot be", () => {
    const scheduler = new RtdsScheduler<string>();
    scheduler.admit(1, "a");
    scheduler.admit(1, "b");
    scheduler.adjust(1, 1, { budgetUs: 5000 });
    expect(scheduler.parametersOf(1)).toEqual([
      { periodUs: 10_000, budgetUs: 4000, extratime: true },
      { periodUs: 10_000, budgetUs: 5000, extratime: true },
    ]);
    expect(() => scheduler.adjust(1, "all", { budgetUs: 10_001 })).toThrow(/smaller than or equal/);
    expect(() => scheduler.adjust(1, 2, {})).toThrow("vcpu 2 does not exist.");
    expect(() => scheduler.adjust(1, 0, { periodUs: 9 })).toThrow(/out of range/);
    expect(() => scheduler.parametersOf(7)).toThrow(SchedulingError);
  });
});

describe("warping of bvt", () => {
  it("is held to warpl of running for each warpu that it has to stand back, however it sleeps", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 200 }),
        fc.nat(),
        fc.integer({ min: 1, max: 100 }),
        (warpl, warpu, seed, restPercent) => {
          const scheduler = new BvtScheduler<SimulatedVcpu>();
          const simulation = new Simulation(scheduler);
          // Its weight is next to nothing: all that it runs beside the other is borrowed.
          const warper = simulation.add(1, blocking(seed, 20 * MS, (warpu * MS * restPercent) / 101));
          scheduler.adjust(1, { mcuAdvance: 1_000_000, warpback: true, warpvalue: 1_000_000_000, warpl, warpu });
          const other = simulation.add(2);
          simulation.run(5 * SECOND);
          const ran = ranWithin(warper, 0, 5 * SECOND);
          expect(ran).toBeLessThanOrEqual(((5 * SECOND) / (warpu * MS) + 1) * warpl * MS);
          const lendings = (5 * SECOND) / ((warpl + warpu) * MS) + 1;
          // The allowance of the context switch in which it lost its warp is its own.
          expect(ran).toBeLessThanOrEqual(lendings * (warpl + 5) * MS);
          expect(ran + other.ranNs).toBeGreaterThan(4.99 * SECOND);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("is paid for: beside one that is busy it has no more than half, save one loan", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), fc.nat(), (warpvalue, seed) => {
        const scheduler = new BvtScheduler<SimulatedVcpu>();
        const simulation = new Simulation(scheduler);
        simulation.add(1, blocking(seed, 20 * MS, MS));
        scheduler.adjust(1, { warpback: true, warpvalue, warpl: 0 });
        const other = simulation.add(2);
        simulation.run(5 * SECOND);
        const loan = (warpvalue / 10) * 100_000;
        expect(other.ranNs).toBeGreaterThan(2.5 * SECOND - loan - 20 * MS);
      }),
      { numRuns: 25 },
    );
  });

  it("ends after warpl, for warpu", () => {
    const scheduler = new BvtScheduler<SimulatedVcpu>();
    const simulation = new Simulation(scheduler);
    const warper = simulation.add(1);
    const other = simulation.add(2);
    scheduler.adjust(1, { warpback: true, warpvalue: 1_000_000, warpl: 100, warpu: 300 });
    simulation.run(10 * MS);
    const from = simulation.nowNs;
    simulation.run(600 * MS);
    // It runs 100 ms warped at most; then the other catches up, and so on.
    const gaps = other.stretches.filter(({ fromNs }) => fromNs >= from);
    expect(gaps[0].fromNs - from).toBeLessThanOrEqual(101 * MS);
    expect(ranWithin(warper, from, from + 110 * MS)).toBeLessThanOrEqual(106 * MS);
    expect(ranWithin(other, from + 100 * MS, from + 200 * MS)).toBeGreaterThan(90 * MS);
  });

  it("one that warps is quicker to answer than one that does not", () => {
    const latency = (warpback: boolean): number => {
      const scheduler = new BvtScheduler<SimulatedVcpu>();
      const simulation = new Simulation(scheduler);
      simulation.add(1);
      simulation.add(2);
      const vcpu = simulation.add(3, blocking(7, 2 * MS, 10 * MS));
      scheduler.adjust(3, { warpback, warpvalue: 20_000 });
      simulation.run(5 * SECOND);
      return vcpu.wakeLatenciesNs.reduce((a, b) => a + b, 0) / vcpu.wakeLatenciesNs.length;
    };
    expect(latency(true)).toBeLessThan(latency(false) / 2);
  });

  it("refuses parameters that cannot be", () => {
    const scheduler = new BvtScheduler<string>();
    scheduler.admit(1, "a");
    expect(() => scheduler.adjust(1, { mcuAdvance: 0 })).toThrow("mcuadv out of range");
    expect(() => scheduler.adjust(1, { warpl: 5, warpu: 0 })).toThrow(/warpu must be/);
    expect(() => {
      scheduler.contextAllowanceMs = 0;
    }).toThrow(/context-switch allowance/);
    expect(scheduler.parametersOf(1)).toEqual({
      mcuAdvance: 10,
      warpback: false,
      warpvalue: 0,
      warpl: 2000,
      warpu: 1000,
    });
  });
});

describe("null", () => {
  it("gives each vcpu a processor, and refuses what is too much", () => {
    const scheduler = new NullScheduler<SimulatedVcpu>(2);
    const simulation = new Simulation(scheduler);
    const a = simulation.add(1);
    const b = simulation.add(1, blocking(3, MS, MS));
    expect(() => scheduler.admit(2, a)).toThrow(/there is none left/);
    simulation.run(SECOND);
    expect(a.ranNs).toBe(SECOND);
    expect(Math.max(...b.wakeLatenciesNs)).toBe(0);
    expect(() => scheduler.pin(a.unit, 2)).toThrow(/there is none left/);
    scheduler.dismiss(b.unit);
    scheduler.pin(a.unit, 2);
    expect(scheduler.pick(1).unit).toBe(a.unit);
    expect(scheduler.pick(0).unit).toBeUndefined();
  });
});

describe("names and affinities", () => {
  it("says what there is", () => {
    expect(schedulerName("rtds")).toBe("rtds");
    expect(() => schedulerName("credit")).toThrow('there is no scheduler "credit": use credit2, rtds, bvt, null.');
    const scheduler = new Credit2Scheduler<string>();
    const unit = scheduler.admit(1, "a");
    expect(() => scheduler.pin(unit, 2, 0)).toThrow("the machine has processor 0 alone.");
    expect(() => new Credit2Scheduler(33)).toThrow(/must be from 1 to 32/);
    expect(() => scheduler.adjust(1, { cap: 101 })).toThrow(
      "cap out of range, valid range is from 0 to 100 for 1 vcpu(s).",
    );
    expect(() => scheduler.adjust(1, { weight: 0 })).toThrow("weight out of range");
  });
});
