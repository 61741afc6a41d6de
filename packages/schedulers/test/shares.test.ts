import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BvtScheduler, Credit2Scheduler, createScheduler, SCHEDULER_NAMES, type Scheduler } from "../src/index.ts";
import { blocking, type SimulatedVcpu, Simulation } from "./simulation.ts";

const MS = 1_000_000;
const SECOND = 1000 * MS;
/** Divisible by 1 to 8: weights as advances. */
const ADVANCE = 840;

interface Subject {
  scheduler: Scheduler<SimulatedVcpu>;
  weigh(domid: number, weight: number): void;
  /** What an operator does for a domain that has to answer soon. */
  favour(domid: number): void;
}

const makers: Record<string, () => Subject> = {
  credit2: () => {
    const scheduler = new Credit2Scheduler<SimulatedVcpu>();
    return {
      scheduler,
      weigh: (domid, weight) => scheduler.adjust(domid, { weight: weight * 100 }),
      favour: () => {},
    };
  },
  bvt: () => {
    const scheduler = new BvtScheduler<SimulatedVcpu>();
    return {
      scheduler,
      weigh: (domid, weight) => scheduler.adjust(domid, { mcuAdvance: ADVANCE / weight }),
      favour: (domid) => scheduler.adjust(domid, { warpback: true, warpvalue: 1000 }),
    };
  },
};

const weights = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 8 });
const sleepers = fc.array(
  fc.record({
    seed: fc.nat(),
    burstUs: fc.integer({ min: 1, max: 20_000 }),
    sleepUs: fc.integer({ min: 1, max: 50_000 }),
  }),
  { maxLength: 5 },
);

describe.each(Object.keys(makers))("shares of %s", (name) => {
  it("busy vcpus have theirs, whatever others do that block and wake, and nobody waits for ever", () => {
    fc.assert(
      fc.property(weights, sleepers, (heavy, others) => {
        const { scheduler, weigh } = makers[name]();
        const simulation = new Simulation(scheduler);
        const running = heavy.map((weight, at) => {
          const vcpu = simulation.add(at + 1);
          weigh(at + 1, weight);
          return vcpu;
        });
        const blocked = others.map(({ seed, burstUs, sleepUs }, at) => {
          const vcpu = simulation.add(at + 100, blocking(seed, burstUs * 1000, sleepUs * 1000));
          weigh(at + 100, 1);
          return vcpu;
        });
        simulation.run(10 * SECOND);
        const sum = heavy.reduce((a, b) => a + b, 0);
        const total = running.reduce((a, { ranNs }) => a + ranNs, 0);
        for (const [at, { ranNs }] of running.entries()) {
          const share = (total * heavy[at]) / sum;
          expect(Math.abs(ranNs - share), `share of ${heavy[at]} in ${sum}`).toBeLessThan(0.03 * share + 50 * MS);
        }
        // All of the time went to somebody, and none to two.
        const all = [...running, ...blocked].reduce((a, { ranNs }) => a + ranNs, 0);
        expect(Math.abs(all - 10 * SECOND)).toBeLessThan(1000);
        // None has less than its weight is worth beside all others that are busy, save what it slept.
        for (const { longestWaitNs } of [...running, ...blocked]) expect(longestWaitNs).toBeLessThan(SECOND);
      }),
      { numRuns: 25 },
    );
  });

  it("gives the paper's Figure 5: weights 1 to 8, each within 4 % of its share", () => {
    const { scheduler, weigh } = makers[name]();
    const simulation = new Simulation(scheduler);
    const vcpus = [1, 2, 3, 4, 5, 6, 7, 8].map((weight) => {
      const vcpu = simulation.add(weight);
      weigh(weight, weight);
      return { vcpu, weight };
    });
    simulation.run(30 * SECOND);
    for (const { vcpu, weight } of vcpus) {
      const share = (30 * SECOND * weight) / 36;
      expect(Math.abs(vcpu.ranNs / share - 1)).toBeLessThan(0.04);
    }
  });

  it("answers soon: one that sleeps much among 128 that are busy has the processor within 20 ms on the average", () => {
    const { scheduler, favour } = makers[name]();
    const simulation = new Simulation(scheduler);
    for (let domid = 1; domid <= 128; domid++) simulation.add(domid);
    const idle = simulation.add(129, { burstNs: () => 50_000, sleepNs: () => 40 * MS });
    favour(129);
    simulation.run(20 * SECOND);
    const latencies = idle.wakeLatenciesNs.slice(1);
    expect(latencies.length).toBeGreaterThan(100);
    expect(latencies.reduce((a, b) => a + b, 0) / latencies.length).toBeLessThan(20 * MS);
  });

  it("answers soon always: one that is asked now and then among 128 that are busy never waits for their round", () => {
    const { scheduler } = makers[name]();
    const simulation = new Simulation(scheduler);
    for (let domid = 1; domid <= 128; domid++) simulation.add(domid);
    let asked = 0;
    // Sooner than all others have had a turn, and not in step with them.
    const idle = simulation.add(129, { burstNs: () => 300_000, sleepNs: () => (100 + 37 * (asked++ % 7)) * MS });
    simulation.run(40 * SECOND);
    const latencies = idle.wakeLatenciesNs.slice(1);
    expect(latencies.length).toBeGreaterThan(100);
    expect(Math.max(...latencies)).toBeLessThan(10 * MS);
    // And has no more than its share for it, where it would have that.
    const greedy = simulation.add(130, { burstNs: () => 2 * MS, sleepNs: () => MS });
    const before = simulation.vcpus[0].ranNs;
    simulation.run(60 * SECOND);
    expect(greedy.ranNs).toBeLessThan(1.05 * (simulation.vcpus[0].ranNs - before) + 10 * MS);
  });
});

