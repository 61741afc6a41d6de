import {
  DOMID_XEN,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_type_mask,
  GTF_writing,
} from "@xen-node/xen-abi";
import type { GrantMmu, HostMapper } from "./host.ts";
import { Maptrack } from "./maptrack.ts";
import { hasWriters, wouldOverflow } from "./pin.ts";

/** Version 1 entries: flags u16, domid u16, frame u32. */
const ENTRY_SIZE = 8;
const ENTRIES_PER_FRAME = 4096 / ENTRY_SIZE;

/**
 * One domain's grants: the frames of the table it shares with the hypervisor, the pins that others hold on its entries
 * (`pin`, `grantee`, `frame`, kept from the guest), and what it has mapped of others.
 */
export class DomainGrants {
  /** mfns of the shared table, in order. */
  readonly frames: number[] = [];
  private readonly frameHosts: number[] = [];
  readonly maptrack: Maptrack;
  /** Removed while others still had entries pinned: kept for their unmaps, invisible to everyone else. */
  gone = false;

  /** Per entry; `grantee` and `frame` mean something while `pin` is not 0. */
  pin = new Uint32Array(0);
  grantee = new Uint16Array(0);
  frame = new Uint32Array(0);
  /** Entries whose pin is not 0. */
  pinnedEntries = 0;

  constructor(
    readonly id: number,
    readonly domid: number,
    readonly privileged: boolean,
    readonly maxFrames: number,
    maxMaptrackFrames: number,
    readonly hostMapper: HostMapper | undefined,
    private readonly mmu: GrantMmu,
    private readonly translate?: (gfn: number) => number,
  ) {
    this.maptrack = new Maptrack(maxMaptrackFrames);
  }

  /** The machine frame of what the domain calls a frame, or -1. */
  frameOf(frame: number): number {
    return this.translate === undefined ? frame : this.translate(frame);
  }

  get entryCount(): number {
    return this.frames.length * ENTRIES_PER_FRAME;
  }

  /**
   * Enlarges the shared table to `count` frames of the hypervisor that the domain may map and write, but not give back.
   * @returns false, with nothing changed, when memory is short
   */
  grow(count: number): boolean {
    const old = this.frames.length;
    for (let i = old; i < count; i++) {
      const mfn = this.mmu.frames.alloc(DOMID_XEN);
      if (mfn < 0) {
        this.dropFrames(old);
        return false;
      }
      this.mmu.types.shareWithGuest(mfn, this.domid, true);
      this.frames.push(mfn);
      this.frameHosts.push(this.mmu.frames.hostAddress(mfn));
    }
    const { pin, grantee, frame } = this;
    this.pin = new Uint32Array(this.entryCount);
    this.pin.set(pin);
    this.grantee = new Uint16Array(this.entryCount);
    this.grantee.set(grantee);
    this.frame = new Uint32Array(this.entryCount);
    this.frame.set(frame);
    return true;
  }

  /** Host address of a shared entry within `entryCount`. */
  entryAt(ref: number): number {
    return this.frameHosts[ref >>> 9] + (ref & (ENTRIES_PER_FRAME - 1)) * ENTRY_SIZE;
  }

  /**
   * Pins an entry for `grantee`: checks it, sets the reading and writing flags in it, takes one general reference on the
   * frame (`frame[ref]`) and adds `increment`. A pinned entry keeps its frame and grantee whatever the guest writes.
   * @param mapping true for a mapping, false for a copy: they differ in how a pinned entry is looked at again
   * @returns GNTST_*; if not okay nothing is held
   */
  acquire(ref: number, grantee: number, readonly: boolean, increment: number, mapping: boolean): number {
    if (!(ref >= 0 && ref < this.entryCount)) return GNTST_bad_gntref;
    const pin = this.pin[ref];
    if (pin !== 0 && (this.grantee[ref] !== grantee || wouldOverflow(pin, increment))) return GNTST_general_error;

    const look = pin === 0 || (!readonly && !hasWriters(pin));
    if (look) {
      const entry = this.entryAt(ref);
      const status = this.setStatus(entry, grantee, readonly, pin !== 0, mapping);
      if (status !== GNTST_okay) return status;
      // A second mapping goes by what was pinned; a copy that needs more access looks at the frame again.
      if (pin === 0 || !mapping) {
        const frame = this.frameOf(this.mmu.memory.u32[(entry + 4) >>> 2]);
        if (!this.mmu.types.getPage(frame, this.domid)) {
          this.reduceStatus(ref, readonly);
          return GNTST_bad_page;
        }
        if (pin !== 0 && this.frame[ref] !== frame) {
          this.mmu.types.putPage(frame);
          this.reduceStatus(ref, readonly);
          return GNTST_general_error;
        }
        if (pin === 0) {
          this.grantee[ref] = grantee;
          this.frame[ref] = frame;
          this.pinnedEntries++;
        }
        this.pin[ref] = pin + increment;
        return GNTST_okay;
      }
    }
    if (!this.mmu.types.getPage(this.frame[ref], this.domid)) {
      this.reduceStatus(ref, readonly);
      return mapping ? GNTST_general_error : GNTST_bad_domain;
    }
    this.pin[ref] = pin + increment;
    return GNTST_okay;
  }

  /** Takes back `decrement` of an entry's pins and the flags that no pin needs any more. References are the caller's. */
  release(ref: number, readonly: boolean, decrement: number): void {
    this.pin[ref] -= decrement;
    if (this.pin[ref] === 0) this.pinnedEntries--;
    this.reduceStatus(ref, readonly);
  }

  /**
   * Claims access in the shared entry. The word of flags and domid is read once and checked and written from that one
   * reading, which on one host thread is Xen's compare-and-exchange.
   */
  private setStatus(entry: number, grantee: number, readonly: boolean, pinned: boolean, mapping: boolean): number {
    const word = this.mmu.memory.u32[entry >>> 2];
    const flags = word & 0xffff;
    if (!pinned) {
      const type = flags & (mapping ? GTF_type_mask | GTF_sub_page : GTF_type_mask);
      if (type !== GTF_permit_access || word >>> 16 !== grantee) return GNTST_general_error;
    }
    if (!readonly && flags & GTF_readonly) return GNTST_general_error;
    this.mmu.memory.u16[entry >>> 1] = flags | GTF_reading | (readonly ? 0 : GTF_writing);
    return GNTST_okay;
  }

  /** Clears the flags in the shared entry that the remaining pins do not account for. */
  private reduceStatus(ref: number, readonly: boolean): void {
    if (this.gone) return;
    const pin = this.pin[ref];
    let clear = pin === 0 ? GTF_reading : 0;
    if (!readonly && !hasWriters(pin)) clear |= GTF_writing;
    if (clear !== 0) this.mmu.memory.u16[this.entryAt(ref) >>> 1] &= ~clear;
  }

  /** Lets the shared table's frames go but for the first `keep`; each is free when the guest no longer maps it. */
  dropFrames(keep: number): void {
    for (let i = keep; i < this.frames.length; i++) this.mmu.types.unshare(this.frames[i]);
    this.frames.length = keep;
    this.frameHosts.length = keep;
  }
}
