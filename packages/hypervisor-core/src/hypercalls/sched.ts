import { EINVAL, EPERM, ESRCH, SHUTDOWN_MAX } from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { SchedCalls } from "./interface.ts";

/** Scheduling operations of one domain. */
export class DomainSched implements SchedCalls {
  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {}

  shutdown(reason: number): number {
    // Xen keeps eight bits of whatever the guest says.
    this.hv.shutdownDomain(this.domain, reason & 0xff);
    return 0;
  }

  remoteShutdown(domid: number, reason: number): number {
    const target = this.hv.domains.get(domid);
    if (target === undefined) return -ESRCH;
    if (!this.domain.privileged) return -EPERM;
    if (reason > SHUTDOWN_MAX) return -EINVAL;
    this.hv.shutdownDomain(target, reason);
    return 0;
  }
}
