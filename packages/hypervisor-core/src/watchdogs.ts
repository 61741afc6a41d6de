import { EINVAL, ENOSPC, SHUTDOWN_watchdog } from "@xen-node/xen-abi";
import type { Domain } from "./domain.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { Timer } from "./timers.ts";

const WATCHDOGS_PER_DOMAIN = 2;
const NS_PER_SECOND = 1e9;
/** Xen 4.17 computes this errno in 32 bits without a sign, so 64-bit guests see 0xffffffe4 and not -28. */
const NONE_FREE = 2 ** 32 - ENOSPC;

/** SCHEDOP_watchdog: timers that shut a domain down unless it keeps re-arming them. */
export class Watchdogs {
  private readonly timers = new Map<Domain, (Timer | undefined)[]>();

  constructor(private readonly hv: Hypervisor) {}

  /**
   * id 0: a new watchdog of `seconds`; its id is the result, or NONE_FREE when all are in use. -EINVAL for 0 seconds, for
   * which Xen makes one that ends the domain at once.
   * Otherwise re-arms that one, or with 0 seconds destroys it.
   */
  operate(domain: Domain, id: number, seconds: number): number {
    if (id > WATCHDOGS_PER_DOMAIN) return -EINVAL;
    let slots = this.timers.get(domain);
    if (slots === undefined) {
      slots = new Array<Timer | undefined>(WATCHDOGS_PER_DOMAIN).fill(undefined);
      this.timers.set(domain, slots);
    }
    const deadline = this.hv.now() + seconds * NS_PER_SECOND;
    if (id === 0) {
      const free = slots.indexOf(undefined);
      if (free < 0) return NONE_FREE;
      if (seconds === 0) return -EINVAL;
      const timer = new Timer(() => this.hv.shutdownDomain(domain, SHUTDOWN_watchdog));
      slots[free] = timer;
      this.hv.timers.set(timer, deadline);
      return free + 1;
    }
    const timer = slots[id - 1];
    if (timer === undefined) return -EINVAL;
    if (seconds === 0) {
      this.hv.timers.stop(timer);
      slots[id - 1] = undefined;
    } else {
      this.hv.timers.set(timer, deadline);
    }
    return 0;
  }

  /** The domain is gone. */
  remove(domain: Domain): void {
    for (const timer of this.timers.get(domain) ?? []) if (timer !== undefined) this.hv.timers.stop(timer);
    this.timers.delete(domain);
  }
}
