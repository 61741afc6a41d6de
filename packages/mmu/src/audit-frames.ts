import { adjustDescriptor } from "./descriptors.ts";
import type { FrameTable } from "./frames.ts";
import type { MachineMemory } from "./memory.ts";
import { PAE_TOP_ENTRY } from "./pae.ts";
import { DOMID_FREE, FrameFlags, PageType, pageTypeName } from "./page-type.ts";
import type { PageTypes } from "./page-types.ts";
import { END_XEN_SLOT, FIRST_XEN_SLOT, L1_DISALLOWED, Pte, pteMfn, TABLE_DISALLOWED } from "./pte.ts";

const hex = (n: number): string => `0x${n.toString(16)}`;

/**
 * Recomputes every count of the frame table from the page tables, pins, shares and held references, and checks the
 * rules of page types entry by entry. For tests and fuzzers: it takes time proportional to all memory.
 * @returns violations in words; empty = all invariants hold
 */
export function auditFrames(frames: FrameTable, types: PageTypes, memory: MachineMemory): string[] {
  return new FrameAudit(frames, types, memory).run();
}

class FrameAudit {
  private readonly problems: string[] = [];
  private readonly refs: Uint32Array;
  private readonly typeRefs: Uint32Array;
  private readonly linear: Int32Array;
  private readonly grantRefs: Uint32Array;
  private readonly grantTypes: Uint32Array;

  constructor(
    private readonly frames: FrameTable,
    private readonly types: PageTypes,
    private readonly memory: MachineMemory,
  ) {
    this.refs = new Uint32Array(frames.endMfn);
    this.typeRefs = new Uint32Array(frames.endMfn);
    this.linear = new Int32Array(frames.endMfn);
    this.grantRefs = new Uint32Array(frames.endMfn);
    this.grantTypes = new Uint32Array(frames.endMfn);
  }

  run(): string[] {
    const f = this.frames;
    const owned = new Map<number, number>();
    for (let mfn = f.firstMfn; mfn < f.endMfn; mfn++) {
      if (f.owner[mfn] === DOMID_FREE) this.checkFree(mfn);
      else this.collect(mfn);
      if (f.owner[mfn] !== DOMID_FREE) owned.set(f.owner[mfn], (owned.get(f.owner[mfn]) ?? 0) + 1);
    }
    for (const [domid, count] of owned) {
      if (f.ownedBy(domid) !== count) this.report(`domain ${domid} owns ${count} frames, not ${f.ownedBy(domid)}`);
    }
    for (let mfn = f.firstMfn; mfn < f.endMfn; mfn++) if (f.owner[mfn] !== DOMID_FREE) this.compare(mfn);
    this.checkFreeList();
    return this.problems;
  }

  private report(problem: string): void {
    this.problems.push(problem);
  }

  private checkFree(mfn: number): void {
    const f = this.frames;
    if ((f.typeCount[mfn] | f.refCount[mfn] | f.heldRefs[mfn] | f.heldTypes[mfn] | f.linear[mfn]) !== 0) {
      this.report(`free frame ${hex(mfn)} is counted`);
    }
    if ((f.flags[mfn] & ~FrameFlags.queued) !== 0 || f.type[mfn] !== 0) this.report(`free frame ${hex(mfn)} has state`);
  }

  private checkFreeList(): void {
    const seen = new Set<number>();
    for (const mfn of this.frames.recycledFrames()) {
      if (seen.has(mfn) || this.frames.owner[mfn] !== DOMID_FREE) {
        this.report(`frame ${hex(mfn)} is on the free list, but not free or twice there`);
        return;
      }
      seen.add(mfn);
    }
    let free = 0;
    for (let mfn = this.frames.firstMfn; mfn < this.frames.endMfn; mfn++) {
      if (this.frames.owner[mfn] === DOMID_FREE && this.frames.place[mfn] !== 0) free++;
    }
    if (free !== this.frames.freeFrames) this.report(`${free} frames are free, not ${this.frames.freeFrames}`);
  }

