import { vaHigh, vaLow, vaOf } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { baseOf, Descriptor, descriptorAddress, limitOf } from "./descriptors.ts";
import { type Execute, fetchOperand, Outcome, selectorOperand, storeOperand } from "./instruction.ts";
import { raise, raisePageFault, Vector } from "./interrupts.ts";
import { nativeOf } from "./paging.ts";

const TSS_AVAILABLE = 9;
const TSS_BUSY = 0x200;
const LDT_TYPE = 2;

/** LGDT and LIDT. */
export function loadTable(which: "gdt" | "idt"): Execute {
  return (hv, vcpu, i) => {
    if (!fetchOperand(hv, vcpu, i, i.mode64 ? 10 : 6)) return Outcome.placed;
    const limit = hv.guest.view.getUint16(0, true);
    const lo = hv.guest.view.getInt32(2, true);
    const base = i.mode64 ? vaOf(lo, hv.guest.view.getInt32(6, true)) : lo >>> 0;
    if (Number.isNaN(base)) return Outcome.refused;
    const native = nativeOf(vcpu);
    if (which === "gdt") {
      native.gdtBase = base;
      native.gdtLimit = limit;
    } else {
      native.idtBase = base;
      native.idtLimit = limit;
    }
    return Outcome.done;
  };
}

export function storeTable(which: "gdt" | "idt"): Execute {
  return (hv, vcpu, i) => {
    const native = nativeOf(vcpu);
    const base = which === "gdt" ? native.gdtBase : native.idtBase;
    hv.guest.view.setUint16(0, which === "gdt" ? native.gdtLimit : native.idtLimit, true);
    hv.guest.view.setInt32(2, vaLow(base), true);
    hv.guest.view.setInt32(6, vaHigh(base), true);
    return storeOperand(hv, vcpu, i, i.mode64 ? 10 : 6) ? Outcome.done : Outcome.placed;
  };
}

/** LTR and LLDT: the descriptor has 16 bytes in long mode, 8 before. */
export function loadSystemSegment(which: "task" | "ldt"): Execute {
  return (hv, vcpu, i) => {
    const native = nativeOf(vcpu);
    const segment = native[which];
    const selector = selectorOperand(hv, vcpu, i);
    if (selector < 0) return Outcome.placed;
    if ((selector & 0xfffc) === 0) {
      if (which === "task") return Outcome.refused;
      segment.selector = 0;
      return Outcome.done;
    }
    const fail = (vector: number): Outcome => {
      raise(hv, vcpu, vector, selector & 0xfffc);
      return Outcome.placed;
    };
    const size = i.mode64 ? 16 : 8;
    const va = (selector & 4) !== 0 ? Number.NaN : descriptorAddress(vcpu, selector, size);
    if (Number.isNaN(va)) return fail(Vector.GP);
    if (!hv.guest.fetch(va, size)) {
      raisePageFault(hv, vcpu, va);
      return Outcome.placed;
    }
    const [lo, hi, baseHigh] = hv.guest.u32;
    const type = (hi >>> 8) & 0x1f;
    if (type !== (which === "task" ? TSS_AVAILABLE : LDT_TYPE)) return fail(Vector.GP);
    if ((hi & Descriptor.present) === 0) return fail(Vector.NP);
    const base = i.mode64 ? vaOf(baseOf(lo, hi) | 0, baseHigh | 0) : baseOf(lo, hi);
    if (Number.isNaN(base)) return fail(Vector.GP);
    if (which === "task" && !hv.guest.writeU32(va + 4, hi | TSS_BUSY)) {
      raisePageFault(hv, vcpu, va + 4);
      return Outcome.placed;
    }
    segment.selector = selector;
    segment.base = base;
    segment.limit = limitOf(lo, hi);
    return Outcome.done;
  };
}

/** SLDT, STR and SMSW. */
export function storeWord(value: (hv: Hypervisor, vcpu: Vcpu) => number): Execute {
  return (hv, vcpu, i) => {
    const word = value(hv, vcpu);
    if (i.hasMem) {
      hv.guest.u16[0] = word;
      return storeOperand(hv, vcpu, i, 2) ? Outcome.done : Outcome.placed;
    }
    if (i.opSize === 2) hv.regs.set(i.rm, (hv.regs.lo(i.rm) & ~0xffff) | (word & 0xffff), hv.regs.hi(i.rm));
    else hv.regs.set(i.rm, word, 0);
    return Outcome.done;
  };
}
