import { DS, ES, FCW, FS, FSW, FTW, GS, MXCSR, X87, XCR0, XMM } from "@xen-node/x86-cpu";
import { EEXIST } from "@xen-node/xen-abi";
import type { Hypervisor } from "./hypervisor.ts";
import { Gpr } from "./registers.ts";
import { loadDataSegment, releaseGdt } from "./segments.ts";
import type { Vcpu } from "./vcpu.ts";

const IF = 0x200;
const DEFAULT_MXCSR = 0x1f80;
const DEFAULT_FCW = 0x37f;
const XCR0_X87 = 1;

/** State of a processor that nobody has used: x87 and SSE defaults, control registers, flat segments. */
export function resetContext(hv: Hypervisor, vcpu: Vcpu): void {
  const { regs } = hv;
  for (let gpr = 0; gpr < 16; gpr++) regs.set(gpr, 0, 0);
  const u16 = hv.mmu.memory.u16;
  u16[FCW >>> 1] = DEFAULT_FCW;
  u16[FSW >>> 1] = 0;
  u16[FTW >>> 1] = 0xffff;
  regs.u32[MXCSR >>> 2] = DEFAULT_MXCSR;
  regs.u32[XCR0 >>> 2] = XCR0_X87;
  regs.u32[(XCR0 >>> 2) + 1] = 0;
  const { abi } = vcpu.domain;
  for (const segment of [ES, DS, FS, GS]) loadDataSegment(hv, vcpu, segment, abi.flat.kernelDs, abi.kernelRpl);
  abi.loadKernelSegments(hv);
  regs.rflags = IF | 2;
  hv.control.reset(vcpu);
}

/** Where a fresh domain's first vcpu starts; `FirstVcpu` of the builder fits. Addresses are signed canonical numbers. */
export interface BootState {
  rip: number;
  rsp: number;
  /** Address of start_info. */
  rsi: number;
  /** mfn of the root table. */
  rootMfn: number;
}

/** Gives vcpu 0 of a built domain its boot context and brings it up. 0 or -errno. */
export function bootVcpu(hv: Hypervisor, vcpu: Vcpu, boot: BootState): number {
  return hv.withVcpu(vcpu, () => {
    resetContext(hv, vcpu);
    vcpu.kernelMode = true;
    const rc = hv.addressSpaces.setKernelRoot(vcpu, boot.rootMfn);
    if (rc !== 0) return rc;
    hv.regs.rip = boot.rip;
    hv.regs.setNumber(Gpr.rsp, boot.rsp);
    hv.regs.setNumber(Gpr.rsi, boot.rsi);
    vcpu.initialised = true;
    hv.bringUp(vcpu);
    return 0;
  });
}

/**
 * VCPUOP_initialise: takes a vcpu_guest_context. 0, -EINVAL, -EEXIST, -ERESTART to be called again. The vcpu stays down
 * unless it says online.
 */
export function initialiseVcpu(hv: Hypervisor, vcpu: Vcpu, context: DataView): number {
  if (vcpu.initialised) return -EEXIST;
  return hv.withVcpu(vcpu, () => {
    const rc = vcpu.domain.abi.applyContext(hv, vcpu, context);
    if (rc !== 0) {
      // A vcpu that was refused holds nothing.
      releaseGdt(hv, vcpu);
      hv.addressSpaces.release(vcpu);
    }
    return rc;
  });
}

/** Loads the x87 and SSE registers from an FXSAVE image (Intel SDM vol. 1, 10.5.1). */
export function loadFxsave(hv: Hypervisor, image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const { u8, u16, u32 } = hv.mmu.memory;
  u16[FCW >>> 1] = view.getUint16(0, true);
  const status = view.getUint16(2, true);
  u16[FSW >>> 1] = status;
  const top = (status >>> 11) & 7;
  let tags = 0;
  for (let physical = 0; physical < 8; physical++) {
    const slot = 32 + 16 * ((physical - top) & 7);
    u8.set(image.subarray(slot, slot + 10), X87(physical));
    if ((image[4] & (1 << physical)) === 0) tags |= 3 << (2 * physical);
  }
  u16[FTW >>> 1] = tags;
  u32[MXCSR >>> 2] = view.getUint32(24, true) & 0xffff;
  u8.set(image.subarray(160, 416), XMM(0));
}
