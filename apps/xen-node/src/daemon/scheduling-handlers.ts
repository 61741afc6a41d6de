import { ControlError, type OperationHandlers, type SchedulingInfo } from "@xen-node/control";
import { type Machine, parseProcessorList } from "@xen-node/toolstack";
import type { GuestTable } from "./guest-table.ts";

type Named = { domid: number; name: string };

/** Shares and pinning, as xl's sched-* and vcpu-pin ask for them. What they change is gone when the guest restarts. */
export function schedulingHandlers(
  machine: Pick<Machine, "hypervisor" | "wake">,
  table: Pick<GuestTable, "find" | typeof Symbol.iterator>,
) {
  const { hypervisor } = machine;
  const { scheduler } = hypervisor;
  const refuse = (wanted: string): never => {
    throw new ControlError("refused", `the machine's scheduler is ${scheduler.name}, not ${wanted}.`);
  };
  const domidOf = (text: string): number => table.find(text).domain.domid;
  /** Those with vcpus that may still run, by number. */
  const scheduled = (text: string | undefined): Named[] => {
    const hosted = text === undefined ? [...table] : [table.find(text)];
    return hosted
      .filter(({ domain: { state } }) => state === "running" || state === "shutdown")
      .map(({ guest, domain }) => ({ domid: domain.domid, name: guest.name }))
      .sort((a, b) => a.domid - b.domid);
  };
  return {
    scheduling: ({ domain }) => describe(scheduler, scheduled(domain)),
    "sched-credit2": ({ domain, ...changes }) => {
      if (scheduler.name !== "credit2") return refuse("credit2");
      scheduler.adjust(domidOf(domain), changes);
      machine.wake();
      return null;
    },
    "sched-credit2-ratelimit": ({ ratelimitUs }) => {
      if (scheduler.name !== "credit2") return refuse("credit2");
      scheduler.ratelimitUs = ratelimitUs;
      return null;
    },
    "sched-rtds": ({ domain, vcpu, ...parameters }) => {
      if (scheduler.name !== "rtds") return refuse("rtds");
      scheduler.adjust(domidOf(domain), vcpu ?? "all", parameters);
      machine.wake();
      return null;
    },
    "sched-bvt": ({ domain, ...changes }) => {
      if (scheduler.name !== "bvt") return refuse("bvt");
      scheduler.adjust(domidOf(domain), changes);
      machine.wake();
      return null;
    },
    "sched-bvt-allowance": ({ contextAllowanceMs }) => {
      if (scheduler.name !== "bvt") return refuse("bvt");
      scheduler.contextAllowanceMs = contextAllowanceMs;
      return null;
    },
    "vcpu-pin": ({ domain, vcpu, processors }) => {
      const { guest, domain: now } = table.find(domain);
      const affinity = parseProcessorList(processors);
      const chosen = vcpu === null ? now.vcpus : now.vcpus.filter(({ id }) => id === vcpu);
      if (chosen.length === 0) throw new ControlError("refused", `${guest.name} has no vcpu ${vcpu}.`);
      for (const { unit } of chosen) scheduler.pin(unit, affinity, hypervisor.now());
      machine.wake();
      return null;
    },
  } satisfies OperationHandlers;
}

function describe(scheduler: Machine["hypervisor"]["scheduler"], domains: Named[]): SchedulingInfo {
  switch (scheduler.name) {
    case "credit2":
      return {
        scheduler: "credit2",
        ratelimitUs: scheduler.ratelimitUs,
        domains: domains.map((domain) => ({ ...domain, ...scheduler.parametersOf(domain.domid) })),
      };
    case "rtds":
      return {
        scheduler: "rtds",
        domains: domains.map((domain) => ({
          ...domain,
          vcpus: scheduler.parametersOf(domain.domid).map((parameters, id) => ({ id, ...parameters })),
        })),
      };
    case "bvt":
      return {
        scheduler: "bvt",
        contextAllowanceMs: scheduler.contextAllowanceMs,
        domains: domains.map((domain) => ({ ...domain, ...scheduler.parametersOf(domain.domid) })),
      };
    case "null":
      return { scheduler: "null", domains };
  }
}
