import { Credit2Scheduler, NullScheduler } from "@xen-node/schedulers";
import { ExitReason } from "@xen-node/x86-cpu";
import { RUNSTATE_runnable, RUNSTATE_running } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { CpupoolError, type Domain, type Hypervisor, Timer, type Vcpu } from "../src/index.ts";
import { addGuest, makeGuest } from "./machine.ts";

const MS = 1_000_000;
const SECOND = 1000 * MS;

const ranMs = (vcpu: Vcpu): number => vcpu.runstate.timeNs[RUNSTATE_running] / MS;

function runFor(hv: Hypervisor, ns: number): void {
  const end = hv.now() + ns;
  while (hv.now() < end) if (hv.runSlice(MS) === Number.POSITIVE_INFINITY) return;
}

/** A machine of so many processors, with guests that compute, all in Pool-0. */
function machine(processors: number, guests: number) {
  const g = makeGuest({ scheduler: new Credit2Scheduler<Vcpu>(processors) });
  const domains: Domain[] = [g.domain, ...Array.from({ length: guests - 1 }, () => addGuest(g.hv).domain)];
  const ran = (): number[] => domains.map(({ vcpus }) => ranMs(vcpus[0]));
  return { ...g, domains, ran, pools: g.hv.cpupools };
}

describe("pools of processors", () => {
  it("each have the time of their processors, whoever else there is", () => {
    const { hv, domains, pools, ran } = machine(4, 6);
    for (const processor of [2, 3]) pools.removeProcessor(pools.initial, processor);
    const other = pools.create("other", "bvt", [2]);
    expect(pools.list.map(({ name, processors }) => [name, processors])).toEqual([
      ["Pool-0", [0, 1]],
      ["other", [2]],
    ]);
    expect(pools.free).toEqual([3]);
    pools.move(domains[0], other);
    expect(pools.domainsIn(other)).toBe(1);
    runFor(hv, 3 * SECOND);
    // Three processors, of which the one in the other pool is one guest's alone, and the other five share two.
    const [alone, ...rest] = ran();
    expect(alone).toBeGreaterThan(990);
    expect(alone).toBeLessThan(1010);
    for (const one of rest) expect(Math.abs(one - 400)).toBeLessThan(20);
    expect(domains.map(({ vcpus }) => vcpus[0].processor)).toEqual([2, ...Array(5).fill(expect.any(Number))]);
    for (const { vcpus } of domains.slice(1)) expect(vcpus[0].processor).toBeLessThan(2);
    // What it did not have, it saw stolen.
    const { timeNs, entryNs } = domains[0].vcpus[0].runstate;
    expect(timeNs[RUNSTATE_running] + timeNs[RUNSTATE_runnable] + hv.now() - entryNs).toBeGreaterThan(2.99 * SECOND);

    pools.move(domains[0], pools.initial);
    pools.destroy(other);
    expect(pools.free).toEqual([2, 3]);
    const before = ran();
    runFor(hv, 3 * SECOND);
    for (const [at, now] of ran().entries()) expect(Math.abs(now - before[at] - 500)).toBeLessThan(25);
  });

  it("have it even if others' vcpus sleep all the time, and leave what they do not need", () => {
    const { hv, cpu, domains, pools, ran } = machine(2, 2);
    pools.removeProcessor(pools.initial, 1);
    pools.move(domains[1], pools.create("other", "credit2", [1]));
    const sleeper = domains[1].vcpus[0];
    const alarm = new Timer(() => hv.wake(sleeper));
    let restNs = 0;
    cpu.script = (budget) => {
      if (hv.current !== sleeper) {
        cpu.retired += budget;
        return ExitReason.BUDGET;
      }
      // 100 us at a time.
      cpu.retired += 10_000;
      sleeper.blocked = true;
      hv.timers.set(alarm, hv.now() + restNs);
      return ExitReason.BUDGET;
    };
    runFor(hv, SECOND);
    // It is there again at once: half of the time is its own, however small the pieces.
    expect(ran()[1]).toBeGreaterThan(480);
    expect(ran()[1]).toBeLessThan(520);
    restNs = 10 * MS;
    const before = ran();
    runFor(hv, SECOND);
    expect(ran()[1] - before[1]).toBeLessThan(12);
    expect(ran()[0] - before[0]).toBeGreaterThan(985);
  });

  it("null gives each of two vcpus a processor", () => {
    const g = makeGuest({ scheduler: new NullScheduler<Vcpu>(2) });
    const second = addGuest(g.hv).domain;
    expect(() => addGuest(g.hv)).toThrow(/there is none left/);
    runFor(g.hv, SECOND);
    for (const vcpu of [g.vcpu, second.vcpus[0]]) expect(Math.abs(ranMs(vcpu) - 500)).toBeLessThan(5);
    // Nor does one who comes from another pool get more than there is: it stays where it is.
    const pools = g.hv.cpupools;
    expect(() => pools.removeProcessor(pools.initial, 1)).toThrow(/there is none left/);
    expect(pools.initial.processors).toEqual([0, 1]);
    g.hv.destroyDomain(second);
    runFor(g.hv, 20 * MS);
    pools.removeProcessor(pools.initial, 1);
    const other = pools.create("other", "credit2", [1]);
    const guests = [1, 2].map(() => g.hv.createDomain({ kind: "pv", maxPages: 16, pool: other }));
    expect(() => pools.move(guests[0], pools.initial)).toThrow(/there is none left/);
    expect(guests[0].pool).toBe(other);
    g.hv.destroyDomain(g.domain);
    runFor(g.hv, 20 * MS);
    pools.move(guests[0], pools.initial);
    expect(guests[0].pool).toBe(pools.initial);
    expect(guests[0].vcpus[0].processor).toBe(0);
  });

  it("refuse in a sentence what cannot be", () => {
    const { hv, domains, pools } = machine(2, 1);
    const refused = (what: () => void, why: RegExp): void => {
      expect(what).toThrow(CpupoolError);
      expect(what).toThrow(why);
    };
    const dom0 = hv.createDomain({ kind: "typescript", domid: 0, maxPages: 0 });
    refused(() => pools.create("a", "credit2", [1]), /^cpu 1 illegal or not free$/);
    refused(() => pools.create("a", "credit2", [2]), /^cpu 2 illegal or not free$/);
    refused(() => pools.create("Pool-0", "credit2", []), /already exists/);
    refused(() => pools.create("7", "credit2", []), /is no name/);
    refused(() => pools.destroy(pools.initial), /pool of Domain-0/);
    pools.removeProcessor(pools.initial, 0);
    refused(() => pools.removeProcessor(pools.initial, 0), /has no cpu 0/);
    refused(() => pools.removeProcessor(pools.initial, 1), /the last one of Pool-0/);
    const empty = pools.create("empty", "rtds", []);
    expect([empty.id, pools.find("empty"), pools.find("1"), pools.find("2")]).toEqual([1, empty, empty, undefined]);
    refused(() => pools.move(domains[0], empty), /has no processors/);
    pools.addProcessor(empty, 0);
    refused(() => pools.addProcessor(empty, 1), /not free/);
    refused(() => pools.move(dom0, empty), /Domain-0 stays/);
    pools.move(domains[0], empty);
    refused(() => pools.destroy(empty), /empty has 1 domain/);
    pools.rename(empty, "full");
    refused(() => pools.rename(empty, "Pool-0"), /already exists/);
    expect(pools.find("full")).toBe(empty);
    hv.destroyDomain(domains[0]);
    runFor(hv, 20 * MS);
    pools.destroy(empty);
    expect(pools.list).toEqual([pools.initial]);
  });
});
