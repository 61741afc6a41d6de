import type { Hypervisor } from "./hypervisor.ts";

/** No domain. */
const NOBODY = -1;

/**
 * Time that TypeScript domains spend on others' requests, taken from the shares of those who asked. Without this, a guest that
 * keeps Dom0's backends busy would have their time besides its own, and so more than its weight gives it.
 */
export class ServiceTime {
  private served = NOBODY;
  private sinceNs = 0;

  constructor(private readonly hv: Hypervisor) {}

  /** Whom the work at hand is for; undefined: nobody in particular. */
  get beneficiary(): number | undefined {
    return this.served === NOBODY ? undefined : this.served;
  }

  /** Does work that a domain asked for. May be nested: then the inner work is not the outer domain's. */
  during<T>(domid: number, work: () => T): T {
    // Inside of a guest's own turn the time is that guest's already.
    if (domid === this.served || this.hv.current?.running) return work();
    const former = this.served;
    this.switchTo(domid);
    try {
      return work();
    } finally {
      this.switchTo(former);
    }
  }

  private switchTo(domid: number): void {
    const { hv } = this;
    const now = hv.now();
    const spent = now - this.sinceNs;
    if (this.served !== NOBODY && spent > 0) {
      const domain = hv.domains.get(this.served);
      if (domain !== undefined) {
        domain.servedNs += spent;
        domain.pool.scheduler.bill(this.served, spent, now);
      }
    }
    this.served = domid;
    this.sinceNs = now;
  }
}
