import { BvtScheduler, Credit2Scheduler, NullScheduler, RtdsScheduler } from "@xen-node/schedulers";
import { ExitReason } from "@xen-node/x86-cpu";
import { RUNSTATE_blocked, RUNSTATE_offline, RUNSTATE_runnable, RUNSTATE_running, VIRQ_TIMER } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import type { Vcpu } from "../src/index.ts";
import { Timer } from "../src/index.ts";
import { addGuest, makeGuest } from "./machine.ts";

const MS = 1_000_000;
const SECOND = 1000 * MS;

const ranMs = (vcpu: Vcpu): number => vcpu.runstate.timeNs[RUNSTATE_running] / MS;

/** Runs as the toolstack does, a millisecond at a time, each followed by work of Dom0's. */
function runFor(hv: ReturnType<typeof makeGuest>["hv"], ns: number, betweenNs = 0): void {
  const end = hv.now() + ns;
  while (hv.now() < end) {
    if (hv.runSlice(MS) === Number.POSITIVE_INFINITY) return;
    hv.clock.retire(betweenNs / 10);
  }
}

describe("shares of the processor", () => {
  const adjusters = {
    credit2: () => {
      const scheduler = new Credit2Scheduler<Vcpu>();
      return { scheduler, weigh: (domid: number, weight: number) => scheduler.adjust(domid, { weight: 100 * weight }) };
    },
    bvt: () => {
      const scheduler = new BvtScheduler<Vcpu>();
      return {
        scheduler,
        weigh: (domid: number, weight: number) => scheduler.adjust(domid, { mcuAdvance: 840 / weight }),
      };
    },
  };

  it.each(["credit2", "bvt"] as const)(
    "%s: Figure 5 of the paper, eight guests of weights 1 to 8, each within 4 percent of its share, whatever Dom0 takes",
    (name) => {
      const { scheduler, weigh } = adjusters[name]();
      const g = makeGuest({ scheduler });
      const vcpus = [g.vcpu, ...Array.from({ length: 7 }, () => addGuest(g.hv).domain.vcpus[0])];
      for (const [at, { domain }] of vcpus.entries()) weigh(domain.domid, at + 1);
      runFor(g.hv, 20 * SECOND, 300_000);
      const total = vcpus.reduce((sum, vcpu) => sum + ranMs(vcpu), 0);
      for (const [at, vcpu] of vcpus.entries())
        expect(Math.abs((ranMs(vcpu) / total) * (36 / (at + 1)) - 1)).toBeLessThan(0.04);
      // All time is accounted for: what a vcpu did not have, it saw stolen.
      for (const { runstate } of vcpus) {
        const open = g.hv.now() - runstate.entryNs;
        const wanted = runstate.timeNs[RUNSTATE_running] + runstate.timeNs[RUNSTATE_runnable] + open;
        expect(wanted).toBeGreaterThan(19.99 * SECOND);
      }
      expect(total).toBeGreaterThan(0.75 * 20_000);
    },
  );

  it("a sleeper that wakes has the processor soon though 16 are busy", () => {
    const g = makeGuest({ scheduler: new BvtScheduler<Vcpu>() });
    for (let n = 0; n < 16; n++) addGuest(g.hv);
    const sleeper = addGuest(g.hv).domain.vcpus[0];
    let woken = 0;
    const latencies: number[] = [];
    const alarm = new Timer((now) => {
      woken = now;
      g.hv.wake(sleeper);
    });
    g.cpu.script = (budget) => {
      if (g.hv.current !== sleeper) {
        g.cpu.retired += budget;
        return ExitReason.BUDGET;
      }
      latencies.push(g.hv.now() - woken);
      g.cpu.retired += 1000;
      sleeper.blocked = true;
      g.hv.timers.set(alarm, g.hv.now() + 200 * MS);
      return ExitReason.BUDGET;
    };
    runFor(g.hv, 10 * SECOND);
    expect(latencies.length).toBeGreaterThan(40);
    expect(Math.max(...latencies.slice(1))).toBeLessThan(MS);
  });
});

