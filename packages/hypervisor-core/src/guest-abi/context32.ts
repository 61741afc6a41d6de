import { DS, ES, FS, GS } from "@xen-node/x86-cpu";
import { EINVAL, structs32, VGCF_failsafe_disables_events, VGCF_I387_VALID, VGCF_online } from "@xen-node/xen-abi";
import { installGdt } from "../abi/descriptor-tables.ts";
import { loadFxsave, resetContext } from "../guest-context.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import { loadCodeSegment, loadDataSegment, loadStackSegment, raiseSelector } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";

const { offsets: at } = structs32.vcpu_guest_context;
const FXSAVE_BYTES = 512;
const EFLAGS_KEPT = 0x254dd5 & ~0x3000;
const IF = 0x200;
const CR0_TS = 8;
const GENERAL_REGISTERS = [
  [Gpr.rax, at["user_regs.eax"]],
  [Gpr.rbx, at["user_regs.ebx"]],
  [Gpr.rcx, at["user_regs.ecx"]],
  [Gpr.rdx, at["user_regs.edx"]],
  [Gpr.rsi, at["user_regs.esi"]],
  [Gpr.rdi, at["user_regs.edi"]],
  [Gpr.rbp, at["user_regs.ebp"]],
  [Gpr.rsp, at["user_regs.esp"]],
] as const;
const DATA_SEGMENTS = [
  [ES, at["user_regs.es"]],
  [DS, at["user_regs.ds"]],
  [FS, at["user_regs.fs"]],
  [GS, at["user_regs.gs"]],
] as const;

/** VCPUOP_initialise of a 32-bit guest. 0, -EINVAL, -ERESTART. Its code segment says whether it is the kernel's. */
export function applyContext32(hv: Hypervisor, vcpu: Vcpu, c: DataView): number {
  const { regs } = hv;
  const { abi } = vcpu.domain;
  const word = (offset: number): number => c.getUint32(offset, true);
  const selector = (offset: number): number => raiseSelector(abi, c.getUint16(offset, true));
  const gdtEntries = word(at.gdt_ents);
  const ldtEntries = word(at.ldt_ents);
  if (ldtEntries > 8192 || (word(at.ldt_base) & 0xfff) !== 0) return -EINVAL;
  const frames: number[] = [];
  for (let i = 0; i < Math.min(14, Math.ceil(gdtEntries / 512)); i++) frames.push(word(at.gdt_frames + 4 * i));
  resetContext(hv, vcpu);
  let rc = installGdt(hv, vcpu, frames, gdtEntries);
  if (rc !== 0) return rc;
  const cs = selector(at["user_regs.cs"]);
  vcpu.kernelMode = (cs & 3) === abi.kernelRpl;
  rc = hv.addressSpaces.setKernelRoot(vcpu, abi.rootOfCr3(word(at.ctrlreg + 4 * 3), 0));
  if (rc !== 0) return rc;

  vcpu.ldtBase = word(at.ldt_base);
  vcpu.ldtEntries = ldtEntries;
  vcpu.kernelSs = selector(at.kernel_ss);
  vcpu.kernelSp = word(at.kernel_sp);
  const { offsets: trap, size } = structs32.trap_info;
  for (let vector = 0; vector < 256; vector++) {
    const entry = at.trap_ctxt + size * vector;
    vcpu.traps.set(vector, c.getUint8(entry + trap.flags), selector(entry + trap.cs), word(entry + trap.address));
  }
  const flags = word(at.flags);
  vcpu.callbacks.event = word(at.event_callback_eip);
  vcpu.callbacks.eventCs = selector(at.event_callback_cs);
  vcpu.callbacks.failsafe = word(at.failsafe_callback_eip);
  vcpu.callbacks.failsafeCs = selector(at.failsafe_callback_cs);
  vcpu.callbacks.failsafeMasksEvents = (flags & VGCF_failsafe_disables_events) !== 0;

  for (const [gpr, offset] of GENERAL_REGISTERS) regs.set(gpr, word(offset), 0);
  regs.setRip(word(at["user_regs.eip"]), 0);
  const eflags = word(at["user_regs.eflags"]);
  vcpu.iopl = eflags & 0x3000;
  regs.rflags = (eflags & EFLAGS_KEPT) | IF | 2;
  hv.control.setTaskSwitched(vcpu, (word(at.ctrlreg) & CR0_TS) !== 0);
  hv.control.writeCr4(vcpu, word(at.ctrlreg + 4 * 4));
  for (const register of [0, 1, 2, 3, 6, 7]) {
    hv.control.writeDr(vcpu, register, word(at.debugreg + 4 * register), 0);
  }
  if ((flags & VGCF_I387_VALID) !== 0) loadFxsave(hv, new Uint8Array(c.buffer, c.byteOffset, FXSAVE_BYTES));
  const ss = selector(at["user_regs.ss"]);
  if ((ss & 3) !== (cs & 3) || loadCodeSegment(hv, vcpu, cs) !== 0) return -EINVAL;
  if (loadStackSegment(hv, vcpu, ss) !== 0) return -EINVAL;
  loadDataSegments(hv, vcpu, c, cs & 3);
  vcpu.initialised = true;
  if ((flags & VGCF_online) !== 0) hv.bringUp(vcpu);
  return 0;
}

/** What cannot be loaded is the failsafe callback's. */
function loadDataSegments(hv: Hypervisor, vcpu: Vcpu, c: DataView, cpl: number): void {
  const wanted: number[] = [];
  let ok = true;
  for (const [segment, offset] of DATA_SEGMENTS) {
    wanted[segment] = c.getUint16(offset, true);
    ok = loadDataSegment(hv, vcpu, segment, wanted[segment], cpl) && ok;
  }
  if (!ok) vcpu.failsafeSelectors = wanted;
}
