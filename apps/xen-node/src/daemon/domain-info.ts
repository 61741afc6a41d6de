import type { DomainInfo } from "@xen-node/control";
import type { Domain, Vcpu } from "@xen-node/hypervisor-core";
import { allOf, processorsOf } from "@xen-node/schedulers";
import { RUNSTATE_running } from "@xen-node/xen-abi";

const PAGE_KIB = 4;

/** Time that a domain's vcpus had the processor. */
export const domainTimeNs = (domain: Domain): number => domain.vcpus.reduce((sum, vcpu) => sum + vcpuTimeNs(vcpu), 0);

const vcpuTimeNs = (vcpu: Vcpu): number => vcpu.runstate.timeNs[RUNSTATE_running];

/** What XEN_DOMCTL_getdomaininfo tells of a domain. */
export function domainInfo(domain: Domain, known: Pick<DomainInfo, "name" | "uuid" | "startTime">): DomainInfo {
  const online = domain.vcpus.filter(({ down }) => !down);
  return {
    domid: domain.domid,
    ...known,
    memoryKib: domain.totalPages * PAGE_KIB,
    maxMemoryKib: domain.maxPages * PAGE_KIB,
    vcpus: domain.vcpus.map((vcpu) => ({
      id: vcpu.id,
      online: !vcpu.down,
      running: vcpu.running,
      blocked: vcpu.blocked,
      timeNs: vcpuTimeNs(vcpu),
      processor: vcpu.processor,
      affinity: affinityOf(vcpu),
    })),
    pool: domain.pool.name,
    running: online.some(({ running }) => running),
    blocked: online.every(({ blocked }) => blocked),
    paused: domain.paused,
    dying: domain.state === "dying" || domain.state === "destroyed",
    shutdownReason: domain.shutdownReason ?? null,
    timeNs: domainTimeNs(domain),
  };
}

function affinityOf({ domain, unit }: Vcpu): number[] | null {
  const all = allOf(domain.pool.scheduler.processors);
  const pinned = unit.affinity & all;
  return pinned === all ? null : processorsOf(pinned);
}
