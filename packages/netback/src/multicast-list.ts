import { isGroupAddress, sameBytes } from "@xen-node/packets";

/** Addresses that a frontend may list; Linux's netback has the same bound. */
const MOST_ADDRESSES = 64;

/** The multicast addresses that a frontend wants to hear, 6 bytes each. */
export class MulticastList {
  private readonly list: Uint8Array[] = [];

  get addresses(): readonly Uint8Array[] {
    return this.list;
  }

  /** False: it is no group address, or the list is full. */
  add(address: Uint8Array): boolean {
    if (!isGroupAddress(address)) return false;
    if (this.find(address) >= 0) return true;
    if (this.list.length === MOST_ADDRESSES) return false;
    this.list.push(address.slice());
    return true;
  }

  remove(address: Uint8Array): void {
    const at = this.find(address);
    if (at >= 0) this.list.splice(at, 1);
  }

  clear(): void {
    this.list.length = 0;
  }

  private find(address: Uint8Array): number {
    return this.list.findIndex((known) => sameBytes(known, 0, address, 0, 6));
  }
}
