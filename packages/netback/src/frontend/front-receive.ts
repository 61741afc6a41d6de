import { FrontRing, netifRxRing } from "@xen-node/io-rings";
import { GsoType, type Packet } from "@xen-node/packets";
import {
  NETRXF_csum_blank,
  NETRXF_data_validated,
  NETRXF_extra_info,
  NETRXF_more_data,
  structsOf,
  XEN_NETIF_EXTRA_FLAG_MORE,
  XEN_NETIF_EXTRA_TYPE_GSO,
} from "@xen-node/xen-abi";
import type { FrontendDomain } from "./frontend-domain.ts";
import { GrantedFrame } from "./granted-frame.ts";

const PAGE_BYTES = 4096;
const MOST_PACKET_BYTES = 0xffff;
const REQUEST = structsOf.x86_64.netif_rx_request.offsets;
const RESPONSE = structsOf.x86_64.netif_rx_response.offsets;
const EXTRA = structsOf.x86_64.netif_extra_info.offsets;

/**
 * The frontend's end of a receive ring. Each entry of the ring has a frame of its own, granted once and posted again and
 * again: a response stands at the index of its request.
 */
export class FrontReceive {
  /** Packets that the backend spoiled: a slot with an error, or with more than a page. */
  errors = 0;
  readonly ringFrame: GrantedFrame;
  private readonly ring: FrontRing;
  private readonly frames: GrantedFrame[] = [];
  private readonly buffer = new Uint8Array(MOST_PACKET_BYTES + PAGE_BYTES);
  // The packet that is being put together; its slots may come in several runs.
  private length = 0;
  private firstFlags = 0;
  private gsoType: number = GsoType.none;
  private gsoSize = 0;
  private inPacket = false;
  private extraNext = false;
  private moreData = false;
  private spoiled = false;

  constructor(domain: FrontendDomain, backendId: number) {
    this.ringFrame = new GrantedFrame(domain, backendId, false);
    this.ring = new FrontRing([this.ringFrame.bytes], netifRxRing);
    for (let i = 0; i < this.ring.size; i++) this.frames.push(new GrantedFrame(domain, backendId, false));
  }

  /** Posts buffers into all free entries; whether the backend wants an event. */
  post(): boolean {
    const { ring, frames } = this;
    const { request } = ring;
    for (let free = ring.free; free > 0; free--) {
      const id = ring.nextIndex & (ring.size - 1);
      request.setUint16(REQUEST.id, id, true);
      request.setUint16(REQUEST.pad, 0, true);
      request.setUint32(REQUEST.gref, frames[id].ref, true);
      ring.ask();
    }
    return ring.push();
  }

  /** Hands over the packets that have come; their bytes are read before `deliver` returns. False: an impossible index. */
  collect(deliver: (packet: Packet) => void): boolean {
    const { ring } = this;
    do {
      for (let left = ring.pending(); left !== 0; left--) {
        if (left < 0) return false;
        const index = ring.take() & (ring.size - 1);
        if (this.extraNext) this.takeExtra();
        else this.takeData(index);
        if (!this.inPacket) this.finish(deliver);
      }
    } while (ring.finalCheck());
    return true;
  }

  /** Takes all grants back, once the backend is closed. */
  release(): void {
    this.ringFrame.release();
    for (const frame of this.frames) frame.release();
    this.frames.length = 0;
  }

  private takeData(index: number): void {
    const { response } = this.ring;
    const offset = response.getUint16(RESPONSE.offset, true);
    const flags = response.getUint16(RESPONSE.flags, true);
    const size = response.getInt16(RESPONSE.status, true);
    if (!this.inPacket) {
      this.length = 0;
      this.firstFlags = flags;
      this.gsoType = GsoType.none;
      this.gsoSize = 0;
      this.spoiled = false;
      this.extraNext = (flags & NETRXF_extra_info) !== 0;
    }
    if (size < 0 || offset + size > PAGE_BYTES || this.length + size > MOST_PACKET_BYTES) this.spoiled = true;
    else {
      this.buffer.set(this.frames[index].bytes.subarray(offset, offset + size), this.length);
      this.length += size;
    }
    this.moreData = (flags & NETRXF_more_data) !== 0;
    this.inPacket = this.extraNext || this.moreData;
  }

  private takeExtra(): void {
    const { response } = this.ring;
    if (response.getUint8(EXTRA.type) === XEN_NETIF_EXTRA_TYPE_GSO) {
      this.gsoSize = response.getUint16(EXTRA["u.gso.size"], true);
      this.gsoType = response.getUint8(EXTRA["u.gso.type"]);
    }
    this.extraNext = (response.getUint8(EXTRA.flags) & XEN_NETIF_EXTRA_FLAG_MORE) !== 0;
    this.inPacket = this.extraNext || this.moreData;
  }

  private finish(deliver: (packet: Packet) => void): void {
    if (this.spoiled) {
      this.errors++;
      return;
    }
    const checksumBlank = (this.firstFlags & NETRXF_csum_blank) !== 0;
    deliver({
      bytes: this.buffer.subarray(0, this.length),
      checksumBlank,
      checksumValid: checksumBlank || (this.firstFlags & NETRXF_data_validated) !== 0,
      gsoType: this.gsoType,
      gsoSize: this.gsoSize,
    });
  }
}
