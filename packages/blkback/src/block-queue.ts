import { BackRing, blkifRing } from "@xen-node/io-rings";
import {
  type Abi,
  BLKIF_OP_DISCARD,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_RSP_ERROR,
  BLKIF_RSP_OKAY,
  structsOf,
} from "@xen-node/xen-abi";
import { type DriverDomain, type EventChannel, type GrantedPage, XenbusError } from "@xen-node/xenbus";
import type { BlockRequest, RequestSource } from "./block-request.ts";
import type { QueueNodes } from "./frontend-nodes.ts";
import { GuestPages, type HeldPage } from "./guest-pages.ts";
import { SECTOR_BYTES } from "./request-layout.ts";
import type { RequestReader, RequestTarget } from "./request-reader.ts";
import type { VbdStatistics } from "./statistics.ts";

/** What the queues of one device share. */
export interface QueueHost {
  readonly domain: DriverDomain;
  /** The frontend's domain. */
  readonly domid: number;
  readonly statistics: VbdStatistics;
  readonly maxPersistentGrants: number;
  readonly nowMs: () => number;
  /** undefined: no medium is inserted. */
  readonly target: RequestTarget | undefined;
  /** There may be requests. Called inside the guest's hypercall. */
  onWork(): void;
  /** A request was answered without asking the disk, since it made no sense. */
  onRefused(reason: string): void;
  /** Does work in the frontend's domain's time. */
  onBehalf(work: () => void): void;
  /** The disk is done with a request, which is answered by now. */
  onFinished(request: BlockRequest, error: unknown): void;
  /** There are answers to be pushed. */
  onAnswered(queue: BlockQueue): void;
}

/** One ring of a device with its event channel: takes requests out, and puts answers in. */
export class BlockQueue implements RequestSource {
  readonly pages: GuestPages;
  private readonly host: QueueHost;
  private readonly reader: RequestReader;
  private readonly ring: BackRing;
  private readonly ringPages: GrantedPage[] = [];
  private readonly channel: EventChannel;
  private readonly responseOperation: number;
  private readonly responseStatus: number;

  /** @throws XenbusError if the frontend's grants or its port can't be had; nothing is held then. */
  constructor(host: QueueHost, nodes: QueueNodes, abi: Abi, persistent: boolean, reader: RequestReader) {
    const { domain, domid } = host;
    this.host = host;
    this.reader = reader;
    this.pages = new GuestPages({ domain, domid, persistent, maxKept: host.maxPersistentGrants, nowMs: host.nowMs });
    const { operation, status } = structsOf[abi].blkif_response.offsets;
    this.responseOperation = operation;
    this.responseStatus = status;
    try {
      for (const ref of nodes.ringRefs) {
        const page = domain.mapGrant(domid, ref);
        if (typeof page === "number") throw new XenbusError(`ring-ref ${ref} can't be mapped (${page})`);
        this.ringPages.push(page);
      }
      const channel = domain.bindEventChannel(domid, nodes.port, () => host.onWork());
      if (channel === undefined) throw new XenbusError(`event-channel ${nodes.port} can't be bound`);
      this.channel = channel;
    } catch (error) {
      for (const page of this.ringPages) page.unmap();
      throw error;
    }
    this.ring = new BackRing(
      this.ringPages.map((page) => page.bytes),
      blkifRing(abi),
    );
  }

  /** The frontend's. */
  get domid(): number {
    return this.host.domid;
  }

  /** Requests that wait in the ring. 0: an event will come at the next. -1: the frontend's index is impossible. */
  waiting(): number {
    const count = this.ring.pending();
    if (count !== 0) return count;
    return this.ring.finalCheck() ? this.ring.pending() : 0;
  }

  /** Takes the next request. undefined: it was answered already. Only as often as `waiting` said. */
  take(): BlockRequest | undefined {
    const { reader, host, pages } = this;
    this.ring.take();
    const verdict = reader.read(this.ring.request, host.target, pages);
    if (verdict !== undefined) return this.refuse(verdict.status, verdict.reason);
    const { segments, operation } = reader;
    const held: HeldPage[] = [];
    const buffers: Uint8Array[] = [];
    const readOnly = operation !== BLKIF_OP_READ;
    for (let i = 0; i < segments.count; i++) {
      const page = pages.hold(segments.refs[i], readOnly);
      if (page === undefined) {
        for (const one of held) pages.release(one);
        return this.refuse(BLKIF_RSP_ERROR, "a grant reference that can't be mapped");
      }
      held.push(page);
      const from = segments.firsts[i] * SECTOR_BYTES;
      buffers.push(page.granted.bytes.subarray(from, from + segments.lengths[i] * SECTOR_BYTES));
    }
    this.count(operation, segments.sectors);
    return {
      source: this,
      operation,
      idLow: reader.idLow,
      idHigh: reader.idHigh,
      offset: reader.offset,
      lengthBytes: reader.lengthBytes,
      buffers,
      pages: held,
      takenAtMs: host.nowMs(),
      order: 0,
    };
  }

  finished(request: BlockRequest, error: unknown): void {
    // By now the host calls, and nobody else knows for whom.
    this.host.onBehalf(() => this.finish(request, error));
  }

  private finish(request: BlockRequest, error: unknown): void {
    const { pages, operation, buffers } = request;
    for (let i = 0; i < pages.length; i++) {
      const page = pages[i];
      // Also after an error: part of it may have been read.
      if (page.kept && operation === BLKIF_OP_READ)
        page.granted.noteWritten(buffers[i].byteOffset - page.granted.bytes.byteOffset, buffers[i].length);
      this.pages.release(page);
    }
    const status = error === undefined ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR;
    this.answer(request.idLow, request.idHigh, operation, status);
    this.host.onFinished(request, error);
  }

  /** Shows the answers to the frontend, with an event if it wants one. */
  push(): void {
    if (this.ring.push()) this.channel.notify();
  }

  /** Lets go of everything. No request may be under way. */
  close(): void {
    this.push();
    this.channel.close();
    this.pages.close();
    for (const page of this.ringPages) page.unmap();
  }

  private refuse(status: number, reason: string): undefined {
    const { idLow, idHigh, operation } = this.reader;
    this.answer(idLow, idHigh, operation, status);
    if (status !== BLKIF_RSP_OKAY) this.host.onRefused(reason);
    else this.count(operation, 0);
    return undefined;
  }

  /** A response has the operation that was meant: Linux's frontend takes "indirect" for a wrong answer. */
  private answer(idLow: number, idHigh: number, operation: number, status: number): void {
    const { response } = this.ring;
    response.setUint32(0, idLow, true);
    response.setUint32(4, idHigh, true);
    response.setUint8(this.responseOperation, operation);
    response.setInt16(this.responseStatus, status, true);
    this.ring.respond();
    this.host.onAnswered(this);
  }

  private count(operation: number, sectors: number): void {
    const { statistics } = this.host;
    switch (operation) {
      case BLKIF_OP_READ:
        statistics.rd_req++;
        statistics.rd_sect += sectors;
        statistics.readBytes += sectors * SECTOR_BYTES;
        return;
      case BLKIF_OP_DISCARD:
        statistics.ds_req++;
        statistics.ds_sect += this.reader.lengthBytes / SECTOR_BYTES;
        return;
      case BLKIF_OP_WRITE:
        statistics.wr_req++;
        break;
      default:
        statistics.f_req++;
    }
    statistics.wr_sect += sectors;
    statistics.writtenBytes += sectors * SECTOR_BYTES;
  }
}
