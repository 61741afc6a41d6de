import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createScheduler, NullScheduler, SCHEDULER_NAMES, SchedulingError } from "../src/index.ts";
import { blocking, busy, type SimulatedVcpu, Simulation } from "./simulation.ts";

const MS = 1_000_000;
const PROCESSORS = 4;

describe("processors that come and go", () => {
  it("nobody runs on one that is offline, and none of the others is idle while a vcpu waits that may have it", () => {
    const step = fc.record({ online: fc.integer({ min: 0, max: 15 }), ms: fc.integer({ min: 1, max: 60 }) });
    const vcpu = fc.record({ seed: fc.option(fc.nat()), affinity: fc.integer({ min: 1, max: 15 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(...SCHEDULER_NAMES.filter((name) => name !== "null")),
        fc.array(vcpu, { minLength: 1, maxLength: 6 }),
        fc.array(step, { minLength: 1, maxLength: 8 }),
        (name, plans, steps) => {
          const scheduler = createScheduler<SimulatedVcpu>(name, PROCESSORS);
          const simulation = new Simulation(scheduler);
          const vcpus = plans.map(({ seed, affinity }, at) => {
            const vcpu = simulation.add(at + 1, seed === null ? busy : blocking(seed, 5 * MS, 5 * MS));
            scheduler.pin(vcpu.unit, affinity, 0);
            return vcpu;
          });
          for (const { online, ms } of steps) {
            for (let p = 0; p < PROCESSORS; p++) scheduler.setOnline(p, ((online >>> p) & 1) !== 0, simulation.nowNs);
            const from = simulation.nowNs;
            const ran = vcpus.map(({ ranNs }) => ranNs);
            simulation.run(ms * MS);
            for (const [at, { stretches, ranNs }] of vcpus.entries()) {
              const mask = (plans[at].affinity & online) === 0 ? online : plans[at].affinity & online;
              for (const { processor, fromNs } of stretches)
                if (fromNs >= from) expect((mask >>> processor) & 1).toBe(1);
              // The only one of all, pinned or not, has what is there.
              if (vcpus.length === 1 && plans[0].seed === null)
                expect(ranNs - ran[at]).toBe(online === 0 ? 0 : ms * MS);
            }
          }
          expect(simulation.idleWhileWanted).toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("one that is taken away in the middle of a turn leaves it to the others", () => {
    for (const name of SCHEDULER_NAMES) {
      const scheduler = createScheduler<string>(name, 2);
      const unit = scheduler.admit(1, "a");
      scheduler.wake(unit, 0);
      const [first] = [0, 1].filter((p) => scheduler.pick(p, 0).unit === unit);
      scheduler.start(first, 0);
      scheduler.setOnline(first, false, MS);
      scheduler.stop(first, MS);
      expect(scheduler.pick(first, MS).unit).toBeUndefined();
      expect(scheduler.pick(1 - first, MS).unit).toBe(unit);
    }
  });

  it("null keeps one whose vcpu would have no other, and takes one that is free", () => {
    const scheduler = new NullScheduler<string>(3);
    scheduler.setOnline(2, false);
    const units = ["a", "b"].map((owner) => scheduler.admit(1, owner));
    expect(() => scheduler.admit(1, "c")).toThrow(SchedulingError);
    for (const unit of units) scheduler.wake(unit);
    expect(() => scheduler.setOnline(0, false)).toThrow(SchedulingError);
    expect(scheduler.online).toBe(0b011);
    expect(scheduler.pick(0).unit).toBe(units[0]);
    scheduler.setOnline(2, true);
    scheduler.setOnline(0, false);
    expect(scheduler.pick(2).unit).toBe(units[0]);
    expect(scheduler.pick(0).unit).toBeUndefined();
  });
});
