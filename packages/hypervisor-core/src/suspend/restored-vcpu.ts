import { FDP, FIP, FOP, XCR0 } from "@xen-node/x86-cpu";
import { ERESTART, errnoName } from "@xen-node/xen-abi";
import { u64Number, vaOf } from "../address.ts";
import { CONTEXT_BYTES_64, ContextAt } from "../guest-abi/context64.ts";
import { initialiseVcpu } from "../guest-context.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { DomainImageError } from "./domain-image-error.ts";
import { ExtendedAt, MSR_TSC_AUX, type SavedVcpu } from "./saved-vcpu.ts";

const MSR_BYTES = 16;
/** XCR0 with x87 and SSE. */
const XCR0_MOST = 3;

function viewOf({ basic }: SavedVcpu): DataView {
  if (basic.length !== CONTEXT_BYTES_64)
    throw new DomainImageError("image", `a vcpu's context has ${basic.length} bytes instead of ${CONTEXT_BYTES_64}.`);
  return new DataView(basic.buffer, basic.byteOffset, basic.byteLength);
}

/** The page of start_info: the third argument of the hypercall by which the guest suspended itself. */
export function startInfoPage(first: SavedVcpu): number {
  const context = viewOf(first);
  return u64Number(context.getUint32(ContextAt.rdx, true), context.getUint32(ContextAt.rdx + 4, true));
}

/**
 * Gives a new vcpu the state of a saved one.
 * @param frameOf the frame of a page, 0 for none
 * @throws DomainImageError
 */
export function restoreVcpu(hv: Hypervisor, vcpu: Vcpu, saved: SavedVcpu, frameOf: (pfn: number) => number): void {
  const refuse = (reason: string): DomainImageError =>
    new DomainImageError("image", `vcpu ${vcpu.id} of the image ${reason}.`);
  const from = viewOf(saved);
  const context = new DataView(saved.basic.slice().buffer);
  /** An address of a page, in 8 bytes, becomes that of its frame. */
  const localise = (at: number, what: string): void => {
    const lo = from.getUint32(at, true);
    const pfn = (lo >>> 12) + from.getUint32(at + 4, true) * 0x100000;
    const mfn = frameOf(pfn);
    if (mfn === 0) throw refuse(`has ${what} in page ${pfn}, which the image has not`);
    context.setUint32(at, ((mfn << 12) | (lo & 0xfff)) >>> 0, true);
    context.setUint32(at + 4, Math.floor(mfn / 0x100000), true);
  };
  localise(ContextAt.ctrlreg + 24, "its page tables");
  if ((from.getUint32(ContextAt.ctrlreg + 8, true) & 1) !== 0)
    localise(ContextAt.ctrlreg + 8, "its programs' page tables");
  const gdtFrames = Math.min(16, Math.ceil(from.getUint32(ContextAt.gdtEntries, true) / 512));
  for (let i = 0; i < gdtFrames; i++) {
    const at = ContextAt.gdtFrames + 8 * i;
    const mfn = frameOf(u64Number(from.getUint32(at, true), from.getUint32(at + 4, true)));
    if (mfn === 0) throw refuse("has a descriptor table in a page that the image has not");
    context.setUint32(at, mfn, true);
    context.setUint32(at + 4, 0, true);
  }
  if (vcpu.id === 0) {
    const mfn = frameOf(startInfoPage(saved));
    context.setUint32(ContextAt.rdx, mfn, true);
    context.setUint32(ContextAt.rdx + 4, 0, true);
    vcpu.domain.vmAssists.setMask(
      from.getUint32(ContextAt.vmAssist, true),
      from.getUint32(ContextAt.vmAssist + 4, true),
    );
  }
  let result = initialiseVcpu(hv, vcpu, context);
  while (result === -ERESTART) result = initialiseVcpu(hv, vcpu, context);
  if (result !== 0) throw refuse(`was refused by the hypervisor (${errnoName(-result)})`);
  restoreCallbacks(vcpu, saved.extended);
  if (!restoreMsrs(vcpu, saved.msrs)) throw refuse("has model-specific registers that there are none of here");
  if (!hv.withVcpu(vcpu, () => restoreFpu(hv, from, saved.xsave)))
    throw refuse("has more vector registers than the processor here");
}

function restoreCallbacks({ callbacks }: Vcpu, extended: Uint8Array): void {
  if (extended.length <= ExtendedAt.sysenterMasksEvents) return;
  const view = new DataView(extended.buffer, extended.byteOffset, extended.byteLength);
  const address = (at: number): number => {
    const va = vaOf(view.getInt32(at, true), view.getInt32(at + 4, true));
    return Number.isNaN(va) ? 0 : va;
  };
  callbacks.syscall32 = address(ExtendedAt.syscall32);
  callbacks.sysenter = address(ExtendedAt.sysenter);
  callbacks.syscall32MasksEvents = view.getUint8(ExtendedAt.syscall32MasksEvents) !== 0;
  callbacks.sysenterMasksEvents = view.getUint8(ExtendedAt.sysenterMasksEvents) !== 0;
}

/** False: one of them is not known here, and not zero. */
function restoreMsrs(vcpu: Vcpu, msrs: Uint8Array): boolean {
  const view = new DataView(msrs.buffer, msrs.byteOffset, msrs.byteLength);
  for (let at = 0; at + MSR_BYTES <= msrs.length; at += MSR_BYTES) {
    const lo = view.getUint32(at + 8, true);
    const hi = view.getUint32(at + 12, true);
    if (view.getUint32(at, true) === MSR_TSC_AUX && hi === 0) vcpu.tscAux = lo;
    else if ((lo | hi) !== 0) return false;
  }
  return true;
}

/** What the context's FXSAVE image has and `initialiseVcpu` leaves alone, and XCR0. False: it enables what is not here. */
function restoreFpu(hv: Hypervisor, context: DataView, xsave: Uint8Array): boolean {
  const { u16, u32 } = hv.mmu.memory;
  u16[FOP >>> 1] = context.getUint16(ContextAt.fpu + 6, true);
  for (const [at, to] of [
    [8, FIP],
    [16, FDP],
  ]) {
    u32[to >>> 2] = context.getUint32(ContextAt.fpu + at, true);
    u32[(to >>> 2) + 1] = context.getUint32(ContextAt.fpu + at + 4, true);
  }
  if (xsave.length < 8) return true;
  const xcr0 = new DataView(xsave.buffer, xsave.byteOffset, xsave.byteLength).getUint32(0, true);
  if ((xcr0 & 1) === 0 || (xcr0 & ~XCR0_MOST) !== 0) return false;
  u32[XCR0 >>> 2] = xcr0;
  return true;
}
