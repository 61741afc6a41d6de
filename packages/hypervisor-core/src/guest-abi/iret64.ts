import { VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import { vaOf } from "../address.ts";
import { injectException } from "../bounce.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";
import { loadCodeSegment64, loadStackSegment64 } from "./segments64.ts";

const IF = 0x200;
const IOPL = 0x3000;
const UPCALL_MASK = 1;
export const VGCF_IN_SYSCALL = 0x100;
export const IRET_FRAME_BYTES = 72;
/** Bits that the hypervisor owns, whatever the frame says: IOPL, VM; bit 1 is always set. */
const RFLAGS_FORBIDDEN = 0x3000 | 0x20000 | 0x8 | 0x20 | 0x8000;
export const RFLAGS_FROM_FRAME = 0x3fffff & ~RFLAGS_FORBIDDEN;

/**
 * HYPERVISOR_iret of a 64-bit guest: rax, r11, rcx, flags, rip, cs, rflags, rsp, ss at the guest's rsp
 * (xen/include/public/arch-x86/xen-x86_64.h, struct iret_context). A CS with RPL 3 returns to guest user mode.
 */
export function iret64(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs, guest } = hv;
  const sp = regs.va(Gpr.rsp);
  const at = guest.wordsForRead(sp, IRET_FRAME_BYTES);
  if (at === 0 && !guest.fetch(sp, IRET_FRAME_BYTES)) {
    hv.crashDomain(vcpu, "iret frame could not be read");
    return;
  }
  const f = at !== 0 ? hv.mmu.memory.u32 : guest.u32;
  const raxLo = f[at];
  const raxHi = f[at + 1];
  const r11Lo = f[at + 2];
  const r11Hi = f[at + 3];
  const rcxLo = f[at + 4];
  const rcxHi = f[at + 5];
  const flags = f[at + 6];
  const ripLo = f[at + 8];
  const ripHi = f[at + 9];
  const cs = f[at + 10] & 0xffff;
  const rflags = f[at + 12];
  const rspLo = f[at + 14];
  const rspHi = f[at + 15];
  const ss = f[at + 16] & 0xffff;

  if ((cs & 3) === 3) {
    if (vcpu.guestTableUser === 0) {
      hv.crashDomain(vcpu, "iret to user mode without a user page-table root");
      return;
    }
    hv.addressSpaces.toggle(vcpu);
  }
  if (vcpu.domain.vmAssists.has(VMASST_TYPE_architectural_iopl)) vcpu.iopl = rflags & IOPL;
  const newFlags = (rflags & RFLAGS_FROM_FRAME) | IF | 2;
  regs.setRip(ripLo, ripHi);
  regs.rflags = newFlags;
  regs.set(Gpr.rsp, rspLo, rspHi);
  regs.set(Gpr.rax, raxLo, raxHi);
  if ((flags & VGCF_IN_SYSCALL) !== 0) {
    regs.set(Gpr.rcx, ripLo, ripHi);
    regs.set(Gpr.r11, newFlags, 0);
  } else {
    regs.set(Gpr.rcx, rcxLo, rcxHi);
    regs.set(Gpr.r11, r11Lo, r11Hi);
  }
  vcpu.nmiMasked = false;
  const info = vcpu.infoHost;
  if (info !== 0) hv.mmu.memory.u8[info + UPCALL_MASK] = (rflags & IF) !== 0 ? 0 : 1;

  const codeFault = loadCodeSegment64(hv, vcpu, cs | 3);
  const fault = codeFault !== 0 ? codeFault : loadStackSegment64(hv, vcpu, ss | 3);
  if (fault !== 0) {
    injectException(hv, vcpu, fault, true, (codeFault !== 0 ? cs : ss) & ~3);
  } else if (Number.isNaN(vaOf(ripLo, ripHi))) {
    injectException(hv, vcpu, 13, true, 0);
  }
}
