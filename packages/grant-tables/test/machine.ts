import {
  DOMID_XEN,
  GNTST_general_error,
  GNTST_okay,
  GTF_permit_access,
  GTF_reading,
  GTF_writing,
} from "@xen-node/xen-abi";
import { type GrantDomainSettings, GrantTables, type HostMapper, type MapGrantRef } from "../src/index.ts";

const PAGE = 4096;
const FIRST_MFN = 0x100;

/** Memory and frame references just as grant tables need them; every imbalance throws. */
export class FakeMmu {
  readonly buffer = new ArrayBuffer(1 << 21);
  readonly memory = {
    u8: new Uint8Array(this.buffer),
    u16: new Uint16Array(this.buffer),
    u32: new Uint32Array(this.buffer),
  };
  private nextMfn = FIRST_MFN;
  /** Frames that may still be allocated. */
  left = 400;
  readonly owner = new Map<number, number>();
  readonly general = new Map<number, number>();
  readonly typed = new Map<number, number>();
  /** Frames that refuse the writable type, as page tables do. */
  readonly pageTables = new Set<number>();
  /** Frames shared with a guest. */
  readonly shared = new Set<number>();
  readonly hostWrites: string[] = [];

  readonly frames = {
    alloc: (domid: number): number => {
      if (this.left-- <= 0) return -1;
      const mfn = this.nextMfn++;
      this.owner.set(mfn, domid);
      this.general.set(mfn, 1);
      this.typed.set(mfn, 0);
      return mfn;
    },
    hostAddress: (mfn: number): number => (mfn - FIRST_MFN + 16) * PAGE,
    readAddress: (mfn: number): number => (mfn - FIRST_MFN + 16) * PAGE,
  };

  readonly types = {
    getPage: (mfn: number, domid: number): boolean => {
      if (this.owner.get(mfn) !== domid || this.general.get(mfn) === 0) return false;
      this.general.set(mfn, this.general.get(mfn)! + 1);
      return true;
    },
    putPage: (mfn: number): void => {
      const count = this.general.get(mfn)!;
      if (count < 1) throw new Error(`frame ${mfn}: no reference to put`);
      if (count === 1 && this.typed.get(mfn) !== 0) throw new Error(`frame ${mfn}: freed with a type`);
      this.general.set(mfn, count - 1);
    },
    getPageType: (mfn: number, _type: number, domid: number): number => {
      if (this.owner.get(mfn) !== domid || this.pageTables.has(mfn)) return -22;
      this.typed.set(mfn, this.typed.get(mfn)! + 1);
      return 0;
    },
    putPageType: (mfn: number): void => {
      if (this.typed.get(mfn)! < 1) throw new Error(`frame ${mfn}: no type reference to put`);
      this.typed.set(mfn, this.typed.get(mfn)! - 1);
    },
    shareWithGuest: (mfn: number, domid: number, _writable: boolean): void => {
      if (this.owner.get(mfn) !== DOMID_XEN) throw new Error(`frame ${mfn} cannot be shared`);
      this.owner.set(mfn, domid);
      this.shared.add(mfn);
    },
    unshare: (mfn: number): void => {
      if (!this.shared.delete(mfn)) throw new Error(`frame ${mfn} is not shared`);
      this.types.putPage(mfn);
    },
  };

  noteHostWrite(mfn: number, offset: number, length: number): void {
    this.hostWrites.push(`${mfn.toString(16)}+${offset}:${length}`);
  }

  counts(mfn: number): [general: number, typed: number] {
    return [this.general.get(mfn)!, this.typed.get(mfn)!];
  }
}

/** Page tables of one domain as a map from address to frame and writability. */
export class FakeMapper implements HostMapper {
  readonly entries = new Map<number, { mfn: number; readonly: boolean }>();
  readonly log: string[] = [];
  /** Addresses without an L1 table. */
  readonly unmappable = new Set<number>();

  create(lo: number, _hi: number, mfn: number, flags: number): number {
    if (this.unmappable.has(lo)) return GNTST_general_error;
    this.log.push(`create ${lo.toString(16)}`);
    this.entries.set(lo, { mfn, readonly: (flags & 4) !== 0 });
    return GNTST_okay;
  }

  replace(lo: number, _hi: number, mfn: number, flags: number, newLo: number): number {
    const entry = this.entries.get(lo);
    if (entry?.mfn !== mfn || entry.readonly !== ((flags & 4) !== 0)) return GNTST_general_error;
    this.log.push(`replace ${lo.toString(16)}`);
    this.entries.delete(lo);
    const moved = this.entries.get(newLo);
    if (newLo !== 0 && moved !== undefined) {
      this.entries.set(lo, moved);
      this.entries.delete(newLo);
    }
    return GNTST_okay;
  }

  flushTlb(): void {
    this.log.push("flush");
  }
}

/** Grant tables over a FakeMmu, with the guest's side of a table. */
export class Machine {
  readonly mmu = new FakeMmu();
  readonly grants = new GrantTables(this.mmu);

  addDomain(domid: number, settings: GrantDomainSettings = {}): void {
    if (this.grants.addDomain(domid, settings) !== 0) throw new Error("no memory");
  }

  private entryAt(domid: number, ref: number): number {
    return this.mmu.frames.hostAddress(this.grants.sharedFrames(domid)[ref >>> 9]) + (ref & 511) * 8;
  }

  /** What a guest does to grant access. */
  grant(domid: number, ref: number, grantee: number, mfn: number, flags = 0): void {
    const at = this.entryAt(domid, ref);
    this.mmu.memory.u16[(at + 2) >>> 1] = grantee;
    this.mmu.memory.u32[(at + 4) >>> 2] = mfn;
    this.mmu.memory.u16[at >>> 1] = GTF_permit_access | flags;
  }

  flags(domid: number, ref: number): number {
    return this.mmu.memory.u16[this.entryAt(domid, ref) >>> 1];
  }

  setFlags(domid: number, ref: number, flags: number): void {
    this.mmu.memory.u16[this.entryAt(domid, ref) >>> 1] = flags;
  }

  /** What a guest does to end access: only an entry not in use may be cleared. */
  revoke(domid: number, ref: number): boolean {
    if (this.flags(domid, ref) & (GTF_reading | GTF_writing)) return false;
    this.setFlags(domid, ref, 0);
    return true;
  }

  map(caller: number, dom: number, ref: number, flags: number, hostAddrLo = 0): MapGrantRef {
    const op: MapGrantRef = { dom, ref, flags, hostAddrLo };
    this.grants.mapGrantRef(caller, op);
    return op;
  }

  unmap(caller: number, handle: number, hostAddrLo = 0, devBusAddrLo = 0): number {
    const op = { handle, hostAddrLo, devBusAddrLo, status: 1 };
    this.grants.unmapGrantRef(caller, op);
    return op.status;
  }
}
