import { GsoType, type Packet } from "@xen-node/packets";
import {
  NETIF_RSP_ERROR,
  NETRXF_csum_blank,
  NETRXF_data_validated,
  NETRXF_extra_info,
  NETRXF_more_data,
  structsOf,
  XEN_NETIF_EXTRA_TYPE_GSO,
} from "@xen-node/xen-abi";
import type { DriverDomain } from "@xen-node/xenbus";
import type { QueueChannel } from "./queue-channel.ts";
import type { DirectionStatistics } from "./statistics.ts";

const PAGE_BYTES = 4096;
const REQUEST = structsOf.x86_64.netif_rx_request.offsets;
const RESPONSE = structsOf.x86_64.netif_rx_response.offsets;
const EXTRA = structsOf.x86_64.netif_extra_info.offsets;

/** Slots that a packet takes as it is. */
export const slotsOf = (packet: Packet): number =>
  Math.ceil(packet.bytes.length / PAGE_BYTES) + (packet.gsoType === GsoType.none ? 0 : 1);

export interface ReceiveQueueOptions {
  channel: QueueChannel;
  domain: DriverDomain;
  frontendId: number;
  statistics: DirectionStatistics;
}

/** The backend's end of a receive ring: packets to the guest, copied into the frames that it posted. */
export class ReceiveQueue {
  /** Slots that a refused packet needs; 0: none was refused. */
  awaited = 0;
  /** The frontend has posted nothing for too long; what finds no room is dropped. */
  stalled = false;
  /** Set when the frontend did what no driver does. */
  fault: string | undefined;
  private readonly options: ReceiveQueueOptions;

  constructor(options: ReceiveQueueOptions) {
    this.options = options;
  }

  get size(): number {
    return this.options.channel.ring.size;
  }

  /** Whether `slots` buffers are posted. */
  hasRoom(slots: number): boolean {
    if (this.fault !== undefined) return false;
    const pending = this.options.channel.ring.pending();
    if (pending < 0) this.fault = "impossible index of the receive ring";
    return pending >= slots;
  }

  /** Asks for an event once `slots` buffers are posted. */
  awaitRoom(slots: number): void {
    this.awaited = slots;
    this.options.channel.ring.expect(slots);
  }

  /**
   * Copies a packet into the next buffers; there has to be room. The frontend sees it after `push`. A buffer that can't be
   * written to spoils the packet, not the order of the ring: each response stands where its request stood.
   */
  put(packet: Packet): void {
    const { statistics } = this.options;
    const { bytes, gsoType } = packet;
    const gso = gsoType !== GsoType.none;
    const whole = bytes.length <= PAGE_BYTES;
    let flags = 0;
    if (packet.checksumBlank) flags = NETRXF_csum_blank | NETRXF_data_validated;
    else if (packet.checksumValid) flags = NETRXF_data_validated;
    if (gso) flags |= NETRXF_extra_info;
    let spoiled = false;
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      const end = Math.min(at + PAGE_BYTES, bytes.length);
      if (end < bytes.length) flags |= NETRXF_more_data;
      if (!this.putData(whole ? bytes : bytes.subarray(at, end), flags)) spoiled = true;
      if (at === 0 && gso) this.putGso(packet);
      flags = 0;
    }
    if (spoiled) {
      statistics.errors++;
      return;
    }
    statistics.packets++;
    statistics.bytes += bytes.length;
    if (gso) statistics.gso++;
  }

  push(): void {
    this.options.channel.push();
  }

  private putData(bytes: Uint8Array, flags: number): boolean {
    const { domain, frontendId, channel } = this.options;
    const { ring } = channel;
    const { request, response } = ring;
    ring.take();
    const status = domain.copyToGrant(frontendId, request.getUint32(REQUEST.gref, true), 0, bytes);
    response.setUint16(RESPONSE.id, request.getUint16(REQUEST.id, true), true);
    response.setUint16(RESPONSE.offset, 0, true);
    response.setUint16(RESPONSE.flags, flags, true);
    response.setInt16(RESPONSE.status, status < 0 ? NETIF_RSP_ERROR : bytes.length, true);
    channel.respond();
    return status >= 0;
  }

  /** The extra-info slot takes the place of a response, and its buffer is not used. */
  private putGso(packet: Packet): void {
    const { channel } = this.options;
    const { ring } = channel;
    const { response } = ring;
    ring.take();
    response.setUint8(EXTRA.type, XEN_NETIF_EXTRA_TYPE_GSO);
    response.setUint8(EXTRA.flags, 0);
    response.setUint16(EXTRA["u.gso.size"], packet.gsoSize, true);
    response.setUint8(EXTRA["u.gso.type"], packet.gsoType);
    response.setUint8(EXTRA["u.gso.pad"], 0);
    response.setUint16(EXTRA["u.gso.features"], 0, true);
    channel.respond();
  }
}
