import type { GrantTableCalls, Hypercalls, MemoryCalls } from "@xen-node/hypervisor-core";
import {
  DOMID_SELF,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_page,
  GNTST_okay,
  GNTTAB_NR_RESERVED_ENTRIES,
  GTF_invalid,
  GTF_permit_access,
  GTF_readonly,
} from "@xen-node/xen-abi";
import type { OwnFrame } from "./domain-memory.ts";

const ENTRIES_PER_FRAME = 512;
/** What a frontend with many queues needs; the hypervisor's limit may be lower. */
const MOST_FRAMES = 32;

/** A grant was refused. `status` is GNTST_*. */
export class GrantError extends Error {
  override readonly name = "GrantError";

  constructor(
    what: string,
    readonly status: number,
  ) {
    super(`${what}: status ${status}`);
  }
}

/** A frame of another domain, mapped by its grant. */
export interface ForeignFrame {
  /** Its 4096 bytes, live; not to be used after `unmap`. */
  readonly bytes: Uint8Array;
  /** To be called after writing and before the owner is told: what the processor knows of code in these bytes is forgotten. */
  noteWritten(offset: number, length: number): void;
  unmap(): void;
}

/** Grants that the domain makes, and those that others made to it. */
export class Grants {
  private readonly calls: GrantTableCalls;
  private readonly memory: MemoryCalls;
  private readonly free: number[] = [];
  private frames = 0;

  constructor(hypercalls: Hypercalls) {
    this.calls = hypercalls.grantTable;
    this.memory = hypercalls.memory;
  }

  /** Lets `domid` map an own frame; the grant reference. @throws RangeError: no reference is left */
  grant(domid: number, frame: OwnFrame, readOnly = false): number {
    const ref = this.free.pop() ?? this.grow();
    this.write(ref, GTF_permit_access | (readOnly ? GTF_readonly : 0), domid, frame.mfn);
    return ref;
  }

  /** Makes a grant by a reference that both sides know (GNTTAB_RESERVED_*). */
  grantReserved(ref: number, domid: number, frame: OwnFrame): void {
    this.write(ref, GTF_permit_access, domid, frame.mfn);
  }

  /** Ends a grant. False: somebody still has it mapped, and it stays. */
  revoke(ref: number): boolean {
    if (!this.calls.writeEntry(ref, GTF_invalid, 0, 0)) return false;
    this.free.push(ref);
    return true;
  }

  /** Maps a frame that `domid` granted. @throws GrantError */
  map(domid: number, ref: number, readOnly = false): ForeignFrame {
    const frame = this.tryMap(domid, ref, readOnly);
    if (typeof frame === "number") throw new GrantError(`mapping grant ${ref} of domain ${domid}`, frame);
    return frame;
  }

  /** As `map`; the status if that is refused. */
  tryMap(domid: number, ref: number, readOnly = false): ForeignFrame | number {
    const { calls, memory } = this;
    const flags = readOnly ? GNTMAP_host_map | GNTMAP_readonly : GNTMAP_host_map;
    const { status, handle, mfn } = calls.mapGrantRef(domid, ref, flags);
    if (status !== GNTST_okay) return status;
    const bytes = memory.frameBytes(mfn);
    if (bytes === undefined) {
      calls.unmapGrantRef(handle);
      return GNTST_bad_page;
    }
    return {
      bytes,
      noteWritten: (offset, length) => memory.noteWritten(mfn, offset, length),
      unmap: () => void calls.unmapGrantRef(handle),
    };
  }

  /** Fills all of `into` from a frame that `domid` granted. GNTST_*. */
  copyFrom(domid: number, ref: number, offset: number, into: Uint8Array): number {
    return this.calls.copyFromGrant(domid, ref, offset, into);
  }

  /** Copies all of `from` into a frame that `domid` granted. GNTST_*. */
  copyTo(domid: number, ref: number, offset: number, from: Uint8Array): number {
    return this.calls.copyToGrant(domid, ref, offset, from);
  }

  private write(ref: number, flags: number, domid: number, mfn: number): void {
    if (!this.calls.writeEntry(ref, flags, domid, mfn)) throw new RangeError(`grant reference ${ref} is in use`);
  }

  /** One more frame of the table, and a reference in it. */
  private grow(): number {
    const result = this.frames < MOST_FRAMES ? this.calls.setupTable(DOMID_SELF, this.frames + 1) : -1;
    if (typeof result === "number") throw new RangeError("no grant reference is left");
    const first = this.frames === 0 ? GNTTAB_NR_RESERVED_ENTRIES : this.frames * ENTRIES_PER_FRAME;
    this.frames++;
    for (let ref = this.frames * ENTRIES_PER_FRAME - 1; ref > first; ref--) this.free.push(ref);
    return first;
  }
}