describe("limits", () => {
  it("a capped guest has its part, and the machine sleeps until it has more", () => {
    const scheduler = new Credit2Scheduler<Vcpu>();
    const g = makeGuest({ scheduler });
    scheduler.adjust(g.domain.domid, { cap: 25 });
    let slept = 0;
    g.clock.skipTo = (): boolean => false;
    while (g.hv.now() < SECOND) {
      const wait = g.hv.runSlice(MS);
      expect(wait).toBeLessThanOrEqual(100 * MS);
      g.clock.advance(wait);
      slept += wait;
    }
    expect(ranMs(g.vcpu)).toBeGreaterThan(240);
    expect(ranMs(g.vcpu)).toBeLessThan(256);
    // Its periodic timer alone wakes the machine meanwhile.
    expect(slept).toBeGreaterThan(700 * MS);
  });

  it("rtds keeps two guests to their budgets", () => {
    const scheduler = new RtdsScheduler<Vcpu>();
    const g = makeGuest({ scheduler });
    const other = addGuest(g.hv).domain;
    scheduler.adjust(g.domain.domid, "all", { periodUs: 10_000, budgetUs: 2_000, extratime: false });
    scheduler.adjust(other.domid, "all", { periodUs: 20_000, budgetUs: 10_000, extratime: false });
    runFor(g.hv, SECOND);
    expect(ranMs(g.vcpu)).toBeGreaterThan(195);
    expect(ranMs(g.vcpu)).toBeLessThan(205);
    expect(ranMs(other.vcpus[0])).toBeGreaterThan(490);
    expect(ranMs(other.vcpus[0])).toBeLessThan(510);
  });

  it("null refuses a second guest, and takes one when the first is gone", () => {
    const g = makeGuest({ scheduler: new NullScheduler<Vcpu>() });
    expect(() => addGuest(g.hv)).toThrow(/null scheduler gives each vcpu a processor of its own/);
    const free = g.hv.mmu.frames.ownedBy(g.domain.domid);
    g.hv.destroyDomain(g.domain);
    for (let n = 0; n < 20; n++) g.hv.runSlice(MS);
    expect(g.domain.state).toBe("destroyed");
    expect(free).toBeGreaterThan(0);
    const { domain } = addGuest(g.hv);
    g.hv.runSlice(5 * MS);
    expect(ranMs(domain.vcpus[0])).toBeGreaterThan(4);
    expect(g.hv.auditFrames()).toEqual([]);
  });
});

describe("periodic ticks", () => {
  it("go to whoever has the processor alone, and one that fell due meanwhile when it has it again", () => {
    const g = makeGuest({ scheduler: new BvtScheduler<Vcpu>() });
    const vcpus = [g.vcpu, ...Array.from({ length: 15 }, () => addGuest(g.hv).domain.vcpus[0])];
    const ticks = new Map(vcpus.map(({ domain }) => [domain.domid, 0]));
    const { events } = g.hv;
    const raise = events.raiseVirq.bind(events);
    events.raiseVirq = (domid, vcpu, virq) => {
      if (virq === VIRQ_TIMER) {
        expect(g.hv.current?.domain.domid).toBe(domid);
        ticks.set(domid, (ticks.get(domid) ?? 0) + 1);
      }
      return raise(domid, vcpu, virq);
    };
    runFor(g.hv, 2 * SECOND);
    // 25 turns of 5 ms each in which all that it missed is one tick.
    for (const count of ticks.values()) {
      expect(count).toBeGreaterThanOrEqual(20);
      expect(count).toBeLessThanOrEqual(30);
    }
  });
});

describe("run states", () => {
  it("nothing is stolen from one that is paused, and what waits for the processor is", () => {
    const g = makeGuest();
    const { hv, vcpu } = g;
    runFor(hv, 10 * MS);
    hv.pauseDomain(g.domain);
    expect(vcpu.runstate.state).toBe(RUNSTATE_offline);
    g.clock.advance(50 * MS);
    hv.unpauseDomain(g.domain);
    expect(vcpu.runstate.state).toBe(RUNSTATE_runnable);
    expect(vcpu.runstate.timeNs[RUNSTATE_offline]).toBeGreaterThanOrEqual(50 * MS);
    g.clock.advance(5 * MS);
    hv.runSlice(MS);
    expect(vcpu.runstate.timeNs[RUNSTATE_runnable]).toBeGreaterThanOrEqual(5 * MS);
    expect(vcpu.runstate.timeNs[RUNSTATE_runnable]).toBeLessThan(8 * MS);
  });

  it("one that sleeps and is paused is asleep, and when it is woken then, stands still", () => {
    const g = makeGuest();
    const { hv, vcpu } = g;
    vcpu.blocked = true;
    hv.runSlice(MS);
    hv.pauseDomain(g.domain);
    expect(vcpu.runstate.state).toBe(RUNSTATE_blocked);
    hv.wake(vcpu);
    expect(vcpu.runstate.state).toBe(RUNSTATE_offline);
    hv.unpauseDomain(g.domain);
    expect(vcpu.runstate.state).toBe(RUNSTATE_runnable);
    hv.runSlice(MS);
    expect(ranMs(vcpu)).toBeGreaterThan(0.9);
  });
});
