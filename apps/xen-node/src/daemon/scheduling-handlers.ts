import { ControlError, type OperationHandlers, type SchedulingInfo } from "@xen-node/control";
import type { Cpupool } from "@xen-node/hypervisor-core";
import { type Machine, parseProcessorList } from "@xen-node/toolstack";
import { findPool } from "./cpupool-handlers.ts";
import type { GuestTable } from "./guest-table.ts";
import type { HostedGuest } from "./hosted-guest.ts";

type Hosted = Pick<HostedGuest, "guest" | "domain">;

/** Shares and pinning, as xl's sched-* and vcpu-pin ask for them. What they change is gone when the guest restarts. */
export function schedulingHandlers(
  machine: Pick<Machine, "hypervisor" | "wake">,
  table: Pick<GuestTable, "find" | typeof Symbol.iterator>,
) {
  const { hypervisor } = machine;
  const { cpupools } = hypervisor;
  /** Those with vcpus that may still run, by number. */
  const scheduled = (hosted: Iterable<Hosted>): Hosted[] =>
    [...hosted]
      .filter(({ domain: { state } }) => state === "running" || state === "shutdown")
      .sort((a, b) => a.domain.domid - b.domain.domid);
  return {
    scheduling: ({ domain }) => {
      if (domain !== undefined) {
        const hosted = table.find(domain);
        return [describe(hosted.domain.pool, scheduled([hosted]))];
      }
      const all = scheduled(table);
      return cpupools.list.map((pool) =>
        describe(
          pool,
          all.filter((hosted) => hosted.domain.pool === pool),
        ),
      );
    },
    "sched-credit2": ({ domain, ...changes }) => {
      const { domid, pool } = table.find(domain).domain;
      if (pool.scheduler.name !== "credit2") return refuse(pool, "credit2");
      pool.scheduler.adjust(domid, changes);
      machine.wake();
      return null;
    },
    "sched-credit2-ratelimit": ({ pool: text, ratelimitUs }) => {
      const pool = findPool(cpupools, text);
      if (pool.scheduler.name !== "credit2") return refuse(pool, "credit2");
      pool.scheduler.ratelimitUs = ratelimitUs;
      return null;
    },
    "sched-rtds": ({ domain, vcpu, ...parameters }) => {
      const { domid, pool } = table.find(domain).domain;
      if (pool.scheduler.name !== "rtds") return refuse(pool, "rtds");
      pool.scheduler.adjust(domid, vcpu ?? "all", parameters);
      machine.wake();
      return null;
    },
    "sched-bvt": ({ domain, ...changes }) => {
      const { domid, pool } = table.find(domain).domain;
      if (pool.scheduler.name !== "bvt") return refuse(pool, "bvt");
      pool.scheduler.adjust(domid, changes);
      machine.wake();
      return null;
    },
    "sched-bvt-allowance": ({ pool: text, contextAllowanceMs }) => {
      const pool = findPool(cpupools, text);
      if (pool.scheduler.name !== "bvt") return refuse(pool, "bvt");
      pool.scheduler.contextAllowanceMs = contextAllowanceMs;
      return null;
    },
    "vcpu-pin": ({ domain, vcpu, processors }) => {
      const { guest, domain: now } = table.find(domain);
      const affinity = parseProcessorList(processors);
      const chosen = vcpu === null ? now.vcpus : now.vcpus.filter(({ id }) => id === vcpu);
      if (chosen.length === 0) throw new ControlError("refused", `${guest.name} has no vcpu ${vcpu}.`);
      for (const { unit } of chosen) now.pool.scheduler.pin(unit, affinity, hypervisor.now());
      machine.wake();
      return null;
    },
  } satisfies OperationHandlers;
}

function refuse({ name, scheduler }: Cpupool, wanted: string): never {
  throw new ControlError("refused", `the scheduler of ${name} is ${scheduler.name}, not ${wanted}.`);
}

function describe({ name: pool, scheduler }: Cpupool, hosted: readonly Hosted[]): SchedulingInfo {
  const domains = hosted.map(({ guest, domain }) => ({ domid: domain.domid, name: guest.name }));
  switch (scheduler.name) {
    case "credit2":
      return {
        scheduler: "credit2",
        pool,
        ratelimitUs: scheduler.ratelimitUs,
        domains: domains.map((domain) => ({ ...domain, ...scheduler.parametersOf(domain.domid) })),
      };
    case "rtds":
      return {
        scheduler: "rtds",
        pool,
        domains: domains.map((domain) => ({
          ...domain,
          vcpus: scheduler.parametersOf(domain.domid).map((parameters, id) => ({ id, ...parameters })),
        })),
      };
    case "bvt":
      return {
        scheduler: "bvt",
        pool,
        contextAllowanceMs: scheduler.contextAllowanceMs,
        domains: domains.map((domain) => ({ ...domain, ...scheduler.parametersOf(domain.domid) })),
      };
    case "null":
      return { scheduler: "null", pool, domains };
  }
}
