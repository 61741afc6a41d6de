import { ControlError } from "@xen-node/control";
import { Hypervisor, type Vcpu } from "@xen-node/hypervisor-core";
import { createScheduler, type SchedulerName } from "@xen-node/schedulers";
import type { Guest } from "@xen-node/toolstack";
import { describe, expect, it } from "vitest";
import { ConsoleViewers } from "../../src/daemon/console-viewers.ts";
import { cpupoolHandlers } from "../../src/daemon/cpupool-handlers.ts";
import { GuestTable } from "../../src/daemon/guest-table.ts";
import { schedulingHandlers } from "../../src/daemon/scheduling-handlers.ts";

/** A hypervisor with two domains of two vcpus each, and what the daemon answers about them. */
function daemon(scheduler: SchedulerName, cpus = 1) {
  const hypervisor = new Hypervisor({ memoryBytes: 80 * 2 ** 20, scheduler: createScheduler<Vcpu>(scheduler, cpus) });
  const table = new GuestTable(0, hypervisor.cpupools.initial);
  let wakes = 0;
  for (const name of ["web", "db"]) {
    const domain = hypervisor.createDomain({ kind: "pv", maxPages: 16, vcpus: scheduler === "null" ? 1 : 2 });
    const console = { onOutput: () => () => {} } as unknown as Guest["console"];
    const guest = { name, console } as Guest;
    table.add({ guest, domain, viewers: new ConsoleViewers(console), startTime: 0 });
    if (scheduler === "null") break;
  }
  const machine = { hypervisor, wake: () => wakes++ };
  const handlers = { ...schedulingHandlers(machine, table), ...cpupoolHandlers(machine, table) };
  return { handlers, hypervisor, wakes: () => wakes };
}

