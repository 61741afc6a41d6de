import { CS, SS } from "@xen-node/x86-cpu";
import { VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import { injectException } from "../bounce.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import { loadCodeSegment, loadStackSegment } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";
import { SavedSegment } from "./frame32.ts";
import { dropInnerSegments } from "./segments32.ts";

const IF = 0x200;
const IOPL = 0x3000;
const VM = 0x20000;
const UPCALL_MASK = 1;
const GP = 13;
/** Bits that a frame may set: CF PF AF ZF SF TF DF OF NT RF AC ID. */
const EFLAGS_KEPT = 0x254dd5 & ~(IF | IOPL);
const KERNEL_FRAME_BYTES = 16;
const PROGRAM_FRAME_BYTES = 24;
const NATIVE_FRAME_BYTES = 20;

/**
 * HYPERVISOR_iret of a 32-bit guest: eax, eip, cs, eflags and, for ring 2 and 3, esp, ss at the guest's ss:esp. A code
 * segment that cannot be loaded is a #GP where the frame leads.
 */
export function iret32(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs, guest } = hv;
  const sp = regs.lo(Gpr.rsp) >>> 0;
  const at = (sp + regs.baseLo(SS)) >>> 0;
  if (!guest.fetch(at, KERNEL_FRAME_BYTES)) {
    hv.crashDomain(vcpu, "iret frame could not be read");
    return;
  }
  const [eax, eip, csWord, eflags] = guest.u32;
  const cs = csWord & 0xffff;
  const rpl = cs & 3;
  if (rpl === 0) {
    hv.crashDomain(vcpu, "iret to ring 0");
    return;
  }
  let esp = (sp + KERNEL_FRAME_BYTES) >>> 0;
  let ss = regs.selector(SS);
  if (rpl > 1) {
    if (!guest.fetch(at, PROGRAM_FRAME_BYTES)) {
      hv.crashDomain(vcpu, "iret frame could not be read");
      return;
    }
    esp = guest.u32[4];
    ss = guest.u32[5] & 0xffff;
  }
  regs.set(Gpr.rax, eax, 0);
  if (vcpu.domain.vmAssists.has(VMASST_TYPE_architectural_iopl)) vcpu.iopl = eflags & IOPL;
  vcpu.nmiMasked = false;
  const info = vcpu.infoHost;
  if (info !== 0) hv.mmu.memory.u8[info + UPCALL_MASK] = (eflags & IF) !== 0 ? 0 : 1;
  if ((eflags & VM) !== 0) {
    // There is no virtual-8086 mode under a 64-bit hypervisor.
    regs.setRip(eip, 0);
    injectException(hv, vcpu, GP, true, 0);
    return;
  }
  const fault = goTo(hv, vcpu, eip, cs, eflags, esp, ss);
  if (fault !== 0) {
    regs.setRip(eip, 0);
    injectException(hv, vcpu, fault & 0xff, true, fault >>> 8);
  }
}

/** IRET from the kernel to a program: eip, cs, eflags, esp, ss. The upcall mask stays. */
export function nativeIret32(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { regs, guest } = hv;
  const at = ((regs.lo(Gpr.rsp) >>> 0) + regs.baseLo(SS)) >>> 0;
  if (!vcpu.kernelMode || !guest.fetch(at, NATIVE_FRAME_BYTES)) return false;
  const [eip, cs, eflags, esp, ss] = guest.u32;
  const fault = goTo(hv, vcpu, eip, cs & 0xffff, eflags, esp, ss & 0xffff);
  if (fault !== 0) injectException(hv, vcpu, fault & 0xff, true, fault >>> 8);
  return true;
}

/** 0, or a fault as vector | error code << 8, with nothing changed. */
function goTo(hv: Hypervisor, vcpu: Vcpu, eip: number, cs: number, eflags: number, esp: number, ss: number): number {
  const { regs } = hv;
  const rpl = cs & 3;
  const oldCode = new SavedSegment(hv, CS);
  const codeFault = loadCodeSegment(hv, vcpu, cs);
  if (codeFault !== 0) return codeFault | ((cs & ~3) << 8);
  if (rpl > 1) {
    const stackFault = (ss & 3) === rpl ? loadStackSegment(hv, vcpu, ss) : GP;
    if (stackFault !== 0) {
      oldCode.restore();
      return stackFault | ((ss & ~3) << 8);
    }
    dropInnerSegments(hv, rpl);
    hv.addressSpaces.setKernelMode(vcpu, false);
  }
  regs.setRip(eip, 0);
  regs.set(Gpr.rsp, esp, 0);
  regs.rflags = (eflags & EFLAGS_KEPT) | IF | 2;
  return 0;
}
