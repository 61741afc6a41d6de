import { CR2, CS, RSP, SS } from "@xen-node/x86-cpu";
import { SHUTDOWN_reboot } from "@xen-node/xen-abi";
import { vaHigh, vaLow, vaOf } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { TraceKind } from "../trace.ts";
import type { Vcpu } from "../vcpu.ts";
import { Descriptor, dplOf, loadCode, loadStack, readDescriptor } from "./descriptors.ts";
import { isLongMode, nativeOf, setPrivilege } from "./paging.ts";

export const Vector = {
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
} as const;
export const NO_ERROR_CODE = -1;

/** RFLAGS. */
const TF = 0x100;
export const IF = 0x200;
const NT = 0x4000;
const RF = 0x10000;
const VM = 0x20000;
const INTERRUPT_GATE = 0xe;
const TRAP_GATE = 0xf;
/** Offsets in a 64-bit TSS (Intel SDM vol. 3, 8.7). */
const TSS_RSP0 = 4;
const TSS_IST1 = 0x24;
/** In error codes: the event came from outside of the program; the selector names an IDT entry. */
const EXTERNAL = 1;
const IN_IDT = 2;
/** Deliveries of one exception: itself, a double fault, and the one that ends it. */
const MOST_DELIVERIES = 4;

interface Fault {
  vector: number;
  errorCode: number;
}

/** How an event comes about: INT n and its kin are allowed by the gate's DPL, and what they push leads behind them. */
export type Origin = "exception" | "software" | "external";

const CONTRIBUTORY: ReadonlySet<number> = new Set([0, Vector.TS, Vector.NP, Vector.SS, Vector.GP]);

/**
 * Sends the loaded vcpu of a PVH guest to the handler of an exception or interrupt, through its IDT, with the stack of
 * its TSS. `length`: the handler is to come back behind the instruction at RIP. What goes wrong meanwhile is an exception itself, or a double fault, or the end: a triple fault is a reset.
 */
export function deliver(
  hv: Hypervisor,
  vcpu: Vcpu,
  vector: number,
  errorCode: number,
  origin: Origin,
  length = 0,
): void {
  if (!isLongMode(vcpu)) {
    const at = hv.regs.ripLo >>> 0;
    hv.crashDomain(vcpu, `exception ${vector} at 0x${at.toString(16)} before long mode: not there yet`);
    return;
  }
  let first: Fault = { vector, errorCode };
  let from = origin;
  const { ripLo, ripHi } = hv.regs;
  hv.regs.advance(length);
  for (let n = 0; n < MOST_DELIVERIES; n++) {
    const second = tryDelivery(hv, vcpu, first.vector, first.errorCode, from);
    if (second === undefined) return;
    hv.regs.setRip(ripLo, ripHi);
    from = "exception";
    if (first.vector === Vector.DF) break;
    const doubled =
      (CONTRIBUTORY.has(first.vector) && CONTRIBUTORY.has(second.vector)) ||
      (first.vector === Vector.PF && (second.vector === Vector.PF || CONTRIBUTORY.has(second.vector)));
    first = doubled ? { vector: Vector.DF, errorCode: 0 } : second;
  }
  hv.log.log("warning", "domain", `d${vcpu.domain.domid}v${vcpu.id}: triple fault at ${hv.regs.rip.toString(16)}`);
  hv.shutdownDomain(vcpu.domain, SHUTDOWN_reboot);
}

/** An exception of the instruction at RIP. */
export function raise(hv: Hypervisor, vcpu: Vcpu, vector: number, errorCode: number = NO_ERROR_CODE): void {
  deliver(hv, vcpu, vector, errorCode, "exception");
}

/** #PF for an access of the hypervisor's on behalf of the instruction: the walker has said why. */
export function raisePageFault(hv: Hypervisor, vcpu: Vcpu, va: number): void {
  setCr2(hv, va);
  raise(hv, vcpu, Vector.PF, hv.mmu.walker.errorCode);
}

function setCr2(hv: Hypervisor, va: number): void {
  hv.regs.u32[CR2 >>> 2] = vaLow(va);
  hv.regs.u32[(CR2 >>> 2) + 1] = vaHigh(va);
}