  /** Counts what the frame's own state and, if it is a table, its entries refer to. */
  private collect(mfn: number): void {
    const f = this.frames;
    const flags = f.flags[mfn];
    const type = f.type[mfn];
    const isTable = type >= PageType.l1 && type <= PageType.l4;
    if ((flags & FrameFlags.allocated) !== 0) this.refs[mfn]++;
    if ((flags & FrameFlags.pinned) !== 0) {
      this.refs[mfn]++;
      this.typeRefs[mfn]++;
      if (!isTable || (flags & FrameFlags.validated) === 0) this.report(`${hex(mfn)} is pinned, but no table`);
    }
    if ((flags & FrameFlags.xenHeap) !== 0) {
      this.typeRefs[mfn]++;
      if (type !== PageType.writable && type !== PageType.shared) this.report(`${hex(mfn)}: Xen's, but ${type}`);
    }
    if ((flags & FrameFlags.partial) !== 0) {
      this.refs[mfn]++;
      this.typeRefs[mfn]++;
      if (!isTable || (flags & FrameFlags.validated) !== 0) this.report(`${hex(mfn)} is partial, but no partial table`);
    } else if ((flags & FrameFlags.devalidating) !== 0) {
      this.report(`${hex(mfn)} is devalidating, but not partial`);
    }
    if ((flags & FrameFlags.devalidating) !== 0 && !this.types.hasWork(f.owner[mfn])) {
      this.report(`${hex(mfn)} is devalidating, but on no work list`);
    }
    this.refs[mfn] += f.heldRefs[mfn];
    this.typeRefs[mfn] += f.heldTypes[mfn];
    if ((type === PageType.none) !== (f.typeCount[mfn] === 0)) {
      this.report(`${hex(mfn)} is ${pageTypeName(type)} with type count ${f.typeCount[mfn]}`);
    }
    const validated = (flags & FrameFlags.validated) !== 0;
    if (isTable) {
      if (!validated && (flags & FrameFlags.partial) === 0) this.report(`table ${hex(mfn)} was never validated`);
      const count = validated ? this.types.references.guestEntries(mfn, type) : f.progress[mfn];
      for (let index = 0; index < count; index++) this.collectEntry(mfn, type, index);
      if (validated && count < 512) this.checkBehindGuest(mfn, type, count);
    } else if (type === PageType.segDesc) {
      if (!validated) this.report(`descriptor table ${hex(mfn)} was never validated`);
      this.checkDescriptors(mfn);
    } else if (validated) {
      this.report(`${hex(mfn)} is validated ${pageTypeName(type)}`);
    }
  }

  /** What lies behind a PAE guest's own entries is Xen's. */
  private checkBehindGuest(table: number, level: number, first: number): void {
    const slots = this.types.references.paeSlots;
    const start = (this.frames.place[table] << 10) + first * 2;
    for (let word = 0; word < (512 - first) * 2; word++) {
      if (this.memory.u32[start + word] !== (level === 2 ? slots[word] : 0)) {
        this.report(`${pageTypeName(level)} ${hex(table)} does not end as Xen made it`);
        return;
      }
    }
  }

  private collectEntry(table: number, level: number, index: number): void {
    const f = this.frames;
    const word = (f.place[table] << 10) + index * 2;
    const lo = this.memory.u32[word];
    const hi = this.memory.u32[word + 1];
    const where = `entry ${index} of ${pageTypeName(level)} ${hex(table)}`;
    if (level === 4 && index >= FIRST_XEN_SLOT && index < END_XEN_SLOT) {
      const slot = (index - FIRST_XEN_SLOT) * 2;
      const slots = this.types.references.xenSlots;
      const wanted = (f.flags[table] & FrameFlags.validated) !== 0;
      // The machine-to-physical table, in the first slot, may be hidden.
      const hidden = slot === 0 && (lo | hi) === 0;
      if (wanted && !hidden && (slots[slot] !== lo || slots[slot + 1] !== hi)) this.report(`${where} is not Xen's`);
      return;
    }
    if ((lo & 1) === 0) return;
    const target = pteMfn(lo, hi);
    if (!f.exists(target) || f.owner[target] === DOMID_FREE) {
      this.report(`${where} maps ${hex(target)}, which is free or nothing`);
      return;
    }
    const isPae = this.types.references.isPae(f.owner[table]);
    if (
      ((lo & Pte.user) === 0 && (!isPae || level === 3)) ||
      (lo & (level === 1 ? L1_DISALLOWED : TABLE_DISALLOWED)) !== 0
    ) {
      this.report(`${where} has flags ${hex(lo & 0xfff)}`);
    }
    if (level === 1) this.collectL1(where, target, lo, hi, f.owner[table]);
    else this.collectChild(where, table, level, target, lo, hi);
  }

