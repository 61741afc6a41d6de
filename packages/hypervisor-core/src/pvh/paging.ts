import { CR0, CR3 } from "@xen-node/x86-cpu";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import type { NativeState } from "./native-state.ts";

/** Intel SDM vol. 3, 2.5; vol. 4, table 2-2. */
export const Cr0 = { PE: 1, EM: 4, TS: 8, ET: 0x10, WP: 0x10000, NW: 1 << 29, CD: 1 << 30, PG: 1 << 31 } as const;
export const Cr4 = { TSD: 4, PSE: 0x10, PAE: 0x20, PGE: 0x80, FSGSBASE: 0x10000, OSXSAVE: 0x40000 } as const;
export const Efer = { SCE: 1, LME: 0x100, LMA: 0x400, NXE: 0x800 } as const;

/** The system registers of a vcpu of a PVH guest. */
export function nativeOf(vcpu: Vcpu): NativeState {
  if (vcpu.native === undefined) throw new Error(`d${vcpu.domain.domid}v${vcpu.id} is no vcpu of a PVH guest`);
  return vcpu.native;
}

/** Gives a vcpu its two address spaces, the supervisor's and the user's. False: the machine has no more. */
export function createRoots(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { translated } = hv.mmu;
  const { domid, physmap, xenFrames } = vcpu.domain;
  if (physmap === undefined) return false;
  const [absentReadMfn, absentWriteMfn] = xenFrames;
  const space = { domid, physmap, absentReadMfn, absentWriteMfn };
  const kernel = translated.create({ ...space, user: false });
  const user = kernel < 0 ? -1 : translated.create({ ...space, user: true });
  if (user < 0) {
    if (kernel >= 0) translated.destroy(kernel);
    return false;
  }
  vcpu.guestTable = kernel;
  vcpu.guestTableUser = user;
  return true;
}

/** The vcpu does not run again. */
export function destroyRoots(hv: Hypervisor, vcpu: Vcpu): void {
  for (const root of [vcpu.guestTable, vcpu.guestTableUser]) if (root !== 0) hv.mmu.translated.destroy(root);
  vcpu.guestTable = vcpu.guestTableUser = 0;
}

/** Registers that say how addresses are translated were written: all translations of the loaded vcpu go. */
export function updatePaging(hv: Hypervisor, vcpu: Vcpu): void {
  const { u32 } = hv.regs;
  const native = nativeOf(vcpu);
  const cr0 = u32[CR0 >>> 2];
  const state = {
    paging: (cr0 & Cr0.PG) !== 0,
    l4Gfn: (u32[CR3 >>> 2] >>> 12) + (u32[(CR3 >>> 2) + 1] & 0xff) * 0x100000,
    writeProtect: (cr0 & Cr0.WP) !== 0,
    noExecute: (native.efer & Efer.NXE) !== 0,
  };
  hv.mmu.translated.set(vcpu.guestTable, state);
  hv.mmu.translated.set(vcpu.guestTableUser, state);
}

/** INVLPG. */
export function invalidatePage(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): void {
  hv.mmu.translated.invalidatePage(vcpu.guestTable, lo, hi);
  hv.mmu.translated.invalidatePage(vcpu.guestTableUser, lo, hi);
}

/** Whether IA-32e mode is on. */
export function isLongMode(vcpu: Vcpu): boolean {
  return (nativeOf(vcpu).efer & Efer.LMA) !== 0;
}

/** Kernel or user: what CPL 0 and CPL 3 reach differs, so the processor gets the other address space. */
export function setPrivilege(hv: Hypervisor, vcpu: Vcpu, kernel: boolean): void {
  if (vcpu.kernelMode === kernel) return;
  vcpu.kernelMode = kernel;
  hv.addressSpaces.enter(vcpu);
}
