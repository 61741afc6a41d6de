/** Who has which address. Addresses are numbers, MAC addresses text. */
export interface Lease {
  readonly mac: string;
  readonly address: number;
  /** Infinity: a reservation. An offer has a short one. */
  expiresNs: number;
  /** The client has taken it, and not given it back. */
  confirmed: boolean;
}

/** How long an address that a client found in use is left alone. */
const DECLINED_NS = 600e9;
const OFFER_NS = 30e9;
/** Leases that one table holds, however large the network is. */
const MOST_LEASES = 65536;

/** One lease for each MAC address; expired ones are kept until somebody else needs the address. */
export class LeaseTable {
  readonly #first: number;
  readonly #last: number;
  readonly #excluded: ReadonlySet<number>;
  readonly #byMac = new Map<string, Lease>();
  readonly #byAddress = new Map<number, Lease>();
  readonly #declined = new Map<number, number>();
  /** Where the search for a free address goes on. */
  #next: number;

  constructor(first: number, last: number, excluded: ReadonlySet<number>) {
    this.#first = first;
    this.#last = Math.min(last, first + MOST_LEASES - 1);
    this.#excluded = excluded;
    this.#next = first;
  }

  get leases(): IterableIterator<Lease> {
    return this.#byMac.values();
  }

  /** An address that belongs to a MAC address for good. */
  reserve(mac: string, address: number): void {
    this.#put({ mac, address, expiresNs: Number.POSITIVE_INFINITY, confirmed: false });
  }

  ofMac(mac: string): Lease | undefined {
    return this.#byMac.get(mac);
  }

  /** Finds an address to offer, `wanted` if it is free; undefined: all are taken. */
  offer(mac: string, wanted: number, nowNs: number): Lease | undefined {
    const own = this.#byMac.get(mac);
    if (own !== undefined) {
      own.expiresNs = Math.max(own.expiresNs, nowNs + OFFER_NS);
      return own;
    }
    const address = this.#isFree(wanted, nowNs) ? wanted : this.#findFree(nowNs);
    if (address === undefined) return undefined;
    return this.#put({ mac, address, expiresNs: nowNs + OFFER_NS, confirmed: false });
  }

  /** Gives the address to the MAC address, or as long again; undefined: it can't have it. */
  confirm(mac: string, address: number, durationNs: number, nowNs: number): Lease | undefined {
    let lease = this.#byMac.get(mac);
    if (lease === undefined) {
      // After a restart of ours, clients come back with what they had.
      if (!this.#isFree(address, nowNs)) return undefined;
      lease = this.#put({ mac, address, expiresNs: 0, confirmed: false });
    }
    if (lease.address !== address) return undefined;
    lease.expiresNs = Math.max(lease.expiresNs, nowNs + durationNs);
    lease.confirmed = true;
    return lease;
  }

  /** The client gives its address back; it gets the same again as long as nobody else needs it. */
  release(mac: string, address: number, nowNs: number): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined || lease.address !== address) return;
    lease.confirmed = false;
    if (lease.expiresNs !== Number.POSITIVE_INFINITY) lease.expiresNs = nowNs;
  }

  /** The client has found that somebody else uses its address. */
  decline(mac: string, address: number, nowNs: number): void {
    const lease = this.#byMac.get(mac);
    if (lease === undefined || lease.address !== address || lease.expiresNs === Number.POSITIVE_INFINITY) return;
    this.#remove(lease);
    this.#declined.set(address, nowNs + DECLINED_NS);
  }

  #put(lease: Lease): Lease {
    const before = this.#byAddress.get(lease.address);
    if (before !== undefined) this.#remove(before);
    const own = this.#byMac.get(lease.mac);
    if (own !== undefined) this.#remove(own);
    this.#byMac.set(lease.mac, lease);
    this.#byAddress.set(lease.address, lease);
    return lease;
  }

  #remove(lease: Lease): void {
    this.#byMac.delete(lease.mac);
    this.#byAddress.delete(lease.address);
  }

  #isFree(address: number, nowNs: number): boolean {
    if (address < this.#first || address > this.#last || this.#excluded.has(address)) return false;
    const lease = this.#byAddress.get(address);
    if (lease !== undefined && lease.expiresNs > nowNs) return false;
    const declined = this.#declined.get(address);
    if (declined === undefined) return true;
    if (declined > nowNs) return false;
    this.#declined.delete(address);
    return true;
  }

  /** Prefers addresses that nobody ever had, then the next expired one. */
  #findFree(nowNs: number): number | undefined {
    const count = this.#last - this.#first + 1;
    let expired: number | undefined;
    for (let i = 0; i < count; i++) {
      const address = this.#first + ((this.#next - this.#first + i) % count);
      if (!this.#isFree(address, nowNs)) continue;
      if (!this.#byAddress.has(address)) {
        this.#next = address + 1 > this.#last ? this.#first : address + 1;
        return address;
      }
      expired ??= address;
    }
    return expired;
  }
}
