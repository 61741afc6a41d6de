import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { DomainConsole } from "./console.ts";
import { DomainEventChannels } from "./event-channel.ts";
import { DomainGrantTable } from "./grant-table.ts";
import type { Hypercalls } from "./interface.ts";
import { DomainMemory } from "./memory.ts";
import { DomainSched } from "./sched.ts";
import { DomainVersion } from "./version.ts";

/** The typed hypercalls of a domain, whoever calls them. */
export function createHypercalls(hv: Hypervisor, domain: Domain): Hypercalls {
  return {
    domid: domain.domid,
    eventChannel: new DomainEventChannels(hv, domain),
    grantTable: new DomainGrantTable(hv, domain),
    memory: new DomainMemory(hv, domain),
    sched: new DomainSched(hv, domain),
    version: new DomainVersion(hv, domain),
    console: new DomainConsole(hv, domain),
  };
}
