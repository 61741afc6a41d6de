import { type Abi, structsOf, XenbusStateInitialised } from "@xen-node/xen-abi";
import type { LabGuest } from "./device-lab.ts";
import { RawRing } from "./raw-ring.ts";
import type { GuestPage } from "./typescript-guest.ts";

export interface Segment {
  ref: number;
  first?: number;
  last?: number;
}

export interface RawBlockRequest {
  operation: number;
  /** The header's second byte: number of segments, flag of a discard, operation of an indirect request. */
  second?: number;
  id?: number;
  sector?: number;
  /** Upper half of the 64-bit sector. */
  sectorHigh?: number;
  segments?: readonly Segment[];
  indirectSegments?: number;
  indirectRefs?: readonly number[];
  discardSectors?: number;
  discardHigh?: number;
}

export interface BlockAnswer {
  id: number;
  operation: number;
  status: number;
}

export interface RawBlockOptions {
  abi?: Abi;
  /** The ring has 2^n pages; undefined: one, without the node. */
  order?: number;
  persistent?: boolean;
}

/** A block frontend by hand: any request, any index, any node. */
export class RawBlockFrontend {
  readonly ring: RawRing;
  readonly ringRefs: number[];
  readonly channel: { port: number; notify(): void; close(): void };
  events = 0;
  private readonly owner: LabGuest;
  private readonly paths: { front: string; back: string };
  private readonly abi: Abi;
  private readonly ringPages: GuestPage[];
  private nextId = 1;

  /** Makes the ring and writes the nodes, but for the state. */
  constructor(owner: LabGuest, paths: { front: string; back: string }, options: RawBlockOptions = {}) {
    const { abi = "x86_64", order, persistent = false } = options;
    const { guest, store } = owner;
    this.owner = owner;
    this.paths = paths;
    this.abi = abi;
    this.ringPages = Array.from({ length: 2 ** (order ?? 0) }, () => guest.allocatePage());
    this.ringRefs = this.ringPages.map((page) => guest.grant(0, page));
    const { blkif_request, blkif_response } = structsOf[abi];
    this.ring = new RawRing(
      this.ringPages.map((page) => page.bytes),
      blkif_request.size,
      blkif_response.size,
    );
    this.channel = guest.openEventChannel(0, () => {
      this.events++;
    });
    store.transaction((tree) => {
      const write = (node: string, value: string | number): void => tree.write(`${paths.front}/${node}`, String(value));
      if (order !== undefined) write("ring-page-order", order);
      else if (tree.exists(`${paths.front}/ring-page-order`)) tree.rm(`${paths.front}/ring-page-order`);
      for (const [n, ref] of this.ringRefs.entries()) write(order === undefined ? "ring-ref" : `ring-ref${n}`, ref);
      write("event-channel", this.channel.port);
      write("protocol", `${abi}-abi`);
      write("feature-persistent", persistent ? 1 : 0);
    });
  }

  get backState(): string | undefined {
    return this.owner.store.read(`${this.paths.back}/state`);
  }

  setState(state: number): void {
    this.owner.store.write(`${this.paths.front}/state`, String(state));
  }

  offer(): void {
    this.setState(XenbusStateInitialised);
  }

  /** Puts a request into the ring; returns its id. */
  put(request: RawBlockRequest): number {
    const view = this.ring.request;
    const { blkif_request, blkif_request_indirect, blkif_request_discard } = structsOf[this.abi];
    const at = blkif_request.offsets;
    const id = request.id ?? this.nextId++;
    this.ring.clear();
    view.setUint8(at.operation, request.operation);
    view.setUint8(at.nr_segments, request.second ?? request.segments?.length ?? 0);
    view.setUint32(at.id, id, true);
    view.setUint32(at.sector_number, request.sector ?? 0, true);
    view.setUint32(at.sector_number + 4, request.sectorHigh ?? 0, true);
    const { segments, indirectRefs } = request;
    if (segments !== undefined) writeSegments(view, at.seg, segments, 11);
    if (request.indirectSegments !== undefined)
      view.setUint16(blkif_request_indirect.offsets.nr_segments, request.indirectSegments, true);
    if (indirectRefs !== undefined)
      for (let i = 0; i < indirectRefs.length; i++)
        view.setUint32(blkif_request_indirect.offsets.indirect_grefs + 4 * i, indirectRefs[i], true);
    if (request.discardSectors !== undefined) {
      view.setUint32(blkif_request_discard.offsets.nr_sectors, request.discardSectors, true);
      view.setUint32(blkif_request_discard.offsets.nr_sectors + 4, request.discardHigh ?? 0, true);
    }
    this.ring.ask();
    return id;
  }

  push(): void {
    if (this.ring.push()) this.channel.notify();
  }

  answers(): BlockAnswer[] {
    const found: BlockAnswer[] = [];
    for (let left = this.ring.pending(); left > 0; left--) found.push(this.answer());
    return found;
  }

  /** Takes the next answer. There has to be one. */
  answer(): BlockAnswer {
    const { operation, status } = structsOf[this.abi].blkif_response.offsets;
    this.ring.take();
    const { response } = this.ring;
    return {
      id: response.getUint32(0, true),
      operation: response.getUint8(operation),
      status: response.getInt16(status, true),
    };
  }

  /** Takes ring and port back. False: the backend still has the ring mapped. */
  release(): boolean {
    this.channel.close();
    const { guest } = this.owner;
    let all = true;
    for (const [i, ref] of this.ringRefs.entries()) {
      if (guest.revoke(ref)) guest.freePage(this.ringPages[i]);
      else all = false;
    }
    return all;
  }
}

/** Segments as they lie in requests and in indirect pages. */
export function writeSegments(view: DataView, offset: number, segments: readonly Segment[], most: number): void {
  const count = Math.min(segments.length, most);
  for (let i = 0; i < count; i++) {
    const { ref, first = 0, last = 7 } = segments[i];
    view.setUint32(offset + i * 8, ref, true);
    view.setUint8(offset + i * 8 + 4, first);
    view.setUint8(offset + i * 8 + 5, last);
  }
}
