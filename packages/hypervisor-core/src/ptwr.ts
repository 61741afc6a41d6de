import { PageType, pteMfn, TLB_WRITE } from "@xen-node/mmu";
import { CONTEXT_BYTES, DR7, ExitReason, RF, SYSTEM_FLAGS, TF } from "@xen-node/x86-cpu";
import { VMASST_TYPE_writable_pagetables } from "@xen-node/xen-abi";
import { injectPageFault } from "./bounce.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { Gpr } from "./registers.ts";
import { decodeStore, StoreInstruction, StoreKind } from "./store-instruction.ts";
import type { Vcpu } from "./vcpu.ts";

const PAGE_BYTES = 4096;
const PAGE_WORDS = 1024;
/** Words of the two entries that a store of eight bytes can reach. */
const TWO_ENTRIES = 4;
const PTE_PRESENT = 1;
const PTE_RW = 2;
/** #PF error code bits: present, write. */
const PF_PRESENT_WRITE = 3;
const PF_RESERVED_OR_FETCH = 0x18;
const DR7_ENABLED = 0xff;

/**
 * Writable page tables, which a guest asks for by vm_assist (Xen 4.17 emulates for no other): a guest kernel's store to a
 * read-only page that is one of its L1 tables is carried out on a copy
 * of the table (one instruction, through a write-TLB entry that leads to the copy), and the one entry that changed is
 * then validated and stored like a hypercall's. Any store instruction works, locked ones and one-byte ones included,
 * repeated ones an iteration at a time; one that changes more than one entry is refused, as is an entry that breaks the rules: then the guest gets its #PF,
 * with all registers as before. Of the copy only that part is filled which the instruction can reach. A MOV or XCHG of a
 * whole entry, which is what kernels mostly use, needs no copy and is not run.
 */
export class WritablePageTables {
  private readonly copy: number;
  private readonly saved = new Uint8Array(CONTEXT_BYTES);
  private readonly store = new StoreInstruction();
  /** Writes emulated, for statistics. */
  emulated = 0;

  constructor(private readonly hv: Hypervisor) {
    this.copy = hv.mmu.memory.reserve(PAGE_BYTES, PAGE_BYTES, "page-table write emulation");
  }

  /** Does this fault look like one? Guest kernel, present read-only mapping of one of its own L1 tables. */
  private applies(vcpu: Vcpu, errorCode: number, lo: number, hi: number): number {
    if (!vcpu.kernelMode || (errorCode & PF_PRESENT_WRITE) !== PF_PRESENT_WRITE) return 0;
    if ((errorCode & PF_RESERVED_OR_FETCH) !== 0) return 0;
    if (!vcpu.domain.vmAssists.has(VMASST_TYPE_writable_pagetables)) return 0;
    const { walker, frames } = this.hv.mmu;
    if (walker.locate(vcpu.kernelRoot, lo, hi) < 0) return 0;
    if ((walker.pteLo & (PTE_PRESENT | PTE_RW)) !== PTE_PRESENT) return 0;
    const mfn = pteMfn(walker.pteLo, walker.pteHi);
    if (!frames.exists(mfn) || frames.owner[mfn] !== vcpu.domain.domid) return 0;
    return frames.type[mfn] === PageType.l1 && frames.typeCount[mfn] > 0 ? mfn : 0;
  }

