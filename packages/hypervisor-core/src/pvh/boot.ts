import { CR0, CR3, CR4, CS, DS, ES, FS, GS, SS } from "@xen-node/x86-cpu";
import { resetContext } from "../guest-context.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import type { Vcpu } from "../vcpu.ts";
import { Cr0, updatePaging } from "./paging.ts";

const FLAT_LIMIT = 0xffffffff;
/** Flat 32-bit segments of CPL 0: descriptor bytes 5 and 6. */
const CODE32 = 0xc09b;
const DATA32 = 0xc093;
const RFLAGS = 2;

/** Where a PVH guest's first vcpu starts; both are guest-physical addresses. */
export interface NativeBootState {
  /** XEN_ELFNOTE_PHYS32_ENTRY. */
  entry: number;
  /** hvm_start_info. */
  startInfo: number;
}

/**
 * Puts vcpu 0 of a built PVH domain at its entry: 32-bit protected mode without paging, flat segments, interrupts off,
 * EBX with the address of hvm_start_info (docs/misc/pvh.pandoc of Xen). Always 0.
 */
export function bootNativeVcpu(hv: Hypervisor, vcpu: Vcpu, boot: NativeBootState): number {
  return hv.withVcpu(vcpu, () => {
    const { regs } = hv;
    resetContext(hv, vcpu);
    vcpu.kernelMode = true;
    regs.u32[CR0 >>> 2] = Cr0.PE | Cr0.ET;
    regs.u32[CR4 >>> 2] = 0;
    regs.u32[CR3 >>> 2] = regs.u32[(CR3 >>> 2) + 1] = 0;
    updatePaging(hv, vcpu);
    regs.setSegment(CS, 0, 0, FLAT_LIMIT, CODE32);
    for (const segment of [DS, ES, SS]) regs.setSegment(segment, 0, 0, FLAT_LIMIT, DATA32);
    for (const segment of [FS, GS]) regs.setSegment(segment, 0, 0, 0, 0);
    regs.setRip(boot.entry, 0);
    regs.set(Gpr.rbx, boot.startInfo, 0);
    regs.rflags = RFLAGS;
    vcpu.initialised = true;
    hv.bringUp(vcpu);
    return 0;
  });
}
