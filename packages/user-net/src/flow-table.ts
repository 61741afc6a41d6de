// Finds connections by addresses and ports as they stand in a packet, without making a key for every packet.

import { sameBytes } from "@xen-node/packets";
import { get16, get32 } from "./big-endian.ts";

/** What a table holds. The key is both addresses (4 or 16 bytes each) and both ports, the guest's first. */
export interface FlowEntry {
  readonly key: Uint8Array;
  /** The next entry of the same hash. Used by the table. */
  nextFlow: this | undefined;
}

/** The guest's and the remote's address and port as a key. */
export function flowKey(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): Uint8Array {
  const key = new Uint8Array(guest.length * 2 + 4);
  key.set(guest);
  key.set(remote, guest.length);
  const ports = guest.length * 2;
  key[ports] = guestPort >>> 8;
  key[ports + 1] = guestPort;
  key[ports + 2] = remotePort >>> 8;
  key[ports + 3] = remotePort;
  return key;
}

/** A hash table over `FlowEntry.key`. The seed keeps guests from choosing colliding flows. */
export class FlowTable<Entry extends FlowEntry> {
  readonly #buckets = new Map<number, Entry>();
  readonly #seed: number;
  size = 0;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** `addresses`: where two addresses of together `addressBytes` stand; `ports`: where the two ports stand. */
  find(bytes: Uint8Array, addresses: number, addressBytes: number, ports: number): Entry | undefined {
    let entry = this.#buckets.get(this.#hash(bytes, addresses, addressBytes, ports));
    for (; entry !== undefined; entry = entry.nextFlow) {
      const { key } = entry;
      if (
        key.length === addressBytes + 4 &&
        sameBytes(key, addressBytes, bytes, ports, 4) &&
        sameBytes(key, 0, bytes, addresses, addressBytes)
      )
        return entry;
    }
    return undefined;
  }

  findKey(key: Uint8Array): Entry | undefined {
    return this.find(key, 0, key.length - 4, key.length - 4);
  }

  /** The key must not be in the table. */
  add(entry: Entry): void {
    const hash = this.#hashKey(entry.key);
    entry.nextFlow = this.#buckets.get(hash);
    this.#buckets.set(hash, entry);
    this.size++;
  }

  delete(entry: Entry): void {
    const hash = this.#hashKey(entry.key);
    const first = this.#buckets.get(hash);
    if (first === undefined) return;
    if (first === entry) {
      if (entry.nextFlow === undefined) this.#buckets.delete(hash);
      else this.#buckets.set(hash, entry.nextFlow);
    } else {
      let before: Entry = first;
      while (before.nextFlow !== undefined && before.nextFlow !== entry) before = before.nextFlow;
      if (before.nextFlow === undefined) return;
      before.nextFlow = entry.nextFlow;
    }
    entry.nextFlow = undefined;
    this.size--;
  }

  #hashKey(key: Uint8Array): number {
    return this.#hash(key, 0, key.length - 4, key.length - 4);
  }

  #hash(bytes: Uint8Array, addresses: number, addressBytes: number, ports: number): number {
    let hash = this.#seed;
    for (let at = addresses; at < addresses + addressBytes; at += 4) {
      hash = Math.imul(hash ^ get32(bytes, at), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ get16(bytes, ports), 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash ^ get16(bytes, ports + 2), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }
}
