import type { BackRing } from "@xen-node/io-rings";
import {
  NETTXF_extra_info,
  NETTXF_more_data,
  structsOf,
  XEN_NETIF_EXTRA_FLAG_MORE,
  XEN_NETIF_EXTRA_TYPE_GSO,
  XEN_NETIF_EXTRA_TYPE_HASH,
  XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
  XEN_NETIF_EXTRA_TYPE_MCAST_DEL,
  XEN_NETIF_NR_SLOTS_MIN,
} from "@xen-node/xen-abi";

const PAGE_BYTES = 4096;
const ETHERNET_HEADER_BYTES = 14;

/** Slots of data in a packet: the first, and as many fragments as frontends of Linux before 3.10 could make. */
export const MOST_DATA_SLOTS = XEN_NETIF_NR_SLOTS_MIN + 1;
/** A packet of more is no mistake of an old frontend. Linux's netback draws the line at 20 fragments too. */
export const FATAL_DATA_SLOTS = 22;
/** Extra-info slots of one packet: there are five types, and no reason to give one twice. */
const MOST_EXTRAS = 8;
/** Of later headers than those of @xen-node/xen-abi; tells of headroom in received packets, and is skipped here. */
const XEN_NETIF_EXTRA_TYPE_XDP = 5;

const REQUEST = structsOf.x86_64.netif_tx_request.offsets;
const EXTRA = structsOf.x86_64.netif_extra_info.offsets;

/** What the next packet of a transmit ring is. "incomplete": the rest of its slots is not there yet. */
export type SlotsVerdict = "whole" | "incomplete" | "bad" | "multicast" | "fatal";

/**
 * The slots of one packet, copied out of the ring before anything is looked at (netif.h): the first request, whose size
 * is the whole packet's, then its extra-info slots, then its fragments. One object is used for packet after packet.
 */
export class TransmitSlots {
  /** Data slots, the first included. */
  count = 0;
  /** Extra-info slots. */
  extras = 0;
  readonly refs = new Uint32Array(FATAL_DATA_SLOTS);
  readonly offsets = new Uint16Array(FATAL_DATA_SLOTS);
  /** Bytes in each slot; the first's is what the fragments leave of the packet's size. */
  readonly sizes = new Int32Array(FATAL_DATA_SLOTS);
  readonly ids = new Uint16Array(FATAL_DATA_SLOTS);
  /** Of the first slot: NETTXF_*. */
  flags = 0;
  /** Bytes of the packet. */
  totalBytes = 0;
  hasGso = false;
  gsoType = 0;
  gsoSize = 0;
  /** XEN_NETIF_EXTRA_TYPE_MCAST_ADD or _DEL, or 0. */
  multicast = 0;
  readonly multicastAddress = new Uint8Array(6);
  /** What a "bad" or "fatal" packet's fault is. */
  fault = "";

  /** Looks at the next packet without taking it. `pending` requests may be looked at, at least one. */
  read(ring: BackRing, pending: number): SlotsVerdict {
    const { request } = ring;
    this.count = 0;
    this.extras = 0;
    this.hasGso = false;
    this.gsoType = 0;
    this.gsoSize = 0;
    this.multicast = 0;
    this.fault = "";
    ring.peek(0);
    this.flags = this.copySlot(request);
    this.totalBytes = this.sizes[0];
    let at = 1;
    if ((this.flags & NETTXF_extra_info) !== 0) {
      let more = true;
      while (more) {
        if (this.extras === MOST_EXTRAS) return this.fatal("too many extra-info slots");
        if (at === pending) return "incomplete";
        ring.peek(at++);
        this.extras++;
        if (!this.copyExtra(request)) return this.fatal("an extra-info slot of no known type");
        more = (request.getUint8(EXTRA.flags) & XEN_NETIF_EXTRA_FLAG_MORE) !== 0;
      }
      // Such a request carries no data, so nothing else of it counts.
      if (this.multicast !== 0) return "multicast";
    }
    let more = (this.flags & NETTXF_more_data) !== 0;
    while (more) {
      if (this.count === FATAL_DATA_SLOTS - 1) return this.fatal("too many slots");
      if (at === pending) return "incomplete";
      ring.peek(at++);
      more = (this.copySlot(request) & NETTXF_more_data) !== 0;
    }
    return this.check();
  }

  private copySlot(request: DataView): number {
    const at = this.count++;
    this.refs[at] = request.getUint32(REQUEST.gref, true);
    this.offsets[at] = request.getUint16(REQUEST.offset, true);
    this.ids[at] = request.getUint16(REQUEST.id, true);
    this.sizes[at] = request.getUint16(REQUEST.size, true);
    return request.getUint16(REQUEST.flags, true);
  }

  private copyExtra(extra: DataView): boolean {
    const type = extra.getUint8(EXTRA.type);
    switch (type) {
      case XEN_NETIF_EXTRA_TYPE_GSO:
        this.hasGso = true;
        this.gsoSize = extra.getUint16(EXTRA["u.gso.size"], true);
        this.gsoType = extra.getUint8(EXTRA["u.gso.type"]);
        return true;
      case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
      case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
        this.multicast = type;
        for (let i = 0; i < 6; i++) this.multicastAddress[i] = extra.getUint8(EXTRA["u.mcast.addr"] + i);
        return true;
      case XEN_NETIF_EXTRA_TYPE_HASH:
      case XEN_NETIF_EXTRA_TYPE_XDP:
        return true;
      default:
        return false;
    }
  }

  private check(): SlotsVerdict {
    const { count, offsets, sizes, totalBytes } = this;
    if (count > MOST_DATA_SLOTS) return this.bad("too many slots");
    if (totalBytes < ETHERNET_HEADER_BYTES) return this.bad("shorter than an Ethernet header");
    for (let i = 1; i < count; i++) sizes[0] -= sizes[i];
    // A packet of 64 KiB and more overflows the size field and looks so too.
    if (sizes[0] <= 0) return this.bad("fragments longer than the packet");
    for (let i = 0; i < count; i++) {
      if (sizes[i] === 0) return this.bad("an empty slot");
      if (offsets[i] + sizes[i] > PAGE_BYTES) return this.bad("a slot beyond its page");
    }
    return "whole";
  }

  private bad(fault: string): "bad" {
    this.fault = fault;
    return "bad";
  }

  private fatal(fault: string): "fatal" {
    this.fault = fault;
    return "fatal";
  }
}
