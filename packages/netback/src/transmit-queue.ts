import { GsoType, type Packet } from "@xen-node/packets";
import {
  NETIF_RSP_ERROR,
  NETIF_RSP_NULL,
  NETIF_RSP_OKAY,
  NETTXF_csum_blank,
  NETTXF_data_validated,
  structsOf,
  XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
} from "@xen-node/xen-abi";
import type { DriverDomain } from "@xen-node/xenbus";
import { blankTcpChecksum, isGsoFrame } from "./gso-headers.ts";
import type { QueueChannel } from "./queue-channel.ts";
import type { DirectionStatistics } from "./statistics.ts";
import { TransmitSlots } from "./transmit-slots.ts";

const RESPONSE = structsOf.x86_64.netif_tx_response.offsets;

/** Bytes of the longest packet, so also of the buffer that a packet is gathered in. */
export const MOST_PACKET_BYTES = 0xffff;

export interface TransmitQueueOptions {
  channel: QueueChannel;
  domain: DriverDomain;
  frontendId: number;
  /** Where packets are gathered, at least MOST_PACKET_BYTES; may be shared with other queues. */
  buffer: Uint8Array;
  statistics: DirectionStatistics;
  /** Adds or removes a multicast address; false: it can't be added. */
  onMulticast: (add: boolean, address: Uint8Array) => boolean;
}

/** The backend's end of a transmit ring: packets from the guest. */
export class TransmitQueue {
  /** The packet that `take` took; its bytes lie in the buffer. Undefined: that one was spoiled, or no packet. */
  packet: Packet | undefined;
  /** Set when the frontend did what no driver does. The ring is left alone from then on. */
  fault: string | undefined;
  private readonly options: TransmitQueueOptions;
  private readonly slots = new TransmitSlots();

  constructor(options: TransmitQueueOptions) {
    this.options = options;
  }

  /**
   * Takes the next packet and answers its slots. False: no whole packet waits, and there will be an event when that
   * changes; or the ring has a `fault`.
   */
  take(): boolean {
    this.packet = undefined;
    if (this.fault !== undefined) return false;
    const { ring } = this.options.channel;
    let pending = ring.pending();
    if (pending === 0 && ring.finalCheck()) pending = ring.pending();
    if (pending < 0) return this.fail("impossible index of the transmit ring");
    if (pending === 0) return false;
    let verdict = this.slots.read(ring, pending);
    if (verdict === "incomplete") {
      ring.expect(pending + 1);
      const now = ring.pending();
      if (now <= pending) return false;
      verdict = this.slots.read(ring, now);
    }
    switch (verdict) {
      case "whole":
        this.answer(this.gather() ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
        return true;
      case "bad":
        this.spoil();
        return true;
      case "multicast":
        this.answer(this.changeMulticast() ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
        return true;
      case "fatal":
        return this.fail(`transmit ring: ${this.slots.fault}`);
      case "incomplete":
        return false;
    }
  }

  /** Shows the answers to the frontend. */
  push(): void {
    this.options.channel.push();
  }

  /** Copies the packet out of the guest's frames. */
  private gather(): boolean {
    const { slots } = this;
    const { domain, frontendId, buffer, statistics } = this.options;
    const bytes = buffer.subarray(0, slots.totalBytes);
    let at = 0;
    for (let i = 0; i < slots.count; i++) {
      const size = slots.sizes[i];
      const into = slots.count === 1 ? bytes : bytes.subarray(at, at + size);
      if (domain.copyFromGrant(frontendId, slots.refs[i], slots.offsets[i], into) < 0) {
        statistics.errors++;
        return false;
      }
      at += size;
    }
    let checksumBlank = (slots.flags & NETTXF_csum_blank) !== 0;
    if (slots.hasGso) {
      if (slots.gsoSize === 0 || !isGsoFrame(bytes, slots.gsoType)) {
        statistics.errors++;
        return false;
      }
      // A segment's checksum can't be complete before it is cut; some frontends forget to say so.
      if (!checksumBlank) blankTcpChecksum(bytes);
      checksumBlank = true;
      statistics.gso++;
    }
    statistics.packets++;
    statistics.bytes += slots.totalBytes;
    this.packet = {
      bytes,
      checksumBlank,
      checksumValid: checksumBlank || (slots.flags & NETTXF_data_validated) !== 0,
      gsoType: slots.hasGso ? slots.gsoType : GsoType.none,
      gsoSize: slots.hasGso ? slots.gsoSize : 0,
    };
    return true;
  }

  private spoil(): void {
    this.options.statistics.errors++;
    this.answer(NETIF_RSP_ERROR);
  }

  private changeMulticast(): boolean {
    const { multicast, multicastAddress } = this.slots;
    return this.options.onMulticast(multicast === XEN_NETIF_EXTRA_TYPE_MCAST_ADD, multicastAddress);
  }

  /** Takes the packet's slots and answers them in their order in the ring. */
  private answer(status: number): void {
    const { channel } = this.options;
    const { ring } = channel;
    const { count, ids, extras } = this.slots;
    const { response } = ring;
    for (let i = 0; i < count + extras; i++) ring.take();
    for (let i = 0; i < count; i++) {
      response.setUint16(RESPONSE.id, ids[i], true);
      response.setInt16(RESPONSE.status, status, true);
      channel.respond();
      if (i !== 0) continue;
      response.setInt16(RESPONSE.status, NETIF_RSP_NULL, true);
      for (let extra = 0; extra < extras; extra++) channel.respond();
    }
  }

  private fail(fault: string): false {
    this.fault = fault;
    return false;
  }
}
