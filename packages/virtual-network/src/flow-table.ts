import { formatIpv4, formatIpv6, IpProtocol } from "@xen-node/packets";
import type { FrameFields } from "./frame-fields.ts";

/** What one 5-tuple has sent. */
export interface Flow {
  readonly source: string;
  readonly destination: string;
  /** IP protocol number. */
  readonly protocol: number;
  /** -1 where the protocol has none. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly packets: number;
  readonly bytes: number;
  /** On the network's clock. */
  readonly firstSeenNs: number;
  readonly lastSeenNs: number;
}

const WAYS = 8;
/** Source, destination, ports, protocol and version. */
const KEY_WORDS = 10;

/**
 * Counts the IP flows of one port in a table of fixed size: sets of eight, in which a new flow takes the place of the one
 * not seen for longest. Counting allocates nothing.
 */
export class FlowTable {
  /** Flows that began; one that comes back after another took its place counts again. */
  begun = 0;
  readonly #sets: number;
  readonly #keys: Int32Array;
  readonly #packets: Float64Array;
  readonly #bytes: Float64Array;
  readonly #first: Float64Array;
  readonly #last: Float64Array;
  readonly #key = new Int32Array(KEY_WORDS);

  /** Holds at least `flows`, rounded up to a power of two. */
  constructor(flows: number) {
    this.#sets = 2 ** Math.ceil(Math.log2(Math.max(1, flows / WAYS)));
    const slots = this.#sets * WAYS;
    this.#keys = new Int32Array(slots * KEY_WORDS);
    this.#packets = new Float64Array(slots);
    this.#bytes = new Float64Array(slots);
    this.#first = new Float64Array(slots);
    this.#last = new Float64Array(slots);
  }

  count(fields: FrameFields, bytes: number, nowNs: number): void {
    if (fields.frame.ipVersion === 0) return;
    const slot = this.#slotFor(this.#setOf(fields), nowNs);
    this.#packets[slot]++;
    this.#bytes[slot] += bytes;
    this.#last[slot] = nowNs;
  }

  /** The flows with most bytes first. */
  list(most = Number.POSITIVE_INFINITY): Flow[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.#packets.length; slot++) if (this.#packets[slot] > 0) slots.push(slot);
    slots.sort((a, b) => this.#bytes[b] - this.#bytes[a]);
    return slots.slice(0, most).map((slot) => this.#read(slot));
  }

  #read(slot: number): Flow {
    const key = this.#keys.subarray(slot * KEY_WORDS, (slot + 1) * KEY_WORDS);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    const format = (at: number): string => {
      for (let i = 0; i < 4; i++) view.setInt32(4 * i, key[at + i]);
      return (key[9] & 0xff) === 4 ? formatIpv4(address) : formatIpv6(address);
    };
    const protocol = key[9] >> 8;
    const hasPorts = protocol === IpProtocol.tcp || protocol === IpProtocol.udp;
    return {
      source: format(0),
      destination: format(4),
      protocol,
      sourcePort: hasPorts ? key[8] >>> 16 : -1,
      destinationPort: hasPorts ? key[8] & 0xffff : -1,
      packets: this.#packets[slot],
      bytes: this.#bytes[slot],
      firstSeenNs: this.#first[slot],
      lastSeenNs: this.#last[slot],
    };
  }

  /** Puts the packet's key together; returns its set. Later fragments count for ports 0. */
  #setOf({ frame, source, destination }: FrameFields): number {
    const key = this.#key;
    for (let i = 0; i < 4; i++) {
      key[i] = source[i];
      key[4 + i] = destination[i];
    }
    key[8] = frame.sourcePort < 0 ? 0 : (frame.sourcePort << 16) | frame.destinationPort;
    key[9] = (frame.protocol << 8) | frame.ipVersion;
    let hash = 0;
    for (let i = 0; i < KEY_WORDS; i++) hash = Math.imul(hash ^ key[i], 0x9e3779b1) ^ (hash >>> 15);
    hash ^= hash >>> 16;
    return (hash >>> 0) % this.#sets;
  }

  #slotFor(set: number, nowNs: number): number {
    let oldest = set * WAYS;
    for (let slot = set * WAYS; slot < (set + 1) * WAYS; slot++) {
      if (this.#packets[slot] > 0 && this.#holdsKey(slot)) return slot;
      if (this.#packets[oldest] > 0 && (this.#packets[slot] === 0 || this.#last[slot] < this.#last[oldest]))
        oldest = slot;
    }
    this.#keys.set(this.#key, oldest * KEY_WORDS);
    this.#packets[oldest] = 0;
    this.#bytes[oldest] = 0;
    this.#first[oldest] = nowNs;
    this.begun++;
    return oldest;
  }

  #holdsKey(slot: number): boolean {
    const at = slot * KEY_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) if (this.#keys[at + i] !== this.#key[i]) return false;
    return true;
  }
}