describe("a daemon's schedulers", () => {
  it("credit2: lists, changes, refuses", () => {
    const { handlers, wakes } = daemon("credit2");
    handlers["sched-credit2"]({ domain: "db", weight: 512, cap: 150 });
    handlers["sched-credit2-ratelimit"]({ ratelimitUs: 5000 });
    expect(wakes()).toBe(1);
    expect(handlers.scheduling({})).toEqual([
      {
        scheduler: "credit2",
        pool: "Pool-0",
        ratelimitUs: 5000,
        domains: [
          { domid: 1, name: "web", weight: 256, cap: 0 },
          { domid: 2, name: "db", weight: 512, cap: 150 },
        ],
      },
    ]);
    expect(() => handlers["sched-credit2"]({ domain: "1", weight: 70_000 })).toThrow(/weight out of range/);
    expect(() => handlers["sched-bvt"]({ domain: "1" })).toThrow("the scheduler of Pool-0 is credit2, not bvt.");
    expect(() => handlers.scheduling({ domain: "nobody" })).toThrow(ControlError);
    expect(() => handlers.scheduling({ domain: "0" })).toThrow(/Domain-0 is the daemon itself/);
  });

  it("rtds and bvt", () => {
    const rtds = daemon("rtds").handlers;
    rtds["sched-rtds"]({ domain: "web", vcpu: 1, periodUs: 20_000, budgetUs: 1000, extratime: false });
    rtds["sched-rtds"]({ domain: "db", vcpu: null, periodUs: 30_000, budgetUs: 3000, extratime: true });
    expect(rtds.scheduling({ domain: "web" })).toMatchObject([
      {
        domains: [
          {
            vcpus: [
              { id: 0, budgetUs: 4000 },
              { id: 1, periodUs: 20_000, budgetUs: 1000, extratime: false },
            ],
          },
        ],
      },
    ]);
    expect(rtds.scheduling({ domain: "2" })).toMatchObject([
      { domains: [{ vcpus: [{ budgetUs: 3000 }, { budgetUs: 3000 }] }] },
    ]);
    const bvt = daemon("bvt").handlers;
    bvt["sched-bvt"]({ domain: "web", mcuAdvance: 105, warpback: true });
    bvt["sched-bvt-allowance"]({ contextAllowanceMs: 50 });
    expect(bvt.scheduling({})).toMatchObject([
      { contextAllowanceMs: 50, domains: [{ mcuAdvance: 105, warpback: true, warpl: 2000 }, { mcuAdvance: 10 }] },
    ]);
    expect(daemon("null").handlers.scheduling({})).toEqual([
      { scheduler: "null", pool: "Pool-0", domains: [{ domid: 1, name: "web" }] },
    ]);
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

describe("a daemon's pools", () => {
  const source = (text: string) => ({ text, file: "pool.cfg", dryRun: false });

  it("come and go, and have schedulers of their own", () => {
    const { handlers, hypervisor } = daemon("credit2", 4);
    handlers["cpupool-cpu-remove"]({ pool: "Pool-0", processors: "1-3" });
    const made = handlers["cpupool-create"](source('name = "fast"\nsched = "rtds"\ncpus = "2,3"\ncolour = "red"\n'));
    expect(made).toEqual({
      name: "fast",
      scheduler: "rtds",
      processors: [2, 3],
      warnings: ["pool.cfg, line 4: colour is no key of a cpupool (name, sched, cpus, nodes): it is passed over."],
    });
    handlers["cpupool-migrate"]({ domain: "db", pool: "fast" });
    expect(handlers["cpupool-list"]()).toEqual([
      { id: 0, name: "Pool-0", scheduler: "credit2", processors: [0], domains: 1 },
      { id: 1, name: "fast", scheduler: "rtds", processors: [2, 3], domains: 1 },
    ]);
    handlers["sched-rtds"]({ domain: "db", vcpu: null, periodUs: 30_000, budgetUs: 3000, extratime: true });
    expect(handlers.scheduling({})).toMatchObject([
      { scheduler: "credit2", pool: "Pool-0", domains: [{ name: "web" }] },
      { scheduler: "rtds", pool: "fast", domains: [{ name: "db", vcpus: [{ budgetUs: 3000 }, { budgetUs: 3000 }] }] },
    ]);
    expect(() =>
      handlers["sched-rtds"]({ domain: "web", vcpu: null, periodUs: 3, budgetUs: 3, extratime: true }),
    ).toThrow("the scheduler of Pool-0 is credit2, not rtds.");
    expect(() => handlers["sched-credit2-ratelimit"]({ pool: "fast", ratelimitUs: 5000 })).toThrow(
      "the scheduler of fast is rtds, not credit2.",
    );
    handlers["cpupool-cpu-add"]({ pool: "1", processors: "1" });
    handlers["cpupool-rename"]({ pool: "1", name: "faster" });
    expect(hypervisor.cpupools.find("faster")?.processors).toEqual([1, 2, 3]);
    expect(() => handlers["cpupool-destroy"]({ pool: "faster" })).toThrow(/has 1 domain/);
    handlers["cpupool-migrate"]({ domain: "db", pool: "0" });
    handlers["cpupool-destroy"]({ pool: "faster" });
    handlers["cpupool-cpu-add"]({ pool: "Pool-0", processors: "1-3" });
    expect(hypervisor.cpupools.free).toEqual([]);
  });

  it("are read from a file as xl reads it", () => {
    const { handlers } = daemon("bvt", 4);
    handlers["cpupool-cpu-remove"]({ pool: "0", processors: "2-3" });
    const dry = (text: string, defaultName?: string) =>
      handlers["cpupool-create"]({ ...source(text), dryRun: true, defaultName });
    expect(dry('name="a"')).toMatchObject({ scheduler: "bvt", processors: [] });
    expect(dry('cpus = [2, "3"]', "pool.cfg")).toMatchObject({ name: "pool.cfg", processors: [2, 3] });
    expect(dry('name="a"\nnodes=["0"]')).toMatchObject({ processors: [2, 3] });
    for (const [text, message] of [
      ["", "Missing cpupool name!"],
      ['name="Pool-0"', 'Pool name "Pool-0" already exists'],
      ['name="a"\nsched="fifo"', "Unknown scheduler: there are credit2, rtds, bvt, null."],
      ['name="a"\ncpus="1-2"', "cpu 1 illegal or not free"],
      ['name="a"\ncpus="all"', "cpu 0 illegal or not free"],
      ['name="a"\ncpus=[9]', "cpu 9 illegal or not free"],
      ['name="a"\nnodes=["1"]', "no free cpu found"],
    ])
      expect(() => dry(text)).toThrow(message);
    expect(handlers["cpupool-list"]()).toHaveLength(1);
  });
});
