import { blkifRing, FrontRing } from "@xen-node/io-rings";
import { type Abi, structsOf } from "@xen-node/xen-abi";
import type { GuestDomain, OwnChannel, OwnPage } from "./guest-domain.ts";
import { requestLayouts } from "./request-layout.ts";

interface Waiting {
  /** Fills the request, all but its id. */
  fill: (request: DataView) => void;
  answered: (status: number) => void;
  failed: (error: Error) => void;
}

/** One ring of a frontend: requests go in as there is room, and each answer finds its request by the id. */
export class FrontQueue {
  readonly channel: OwnChannel;
  readonly refs: number[];
  private readonly domain: GuestDomain;
  private readonly abi: Abi;
  private readonly pages: OwnPage[];
  private readonly ring: FrontRing;
  private readonly backlog: Waiting[] = [];
  private readonly asked = new Map<number, Waiting>();
  private nextId = 1;
  private broken: Error | undefined;

  constructor(domain: GuestDomain, backendId: number, abi: Abi, pageCount: number) {
    this.domain = domain;
    this.abi = abi;
    this.pages = Array.from({ length: pageCount }, () => domain.allocatePage());
    this.refs = this.pages.map((page) => domain.grant(backendId, page));
    this.ring = new FrontRing(
      this.pages.map((page) => page.bytes),
      blkifRing(abi),
    );
    this.channel = domain.openEventChannel(backendId, () => this.onEvent());
  }

  /** Requests not answered yet. */
  get outstanding(): number {
    return this.asked.size + this.backlog.length;
  }

  /** Resolves with the answer's status. */
  submit(fill: (request: DataView) => void): Promise<number> {
    return new Promise((answered, failed) => {
      if (this.broken !== undefined) {
        failed(this.broken);
        return;
      }
      this.backlog.push({ fill, answered, failed });
      this.advance();
    });
  }

  /** Gives up: all requests reject. */
  abandon(error: Error): void {
    this.broken ??= error;
    const lost = [...this.asked.values(), ...this.backlog.splice(0)];
    this.asked.clear();
    for (const request of lost) request.failed(this.broken);
  }

  /** To be called when the backend has let go. */
  close(): void {
    this.channel.close();
    for (const [i, ref] of this.refs.entries()) if (this.domain.revoke(ref)) this.domain.freePage(this.pages[i]);
  }

  private advance(): void {
    const { ring, abi } = this;
    while (this.backlog.length > 0 && ring.free > 0) {
      const waiting = this.backlog.shift()!;
      const id = this.nextId;
      this.nextId = (id % 0x7fffffff) + 1;
      new Uint8Array(ring.request.buffer).fill(0);
      waiting.fill(ring.request);
      ring.request.setUint32(requestLayouts[abi].id, id, true);
      this.asked.set(id, waiting);
      ring.ask();
    }
    if (ring.push()) this.channel.notify();
  }

  private onEvent(): void {
    const { ring } = this;
    const { id, status } = structsOf[this.abi].blkif_response.offsets;
    do {
      let left = ring.pending();
      if (left < 0) {
        this.abandon(new Error("the backend's response index is impossible"));
        return;
      }
      for (; left > 0; left--) {
        ring.take();
        const number = ring.response.getUint32(id, true);
        const found = this.asked.get(number);
        this.asked.delete(number);
        found?.answered(ring.response.getInt16(status, true));
      }
    } while (ring.finalCheck());
    if (this.broken === undefined) this.advance();
  }
}
