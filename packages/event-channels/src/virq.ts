import { NR_VIRQS, VIRQ_ARGO, VIRQ_DEBUG, VIRQ_TIMER, VIRQ_XENOPROF, VIRQ_XENPMU } from "@xen-node/xen-abi";

/** Who a VIRQ is raised at: each vcpu, each domain, or the one domain that handles it for the machine. */
export type VirqScope = "vcpu" | "domain" | "global";

/** Scope of a VIRQ number below NR_VIRQS, by the list in xen/include/public/xen.h; x86 has no special arch VIRQs. */
export function virqScope(virq: number): VirqScope {
  switch (virq) {
    case VIRQ_TIMER:
    case VIRQ_DEBUG:
    case VIRQ_XENOPROF:
    case VIRQ_XENPMU:
      return "vcpu";
    case VIRQ_ARGO:
      return "domain";
    default:
      return "global";
  }
}

/** Which domain each global VIRQ goes to: the hardware domain unless another was appointed. */
export class GlobalVirqHandlers {
  private readonly appointed = new Int32Array(NR_VIRQS).fill(-1);

  constructor(private readonly hardwareDomain: number) {}

  handlerOf(virq: number): number {
    const domid = this.appointed[virq];
    return domid < 0 ? this.hardwareDomain : domid;
  }

  set(virq: number, domid: number): void {
    this.appointed[virq] = domid;
  }

  /** A domain is gone: what it handled goes back to the hardware domain. */
  forget(domid: number): void {
    for (let virq = 0; virq < NR_VIRQS; virq++) {
      if (this.appointed[virq] === domid) this.appointed[virq] = -1;
    }
  }
}
