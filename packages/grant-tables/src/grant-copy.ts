import { PageType } from "@xen-node/mmu";
import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
} from "@xen-node/xen-abi";
import type { DomainGrants } from "./domain-grants.ts";
import type { GrantCopy, GrantCopyPointer, GrantMmu } from "./host.ts";
import { Pin } from "./pin.ts";

const PAGE_SIZE = 4096;

/** A claimed side of a copy: `mfn` is referenced; `table` is set if it came by grant. */
class CopySide {
  mfn = 0;
  private table: DomainGrants | undefined;
  private ref = 0;
  private readonly pin: number;

  constructor(
    private readonly mmu: GrantMmu,
    private readonly write: boolean,
  ) {
    this.pin = write ? Pin.hostWrite : Pin.hostRead;
  }

  /** `owner` has the frame; `caller` copies. On failure nothing is held. */
  claim(pointer: GrantCopyPointer, byGrant: boolean, owner: DomainGrants, caller: number): number {
    const types = this.mmu.types;
    this.table = undefined;
    if (byGrant) {
      const status = owner.acquire(pointer.ref, caller, !this.write, this.pin, false);
      if (status !== GNTST_okay) return status;
      this.table = owner;
      this.ref = pointer.ref;
      this.mfn = owner.frame[pointer.ref];
    } else {
      const mfn = owner.frameOf(pointer.ref);
      if (!types.getPage(mfn, owner.domid)) return GNTST_bad_page;
      this.mfn = mfn;
    }
    if (this.write && types.getPageType(this.mfn, PageType.writable, owner.domid) !== 0) {
      this.drop(false);
      return GNTST_general_error;
    }
    return GNTST_okay;
  }

  release(): void {
    this.drop(this.write);
  }

  private drop(typed: boolean): void {
    this.table?.release(this.ref, !this.write, this.pin);
    if (typed) this.mmu.types.putPageType(this.mfn);
    this.mmu.types.putPage(this.mfn);
  }
}

/** GNTTABOP_copy: one record at a time, each side claimed for its own duration. */
export class GrantCopier {
  private readonly source: CopySide;
  private readonly dest: CopySide;
  private readonly pointer: GrantCopyPointer = { ref: 0, domid: 0, offset: 0 };

  /** @param find the live table of a domid, as guests name domains (not DOMID_SELF) */
  constructor(
    private readonly mmu: GrantMmu,
    private readonly find: (domid: number) => DomainGrants | undefined,
  ) {
    this.source = new CopySide(mmu, false);
    this.dest = new CopySide(mmu, true);
  }

  /** @returns GNTST_* */
  copy(caller: DomainGrants, op: GrantCopy): number {
    if (op.len === 0) return GNTST_okay;
    const sourceByGrant = (op.flags & GNTCOPY_source_gref) !== 0;
    const destByGrant = (op.flags & GNTCOPY_dest_gref) !== 0;
    if (op.source.domid !== DOMID_SELF && !sourceByGrant) return GNTST_permission_denied;
    const sourceOwner = op.source.domid === DOMID_SELF ? caller : this.find(op.source.domid);
    if (sourceOwner === undefined) return GNTST_bad_domain;
    if (op.dest.domid !== DOMID_SELF && !destByGrant) return GNTST_permission_denied;
    const destOwner = op.dest.domid === DOMID_SELF ? caller : this.find(op.dest.domid);
    if (destOwner === undefined) return GNTST_bad_domain;

    let status = this.source.claim(op.source, sourceByGrant, sourceOwner, caller.domid);
    if (status !== GNTST_okay) return status;
    status = this.dest.claim(op.dest, destByGrant, destOwner, caller.domid);
    if (status === GNTST_okay) {
      status = this.move(op);
      this.dest.release();
    }
    this.source.release();
    return status;
  }

  /** Copies out of a granted frame into all of `into`, memory of a TypeScript domain's own. @returns GNTST_* */
  copyOut(caller: DomainGrants, domid: number, ref: number, offset: number, into: Uint8Array): number {
    const status = this.claimForHost(this.source, caller, domid, ref, offset, into.length);
    if (status !== GNTST_okay) return status;
    const host = this.mmu.frames.readAddress(this.source.mfn) + offset;
    into.set(this.mmu.memory.u8.subarray(host, host + into.length));
    this.source.release();
    return GNTST_okay;
  }

  /** Copies all of `from`, memory of a TypeScript domain's own, into a granted frame. @returns GNTST_* */
  copyIn(caller: DomainGrants, domid: number, ref: number, offset: number, from: Uint8Array): number {
    const status = this.claimForHost(this.dest, caller, domid, ref, offset, from.length);
    if (status !== GNTST_okay) return status;
    const host = this.mmu.frames.hostAddress(this.dest.mfn) + offset;
    this.mmu.memory.u8.set(from, host);
    this.mmu.noteHostWrite(this.dest.mfn, offset, from.length);
    this.dest.release();
    return GNTST_okay;
  }

  /** Claims a side; GNTST_*, with nothing held if it is not okay. */
  private claimForHost(
    side: CopySide,
    caller: DomainGrants,
    domid: number,
    ref: number,
    offset: number,
    length: number,
  ): number {
    const owner = domid === DOMID_SELF ? caller : this.find(domid);
    if (owner === undefined) return GNTST_bad_domain;
    if (!(offset >= 0 && offset + length <= PAGE_SIZE)) return GNTST_bad_copy_arg;
    this.pointer.ref = ref;
    return side.claim(this.pointer, true, owner, caller.domid);
  }

  private move(op: GrantCopy): number {
    const from = op.source.offset;
    const to = op.dest.offset;
    // Not negative either: a TypeScript domain may give any number.
    if (!(from >= 0 && to >= 0 && op.len > 0)) return GNTST_bad_copy_arg;
    if (from + op.len > PAGE_SIZE || to + op.len > PAGE_SIZE) return GNTST_bad_copy_arg;
    // The destination first: they may be one frame, and it may move.
    const dest = this.mmu.frames.hostAddress(this.dest.mfn) + to;
    const source = this.mmu.frames.readAddress(this.source.mfn) + from;
    this.mmu.memory.u8.copyWithin(dest, source, source + op.len);
    this.mmu.noteHostWrite(this.dest.mfn, to, op.len);
    return GNTST_okay;
  }
}