  private collectL1(where: string, target: number, lo: number, hi: number, domid: number): void {
    const f = this.frames;
    const writable = (lo & Pte.rw) !== 0;
    const isMarked = (hi & Pte.hiGuestKernel) !== 0 || (lo & Pte.global) !== 0 || this.types.references.isPae(domid);
    if (!isMarked) this.report(`${where}: user page is not global`);
    if (writable && f.type[target] !== PageType.writable) {
      this.report(`${where} maps ${pageTypeName(f.type[target])} ${hex(target)} writable`);
    }
    if ((hi & Pte.hiGrant) !== 0) {
      this.grantRefs[target]++;
      if (writable) this.grantTypes[target]++;
      return;
    }
    if (f.owner[target] !== domid && !this.types.references.policy.foreignFrameAllowed(target, domid, writable)) {
      this.report(`${where} maps ${hex(target)} of domain ${f.owner[target]}`);
    }
    this.refs[target]++;
    if (writable) this.typeRefs[target]++;
  }

  private collectChild(where: string, table: number, level: number, child: number, lo: number, hi: number): void {
    const f = this.frames;
    if (f.owner[child] !== f.owner[table]) this.report(`${where} points at a frame of domain ${f.owner[child]}`);
    if ((hi & Pte.hiAddress) * 0x100000 + (lo >>> 12) !== child) this.report(`${where} is garbled`);
    if (child === table) {
      if ((lo & Pte.rw) !== 0) this.report(`${where} maps its own table writable`);
      return;
    }
    this.refs[child]++;
    this.typeRefs[child]++;
    const type = f.type[child];
    if ((f.flags[child] & FrameFlags.validated) === 0) this.report(`${where} points at ${hex(child)}, not validated`);
    if (type === level) {
      if ((lo & Pte.rw) !== 0) this.report(`${where} is a writable linear entry`);
      this.linear[table]--;
      this.linear[child]++;
      if (f.linear[table] > 0 || f.linear[child] < 0) this.report(`${where}: linear entries are chained`);
    } else if (type !== level - 1 || this.types.references.isTop(child) !== this.isTopEntry(table, level, lo, hi)) {
      this.report(`${where} points at ${pageTypeName(type)} ${hex(child)}`);
    }
  }

  /** Is this the entry of a PAE root that leads to Xen's slots? */
  private isTopEntry(table: number, level: number, lo: number, hi: number): boolean {
    const word = (this.frames.place[table] << 10) + PAE_TOP_ENTRY * 2;
    const { u32 } = this.memory;
    return (
      level === 3 && this.types.references.isPae(this.frames.owner[table]) && u32[word] === lo && u32[word + 1] === hi
    );
  }

  private checkDescriptors(mfn: number): void {
    const narrow = this.types.references.isPae(this.frames.owner[mfn]);
    const start = this.frames.place[mfn] << 10;
    for (let i = 0; i < 512; i++) {
      const lo = this.memory.u32[start + i * 2];
      const hi = this.memory.u32[start + i * 2 + 1];
      const words = { lo, hi };
      if (!adjustDescriptor(words, narrow) || words.lo !== lo || words.hi !== hi) {
        this.report(`descriptor ${i} of ${hex(mfn)} is not as adjusted`);
      }
    }
  }

  private compare(mfn: number): void {
    const f = this.frames;
    const check = (what: string, actual: number, expected: number) => {
      if (actual !== expected) this.report(`${hex(mfn)} has ${what} ${actual}, should be ${expected}`);
    };
    check("reference count", f.refCount[mfn], this.refs[mfn]);
    check("type count", f.typeCount[mfn], this.typeRefs[mfn]);
    check("linear count", f.linear[mfn], this.linear[mfn]);
    if (f.heldRefs[mfn] < this.grantRefs[mfn] || f.heldTypes[mfn] < this.grantTypes[mfn]) {
      this.report(`${hex(mfn)} is mapped by more grant entries than its handles hold`);
    }
    if (f.refCount[mfn] === 0) this.report(`${hex(mfn)} is owned, but not referred to`);
  }
}
