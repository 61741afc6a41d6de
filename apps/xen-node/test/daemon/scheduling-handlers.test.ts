import { ControlError } from "@xen-node/control";
import { Hypervisor, type Vcpu } from "@xen-node/hypervisor-core";
import { createScheduler, type SchedulerName } from "@xen-node/schedulers";
import type { Guest } from "@xen-node/toolstack";
import { describe, expect, it } from "vitest";
import { ConsoleViewers } from "../../src/daemon/console-viewers.ts";
import { GuestTable } from "../../src/daemon/guest-table.ts";
import { schedulingHandlers } from "../../src/daemon/scheduling-handlers.ts";

/** A hypervisor with two domains of two vcpus each, and what the daemon answers about them. */
function daemon(scheduler: SchedulerName) {
  const hypervisor = new Hypervisor({ memoryBytes: 80 * 2 ** 20, scheduler: createScheduler<Vcpu>(scheduler) });
  const table = new GuestTable(0);
  let wakes = 0;
  for (const name of ["web", "db"]) {
    const domain = hypervisor.createDomain({ kind: "pv", maxPages: 16, vcpus: scheduler === "null" ? 1 : 2 });
    const console = { onOutput: () => () => {} } as unknown as Guest["console"];
    const guest = { name, console } as Guest;
    table.add({ guest, domain, viewers: new ConsoleViewers(console), startTime: 0 });
    if (scheduler === "null") break;
  }
  const handlers = schedulingHandlers({ hypervisor, wake: () => wakes++ }, table);
  return { handlers, hypervisor, wakes: () => wakes };
}

describe("a daemon's schedulers", () => {
  it("credit2: lists, changes, refuses", () => {
    const { handlers, wakes } = daemon("credit2");
    handlers["sched-credit2"]({ domain: "db", weight: 512, cap: 150 });
    handlers["sched-credit2-ratelimit"]({ ratelimitUs: 5000 });
    expect(wakes()).toBe(1);
    expect(handlers.scheduling({})).toEqual({
      scheduler: "credit2",
      ratelimitUs: 5000,
      domains: [
        { domid: 1, name: "web", weight: 256, cap: 0 },
        { domid: 2, name: "db", weight: 512, cap: 150 },
      ],
    });
    expect(() => handlers["sched-credit2"]({ domain: "1", weight: 70_000 })).toThrow(/weight out of range/);
    expect(() => handlers["sched-bvt"]({ domain: "1" })).toThrow("the machine's scheduler is credit2, not bvt.");
    expect(() => handlers.scheduling({ domain: "nobody" })).toThrow(ControlError);
    expect(() => handlers.scheduling({ domain: "0" })).toThrow(/Domain-0 is the daemon itself/);
  });

  it("rtds and bvt", () => {
    const rtds = daemon("rtds").handlers;
    rtds["sched-rtds"]({ domain: "web", vcpu: 1, periodUs: 20_000, budgetUs: 1000, extratime: false });
    rtds["sched-rtds"]({ domain: "db", vcpu: null, periodUs: 30_000, budgetUs: 3000, extratime: true });
    expect(rtds.scheduling({ domain: "web" })).toMatchObject({
      domains: [
        {
          vcpus: [
            { id: 0, budgetUs: 4000 },
            { id: 1, periodUs: 20_000, budgetUs: 1000, extratime: false },
          ],
        },
      ],
    });
    expect(rtds.scheduling({ domain: "2" })).toMatchObject({
      domains: [{ vcpus: [{ budgetUs: 3000 }, { budgetUs: 3000 }] }],
    });
    const bvt = daemon("bvt").handlers;
    bvt["sched-bvt"]({ domain: "web", mcuAdvance: 105, warpback: true });
    bvt["sched-bvt-allowance"]({ contextAllowanceMs: 50 });
    expect(bvt.scheduling({})).toMatchObject({
      contextAllowanceMs: 50,
      domains: [{ mcuAdvance: 105, warpback: true, warpl: 2000 }, { mcuAdvance: 10 }],
    });
    expect(daemon("null").handlers.scheduling({})).toEqual({ scheduler: "null", domains: [{ domid: 1, name: "web" }] });
  });

  it("pins vcpus to processors that there are", () => {
    const { handlers, hypervisor } = daemon("credit2");
    handlers["vcpu-pin"]({ domain: "web", vcpu: 1, processors: "0" });
    handlers["vcpu-pin"]({ domain: "db", vcpu: null, processors: "0-3" });
    const affinities = [1, 2].map((domid) => hypervisor.domains.get(domid)?.vcpus.map(({ unit }) => unit.affinity));
    expect(affinities).toEqual([
      [-1, 1],
      [15, 15],
    ]);
    expect(() => handlers["vcpu-pin"]({ domain: "web", vcpu: 0, processors: "1" })).toThrow("processor 0 alone");
    expect(() => handlers["vcpu-pin"]({ domain: "web", vcpu: 2, processors: "0" })).toThrow("web has no vcpu 2.");
    expect(() => handlers["vcpu-pin"]({ domain: "web", vcpu: 0, processors: "x" })).toThrow(/is no list of processors/);
  });
});
