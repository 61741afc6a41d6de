import type { PortStatus } from "@xen-node/event-channels";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { TraceKind } from "../trace.ts";
import type { EventChannelCalls, EventChannelStatus } from "./interface.ts";

/** Event channel operations of one domain. */
export class DomainEventChannels implements EventChannelCalls {
  private readonly out: PortStatus = { status: 0, vcpu: 0, dom: 0, port: 0, virq: 0 };

  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {}

  allocUnbound(domid: number, remoteDomid: number): number {
    return this.hv.events.allocUnbound(this.domain.domid, domid, remoteDomid);
  }

  bindInterdomain(remoteDomid: number, remotePort: number): number {
    return this.hv.events.bindInterdomain(this.domain.domid, remoteDomid, remotePort);
  }

  bindVirq(virq: number, vcpu: number): number {
    return this.hv.events.bindVirq(this.domain.domid, virq, vcpu);
  }

  bindIpi(vcpu: number): number {
    return this.hv.events.bindIpi(this.domain.domid, vcpu);
  }

  bindVcpu(port: number, vcpu: number): number {
    return this.hv.events.bindVcpu(this.domain.domid, port, vcpu);
  }

  close(port: number): number {
    return this.hv.events.close(this.domain.domid, port);
  }

  send(port: number): number {
    if (this.hv.trace.enabled) this.hv.traceDomainEvent(TraceKind.event, this.domain, port);
    return this.hv.events.send(this.domain.domid, port);
  }

  status(domid: number, port: number): EventChannelStatus | number {
    const { out } = this;
    const rc = this.hv.events.status(this.domain.domid, domid, port, out);
    if (rc !== 0) return rc;
    return { status: out.status, vcpu: out.vcpu, remoteDomid: out.dom, remotePort: out.port, virq: out.virq };
  }

  unmask(port: number): number {
    return this.hv.events.unmask(this.domain.domid, port);
  }

  reset(domid: number): number {
    return this.hv.events.reset(this.domain.domid, domid);
  }

  initControl(gfn: number, offset: number, vcpu: number): number {
    return this.hv.events.initControl(this.domain.domid, vcpu, gfn, offset);
  }

  expandArray(gfn: number): number {
    return this.hv.events.expandArray(this.domain.domid, gfn);
  }

  setPriority(port: number, priority: number): number {
    return this.hv.events.setPriority(this.domain.domid, port, priority);
  }
}
