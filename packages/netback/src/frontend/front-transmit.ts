import { FrontRing, netifTxRing } from "@xen-node/io-rings";
import { GsoType, type Packet } from "@xen-node/packets";
import {
  NETIF_RSP_NULL,
  NETIF_RSP_OKAY,
  NETTXF_csum_blank,
  NETTXF_data_validated,
  NETTXF_extra_info,
  NETTXF_more_data,
  structsOf,
  XEN_NETIF_EXTRA_TYPE_GSO,
} from "@xen-node/xen-abi";
import type { FrontendDomain } from "./frontend-domain.ts";
import { GrantedFrame } from "./granted-frame.ts";

const PAGE_BYTES = 4096;
const REQUEST = structsOf.x86_64.netif_tx_request.offsets;
const RESPONSE = structsOf.x86_64.netif_tx_response.offsets;
const EXTRA = structsOf.x86_64.netif_extra_info.offsets;

/** The frontend's end of a transmit ring. Each request id has a frame of its own, granted once and used again. */
export class FrontTransmit {
  /** Requests that the backend answered with an error. */
  errors = 0;
  readonly ringFrame: GrantedFrame;
  private readonly ring: FrontRing;
  private readonly domain: FrontendDomain;
  private readonly backendId: number;
  private readonly frames: (GrantedFrame | undefined)[];
  private readonly freeIds: number[] = [];
  private readonly busy: Uint8Array;

  constructor(domain: FrontendDomain, backendId: number) {
    this.domain = domain;
    this.backendId = backendId;
    this.ringFrame = new GrantedFrame(domain, backendId, false);
    this.ring = new FrontRing([this.ringFrame.bytes], netifTxRing);
    this.frames = new Array<GrantedFrame | undefined>(this.ring.size).fill(undefined);
    this.busy = new Uint8Array(this.ring.size);
    for (let id = this.ring.size - 1; id >= 0; id--) this.freeIds.push(id);
  }

  /** Puts a packet into the ring, all or nothing. False: there is no room. */
  put(packet: Packet): boolean {
    const { ring } = this;
    const { bytes } = packet;
    const gso = packet.gsoType !== GsoType.none;
    if (bytes.length === 0 || bytes.length > 0xffff) throw new RangeError("a packet has 1 to 65535 bytes");
    if (Math.ceil(bytes.length / PAGE_BYTES) + (gso ? 1 : 0) > ring.free) return false;
    let flags = gso ? NETTXF_extra_info : 0;
    if (packet.checksumBlank) flags |= NETTXF_csum_blank | NETTXF_data_validated;
    else if (packet.checksumValid) flags |= NETTXF_data_validated;
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      const end = Math.min(at + PAGE_BYTES, bytes.length);
      if (end < bytes.length) flags |= NETTXF_more_data;
      this.ask(bytes.subarray(at, end), at === 0 ? bytes.length : end - at, flags);
      if (at === 0 && gso) this.askGso(packet);
      flags = 0;
    }
    return true;
  }

  /** Shows the packets to the backend; whether it wants an event. */
  push(): boolean {
    return this.ring.push();
  }

  /** Takes the answers. False: the backend's are impossible. */
  collect(): boolean {
    const { ring } = this;
    const { response } = ring;
    do {
      for (let left = ring.pending(); left !== 0; left--) {
        if (left < 0) return false;
        ring.take();
        const status = response.getInt16(RESPONSE.status, true);
        if (status === NETIF_RSP_NULL) continue;
        const id = response.getUint16(RESPONSE.id, true);
        if (id >= this.busy.length || this.busy[id] === 0) return false;
        if (status !== NETIF_RSP_OKAY) this.errors++;
        this.busy[id] = 0;
        this.freeIds.push(id);
      }
    } while (ring.finalCheck());
    return true;
  }

  /** Takes all grants back, once the backend is closed. */
  release(): void {
    this.ringFrame.release();
    for (const frame of this.frames) frame?.release();
    this.frames.fill(undefined);
  }

  private ask(bytes: Uint8Array, size: number, flags: number): void {
    const { ring } = this;
    // Each entry of data has an id, and there are as many ids as entries.
    const id = this.freeIds.pop()!;
    const frame = (this.frames[id] ??= new GrantedFrame(this.domain, this.backendId, true));
    this.busy[id] = 1;
    frame.bytes.set(bytes);
    const { request } = ring;
    request.setUint32(REQUEST.gref, frame.ref, true);
    request.setUint16(REQUEST.offset, 0, true);
    request.setUint16(REQUEST.flags, flags, true);
    request.setUint16(REQUEST.id, id, true);
    request.setUint16(REQUEST.size, size, true);
    ring.ask();
  }

  private askGso(packet: Packet): void {
    const { request } = this.ring;
    for (let i = 0; i < request.byteLength; i++) request.setUint8(i, 0);
    request.setUint8(EXTRA.type, XEN_NETIF_EXTRA_TYPE_GSO);
    request.setUint16(EXTRA["u.gso.size"], packet.gsoSize, true);
    request.setUint8(EXTRA["u.gso.type"], packet.gsoType);
    this.ring.ask();
  }

  /**
   * Adds or removes a multicast address (XEN_NETIF_EXTRA_TYPE_MCAST_ADD, _DEL): a request without data and an extra-info
   * slot. False: there is no room.
   */
  putMulticast(type: number, address: Uint8Array): boolean {
    const { ring } = this;
    if (ring.free < 2) return false;
    this.ask(new Uint8Array(0), 0, NETTXF_extra_info);
    const { request } = ring;
    for (let i = 0; i < request.byteLength; i++) request.setUint8(i, 0);
    request.setUint8(EXTRA.type, type);
    for (let i = 0; i < 6; i++) request.setUint8(EXTRA["u.mcast.addr"] + i, address[i]);
    ring.ask();
    return true;
  }
}
