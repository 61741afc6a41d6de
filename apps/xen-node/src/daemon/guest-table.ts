import { EventEmitter, once } from "node:events";
import { performance } from "node:perf_hooks";
import type { Caller, DomainInfo } from "@xen-node/control";
import { ControlError, unknownDomain } from "@xen-node/control";
import type { Cpupool } from "@xen-node/hypervisor-core";
import { domainInfo, domainTimeNs } from "./domain-info.ts";
import type { HostedGuest } from "./hosted-guest.ts";

const NO_UUID = "00000000-0000-0000-0000-000000000000";

/** The guests of a daemon, and Domain-0, which is the daemon itself. */
export class GuestTable {
  private readonly guests = new Set<HostedGuest>();
  /** "change": a domain shut down, or is gone. */
  private readonly changes = new EventEmitter().setMaxListeners(0);
  /** Time of guests that are gone, ns. */
  private formerTimeNs = 0;

  /**
   * @param startTime of the daemon, seconds since 1970
   * @param pool Domain-0's
   */
  constructor(
    readonly startTime: number,
    private readonly pool: Pick<Cpupool, "name">,
  ) {}

  add(hosted: HostedGuest): void {
    this.guests.add(hosted);
  }

  /** The guest has a new domain. */
  leaveDomain(hosted: HostedGuest): void {
    this.formerTimeNs += domainTimeNs(hosted.domain);
    this.changes.emit("change");
  }

  remove(hosted: HostedGuest): void {
    if (!this.guests.delete(hosted)) return;
    this.leaveDomain(hosted);
  }

  /** A domain has shut down. */
  noteShutdown(): void {
    this.changes.emit("change");
  }

  [Symbol.iterator](): Iterator<HostedGuest> {
    return this.guests.values();
  }

  byName(name: string): HostedGuest | undefined {
    return [...this.guests].find(({ guest }) => guest.name === name);
  }

  /** By number, if the text is one, else by name, as xl does. @throws ControlError */
  find(text: string): HostedGuest {
    if (text === "0" || text === "Domain-0")
      throw new ControlError("refused", "Domain-0 is the daemon itself: this can only be done to a guest.");
    const found = /^\d+$/.test(text)
      ? [...this.guests].find(({ domain }) => domain.domid === Number(text))
      : this.byName(text);
    if (found === undefined) throw unknownDomain(text);
    return found;
  }

  /** All domains, or one, by number. @throws ControlError */
  list(domain?: string): DomainInfo[] {
    if (domain === "0" || domain === "Domain-0") return [this.dom0()];
    const guests = domain === undefined ? [...this.guests] : [this.find(domain)];
    const infos = guests.map(({ guest, domain: now, startTime }) =>
      domainInfo(now, { name: guest.name, uuid: guest.uuid, startTime }),
    );
    infos.sort((a, b) => a.domid - b.domid);
    return domain === undefined ? [this.dom0(), ...infos] : infos;
  }

  /** Resolves when the domain has shut down (with why), or is gone (null), or the caller is. */
  async wait(domid: number, gone: boolean, caller: Caller): Promise<number | null> {
    const left = new AbortController();
    caller.onGone(() => left.abort());
    for (;;) {
      const hosted = [...this.guests].find(({ domain }) => domain.domid === domid);
      if (hosted === undefined) return null;
      const { shutdownReason } = hosted.domain;
      if (!gone && shutdownReason !== undefined) return shutdownReason;
      const changed = await once(this.changes, "change", { signal: left.signal }).catch(() => undefined);
      if (changed === undefined) return null;
    }
  }

  /**
   * Dom0's programs and the hypervisor own no frames of the guests' memory; their time is what the event loop was busy
   * beside running guests.
   */
  private dom0(): DomainInfo {
    const guestsNs = [...this.guests].reduce((sum, { domain }) => sum + domainTimeNs(domain), this.formerTimeNs);
    const timeNs = Math.max(0, performance.eventLoopUtilization().active * 1e6 - guestsNs);
    return {
      domid: 0,
      name: "Domain-0",
      uuid: NO_UUID,
      memoryKib: 0,
      maxMemoryKib: 0,
      vcpus: [{ id: 0, online: true, running: true, blocked: false, timeNs, processor: 0, affinity: null }],
      pool: this.pool.name,
      running: true,
      blocked: false,
      paused: false,
      dying: false,
      shutdownReason: null,
      timeNs,
      startTime: this.startTime,
    };
  }
}