describe("every scheduler", () => {
  it("runs each vcpu on one processor at a time, and only where it may", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SCHEDULER_NAMES.filter((name) => name !== "null")),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.record({ seed: fc.nat(), affinity: fc.integer({ min: 1, max: 15 }), blocks: fc.boolean() }), {
          minLength: 1,
          maxLength: 8,
        }),
        (name, processors, plans) => {
          const scheduler = createScheduler<SimulatedVcpu>(name, processors);
          const simulation = new Simulation(scheduler);
          const all = (1 << processors) - 1;
          const affinities = plans.map(({ affinity }) => affinity & all || all);
          for (const [at, { seed, blocks }] of plans.entries()) {
            const vcpu = simulation.add(at + 1, blocks ? blocking(seed, 5 * MS, 5 * MS) : undefined);
            scheduler.pin(vcpu.unit, affinities[at], 0);
          }
          simulation.run(SECOND);
          for (const [at, { stretches }] of simulation.vcpus.entries()) {
            for (const [n, { processor, fromNs }] of stretches.entries()) {
              expect((affinities[at] >>> processor) & 1).toBe(1);
              if (n > 0) expect(fromNs).toBeGreaterThanOrEqual(stretches[n - 1].toNs);
            }
          }
          // No processor stands still while somebody that may use it waits: so each has run.
          for (const { ranNs } of simulation.vcpus) expect(ranNs).toBeGreaterThan(0);
          if (
            plans.length >= processors &&
            affinities.every((affinity) => affinity === all) &&
            plans.every((p) => !p.blocks)
          )
            expect(simulation.vcpus.reduce((a, { ranNs }) => a + ranNs, 0)).toBeGreaterThan(
              0.999 * processors * SECOND,
            );
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each(SCHEDULER_NAMES)("%s wants nothing while nobody is awake", (name) => {
    const scheduler = createScheduler<string>(name);
    const unit = scheduler.admit(1, "a");
    scheduler.wake(unit, 5);
    expect(scheduler.pick(0, 5).unit).toBe(unit);
    scheduler.start(0, 5);
    scheduler.sleep(unit, 100);
    scheduler.stop(0, 100);
    const { unit: nobody, reviewNs } = scheduler.pick(0, 100);
    expect(nobody).toBeUndefined();
    expect(reviewNs).toBe(Number.POSITIVE_INFINITY);
    scheduler.dismiss(unit, 200);
    scheduler.wake(scheduler.admit(1, "b"), 300);
    expect(scheduler.pick(0, 300).unit?.owner).toBe("b");
  });

  it("lets a turn go on across pauses of the processor, and takes the processor's own time from it alone", () => {
    const scheduler = new BvtScheduler<string>();
    const a = scheduler.admit(1, "a");
    const b = scheduler.admit(2, "b");
    scheduler.wake(a, 0);
    scheduler.wake(b, 0);
    const turn = scheduler.pick(0, 0);
    expect(turn.unit).toBe(a);
    expect(turn.leftNs).toBe(5 * MS);
    for (let at = 0; at < 5; at++) {
      const now = 10 * at * MS;
      expect(scheduler.pick(0, now).unit).toBe(a);
      scheduler.start(0, now);
      scheduler.stop(0, now + MS);
    }
    expect(scheduler.pick(0, 50 * MS).unit).toBe(b);
  });
});