  /**
   * Serves a write fault at `lo`, `hi` if it is one of these. Answers the exit reason to go on with: BUDGET when the
   * store was done, something else when the instruction stopped for another reason; -1 if the fault is the guest's.
   */
  tryEmulate(vcpu: Vcpu, errorCode: number, lo: number, hi: number): number {
    const table = this.applies(vcpu, errorCode, lo, hi);
    if (table === 0) return -1;
    const { hv } = this;
    const { memory, frames } = hv.mmu;
    const { store } = this;
    decodeStore(hv, store);
    const { kind } = store;
    if ((kind === StoreKind.move || kind === StoreKind.exchange) && (lo & 7) === 0 && !this.isDebugged())
      return this.storeEntry(vcpu, table, (lo & 0xff8) >>> 3);
    const isSingle = kind !== StoreKind.other && kind !== StoreKind.repeated;
    const first = isSingle ? (lo & 0xff8) >>> 2 : 0;
    const count = isSingle ? Math.min(TWO_ENTRIES, PAGE_WORDS - first) : PAGE_WORDS;
    const source = frames.hostAddress(table);
    this.fill(source, first, count);
    hv.processor.saveContext(this.saved);

    const entry = (hv.guest.bank + TLB_WRITE + ((lo >>> 8) & 0xfff0)) >>> 2;
    const page = lo & ~0xfff;
    const u32 = memory.u32;
    const oldTagLo = u32[entry];
    const oldTagHi = u32[entry + 1];
    const oldAddend = u32[entry + 2];
    u32[entry] = page;
    u32[entry + 1] = hi;
    u32[entry + 2] = this.copy - page;
    const before = hv.processor.retired;
    const { regs } = hv;
    const { ripLo, ripHi } = regs;
    const countLo = regs.lo(Gpr.rcx);
    const countHi = regs.hi(Gpr.rcx);
    const repeated = kind === StoreKind.repeated;
    if (repeated) regs.set(Gpr.rcx, 1, 0);
    const reason = hv.processor.run(1);
    u32[entry] = oldTagLo;
    u32[entry + 1] = oldTagHi;
    u32[entry + 2] = oldAddend;
    const executed = hv.processor.retired !== before || reason === ExitReason.BUDGET;

    if (!executed) {
      if (repeated) regs.set(Gpr.rcx, countLo, countHi);
      if (reason === ExitReason.EXCEPTION && hv.regs.exitVector === 14) {
        // It needs a second page as well: no single aligned store does.
        hv.processor.loadContext(this.saved);
        return -1;
      }
      return reason;
    }
    if (!this.commit(vcpu, table, source >>> 2, first, count)) {
      hv.processor.loadContext(this.saved);
      return -1;
    }
    this.emulated++;
    if (repeated) {
      regs.set(Gpr.rcx, countLo - 1, countLo === 0 ? countHi - 1 : countHi);
      if (countLo !== 1 || countHi !== 0) regs.setRip(ripLo, ripHi);
    }
    return reason;
  }

  /** The guest single-steps or has breakpoints: the processor itself must go over the instruction. */
  private isDebugged(): boolean {
    const { u32 } = this.hv.regs;
    return (u32[SYSTEM_FLAGS >>> 2] & (TF | RF)) !== 0 || (u32[DR7 >>> 2] & DR7_ENABLED) !== 0;
  }

  /** Does what the decoded MOV or XCHG does to an entry of a table; answers as `tryEmulate`. */
  private storeEntry(vcpu: Vcpu, table: number, index: number): number {
    const { regs, mmu, processor } = this.hv;
    const { kind, length, register, immediate } = this.store;
    const { u32 } = mmu.memory;
    const at = (mmu.frames.hostAddress(table) >>> 2) + 2 * index;
    const oldLo = u32[at];
    const oldHi = u32[at + 1];
    const lo = (register < 0 ? immediate : regs.lo(register)) >>> 0;
    const hi = (register < 0 ? immediate >> 31 : regs.hi(register)) >>> 0;
    if (lo !== oldLo || hi !== oldHi) {
      if (mmu.types.modEntry(table, index, lo, hi, vcpu.domain.domid) !== 0) return -1;
    }
    if (kind === StoreKind.exchange) regs.set(register, oldLo, oldHi);
    regs.advance(length);
    processor.retire(1);
    this.emulated++;
    return ExitReason.BUDGET;
  }

  /** Brings words of the copy up to date. */
  private fill(source: number, first: number, count: number): void {
    const { u8, u32 } = this.hv.mmu.memory;
    if (count === PAGE_WORDS) {
      u8.copyWithin(this.copy, source, source + PAGE_BYTES);
      return;
    }
    for (let i = first; i < first + count; i++) u32[(this.copy >>> 2) + i] = u32[(source >>> 2) + i];
  }

  /** Finds what changed in those words of the copy and stores it under the rules. */
  private commit(vcpu: Vcpu, table: number, source: number, first: number, count: number): boolean {
    const { mmu } = this.hv;
    const u32 = mmu.memory.u32;
    const copy = this.copy >>> 2;
    let changed = -1;
    for (let i = first; i < first + count; i++) {
      if (u32[source + i] === u32[copy + i]) continue;
      if (changed >= 0 && changed !== i >>> 1) return false;
      changed = i >>> 1;
    }
    if (changed < 0) return true;
    const lo = u32[copy + 2 * changed];
    const hi = u32[copy + 2 * changed + 1];
    return mmu.types.modEntry(table, changed, lo, hi, vcpu.domain.domid) === 0;
  }
}

/** A #PF exit: writable page tables first, then the guest's handler. Answers as `tryEmulate`, BUDGET when bounced. */
export function handlePageFault(hv: Hypervisor, vcpu: Vcpu, errorCode: number): number {
  const lo = hv.regs.cr2Lo;
  const hi = hv.regs.cr2Hi;
  const served = hv.ptwr.tryEmulate(vcpu, errorCode, lo, hi);
  if (served >= 0) return served;
  injectPageFault(hv, vcpu, errorCode, lo, hi);
  return ExitReason.BUDGET;
}
