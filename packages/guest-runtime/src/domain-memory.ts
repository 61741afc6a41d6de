import type { MemoryCalls } from "@xen-node/hypervisor-core";
import { DOMID_SELF, errnoName } from "@xen-node/xen-abi";

/** A frame of the domain's own. */
export interface OwnFrame {
  readonly mfn: number;
  /** Its 4096 bytes, live; not to be used after `free`. */
  readonly bytes: Uint8Array;
}

/** The domain's memory, a frame at a time, up to what its configuration allows. */
export class DomainMemory {
  private readonly frames = new Map<Uint8Array, OwnFrame>();

  constructor(private readonly calls: MemoryCalls) {}

  /** Frames that it has now. */
  get usedFrames(): number {
    return this.calls.currentReservation(DOMID_SELF);
  }

  get mostFrames(): number {
    return this.calls.maximumReservation(DOMID_SELF);
  }

  /** A frame of zeros. @throws RangeError: the domain has all that it may have, or the machine has no more */
  allocate(): OwnFrame {
    const mfn = this.calls.increaseReservation();
    const bytes = mfn < 0 ? undefined : this.calls.frameBytes(mfn);
    if (bytes === undefined) throw new RangeError(`no frame is left: ${mfn < 0 ? errnoName(-mfn) : "refused"}`);
    const frame = { mfn, bytes };
    this.frames.set(bytes, frame);
    return frame;
  }

  /** Gives a frame back. Whoever still has it mapped keeps it until it lets go. */
  free(frame: OwnFrame): void {
    if (!this.frames.delete(frame.bytes)) throw new RangeError("no frame of this domain's, or free already");
    this.calls.decreaseReservation(frame.mfn);
  }

  /** The frame with these bytes, which frontends know it by. */
  frameOf(bytes: Uint8Array): OwnFrame {
    const frame = this.frames.get(bytes);
    if (frame === undefined) throw new RangeError("no frame of this domain's");
    return frame;
  }
}
