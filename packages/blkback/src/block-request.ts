import type { HeldPage } from "./guest-pages.ts";

/** Where a request came from and will be answered. */
export interface RequestSource {
  /** Lets go of the request's pages and puts the answer into the ring. `error`: what the disk rejected with. */
  finished(request: BlockRequest, error: unknown): void;
}

/** A request that was found good: its pages are mapped, and its bytes lie on the disk. */
export interface BlockRequest {
  readonly source: RequestSource;
  /** BLKIF_OP_*; of an indirect request, the operation meant. */
  readonly operation: number;
  /** The frontend's 64-bit id, in halves. */
  readonly idLow: number;
  readonly idHigh: number;
  /** Where on the disk, in bytes. */
  readonly offset: number;
  readonly lengthBytes: number;
  /** What to read into or to write, in the guest's pages. */
  readonly buffers: Uint8Array[];
  readonly pages: HeldPage[];
  readonly takenAtMs: number;
  /** Place among the writes of its medium; see Medium. */
  order: number;
}