/** Undefined: done. Else the exception that came of it; the vcpu is as it was. */
function tryDelivery(hv: Hypervisor, vcpu: Vcpu, vector: number, errorCode: number, origin: Origin): Fault | undefined {
  const { regs, guest } = hv;
  const native = nativeOf(vcpu);
  const external = origin === "software" ? 0 : EXTERNAL;
  const fail = (faultVector: number, code: number): Fault => ({ vector: faultVector, errorCode: code });
  const wasKernel = vcpu.kernelMode;
  const unread = (va: number): Fault => {
    setCr2(hv, va);
    const code = hv.mmu.walker.errorCode;
    setPrivilege(hv, vcpu, wasKernel);
    return fail(Vector.PF, code);
  };
  const refused = (faultVector: number, code: number): Fault => {
    setPrivilege(hv, vcpu, wasKernel);
    return fail(faultVector, code);
  };

  const gateCode = vector * 8 + IN_IDT + external;
  if (vector * 16 + 15 > native.idtLimit) return fail(Vector.GP, gateCode);
  // Tables and the kernel's stack are read and written as the kernel could.
  setPrivilege(hv, vcpu, true);
  const gate = native.idtBase + vector * 16;
  if (!guest.fetch(gate, 16)) return unread(gate);
  const [gateLo, gateMid, gateHi] = guest.u32;
  const type = (gateMid >>> 8) & 0x1f;
  if (type !== INTERRUPT_GATE && type !== TRAP_GATE) return refused(Vector.GP, gateCode);
  if (origin === "software" && dplOf(gateMid) < (wasKernel ? 0 : 3)) return refused(Vector.GP, gateCode);
  if ((gateMid & Descriptor.present) === 0) return refused(Vector.NP, gateCode);
  const selector = gateLo >>> 16;
  const handlerLo = (gateLo & 0xffff) | (gateMid & 0xffff0000);
  const codeError = (selector & 0xfffc) + external;
  if ((selector & 0xfffc) === 0) return refused(Vector.GP, external);
  if (!readDescriptor(hv, vcpu, selector)) return refused(Vector.GP, codeError);
  const { lo: codeLo, hi: codeHi } = hv.descriptors;
  const isCode = (codeHi & (Descriptor.codeOrData | Descriptor.code)) === (Descriptor.codeOrData | Descriptor.code);
  // Handlers run at CPL 0: levels 1 and 2 are nobody's.
  if (!isCode || dplOf(codeHi) !== 0 || (codeHi & Descriptor.long) === 0) return refused(Vector.GP, codeError);
  if ((codeHi & Descriptor.present) === 0) return refused(Vector.NP, codeError);

  const ist = gateMid & 7;
  let top = vaOf(regs.u32[RSP >>> 2], regs.u32[(RSP >>> 2) + 1]);
  if (ist !== 0 || !wasKernel) {
    const offset = ist !== 0 ? TSS_IST1 + 8 * (ist - 1) : TSS_RSP0;
    const { task } = native;
    if (offset + 7 > task.limit) return refused(Vector.TS, (task.selector & 0xfffc) + external);
    if (!guest.fetch(task.base + offset, 8)) return unread(task.base + offset);
    top = vaOf(guest.u32[0], guest.u32[1]);
  }
  if (Number.isNaN(top)) return refused(Vector.SS, external);
  top -= vaLow(top) & 15;
  const rflags = regs.rflags;
  const words = errorCode === NO_ERROR_CODE ? 5 : 6;
  const at = top - 8 * words;
  const { u32 } = guest;
  let i = 0;
  const put = (lo: number, hi: number): void => {
    u32[i++] = lo;
    u32[i++] = hi;
  };
  if (errorCode !== NO_ERROR_CODE) put(errorCode, 0);
  put(regs.ripLo, regs.ripHi);
  put(regs.selector(CS), 0);
  // RF is set where an instruction breakpoint was met, no more: see x86-cpu.
  put(rflags, 0);
  put(regs.u32[RSP >>> 2], regs.u32[(RSP >>> 2) + 1]);
  put(regs.selector(SS), 0);
  if (!guest.store(at, 8 * words)) return unread(at);

  if (hv.trace.enabled) hv.traceEvent(TraceKind.upcall, vcpu, vector, 0, regs.rip);
  regs.u32[RSP >>> 2] = vaLow(at);
  regs.u32[(RSP >>> 2) + 1] = vaHigh(at);
  loadCode(hv, vcpu, selector, codeLo, codeHi, 0);
  if (!wasKernel) loadStack(hv, 0, 0, 0, 0);
  regs.setRip(handlerLo, gateHi);
  const cleared = TF | NT | RF | VM | (type === INTERRUPT_GATE ? IF : 0);
  regs.rflags = rflags & ~cleared;
  return undefined;
}
