import { XEN_PVCLOCK_TSC_STABLE_BIT } from "@xen-node/xen-abi";
import { isGuestRange } from "./address.ts";
import type { Domain } from "./domain.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { putU64 } from "./runstate.ts";
import type { Vcpu } from "./vcpu.ts";

/** The guest's TSC ticks once a nanosecond, so that it is the clock itself and every conversion is exact. */
export const TSC_KHZ = 1_000_000;

// ns = ((tsc - stamp) << shift) * mul >> 32: with 1 GHz, a shift of 1 and a multiplier of one half.
const TSC_TO_SYSTEM_MUL = 0x80000000;
const TSC_SHIFT = 1;

const TIME_BYTES = 32;
/** Offset of vcpu_time_info in vcpu_info. */
const TIME_IN_VCPU_INFO = 32;

function encode(view: DataView, at: number, version: number, now: number): void {
  view.setUint32(at, version | 1, true);
  putU64(view, at + 8, now);
  putU64(view, at + 16, now);
  view.setUint32(at + 24, TSC_TO_SYSTEM_MUL, true);
  view.setInt8(at + 28, TSC_SHIFT);
  view.setUint8(at + 29, XEN_PVCLOCK_TSC_STABLE_BIT);
  view.setUint32(at, ((version | 1) + 1) >>> 0, true);
}

/** Brings a vcpu's time structures up to date (xen/include/public/xen.h, vcpu_time_info). */
export function updateTime(hv: Hypervisor, vcpu: Vcpu, now: number = hv.now()): void {
  const info = vcpu.infoHost;
  if (info === 0) return;
  const view = hv.mmu.memory.view;
  const at = info + TIME_IN_VCPU_INFO;
  encode(view, at, view.getUint32(at, true), now);
}

/** Writes the second copy that VCPUOP_register_vcpu_time_memory_area asked for. False: the guest's area is not writable. */
export function updateTimeArea(hv: Hypervisor, vcpu: Vcpu): boolean {
  const va = vcpu.timeAreaVa;
  if (!isGuestRange(va, TIME_BYTES)) return false;
  const bytes = new Uint8Array(TIME_BYTES);
  if (!hv.mmu.guest.copyIn(vcpu.kernelRoot, va, bytes, TIME_BYTES)) return false;
  const view = new DataView(bytes.buffer);
  encode(view, 0, view.getUint32(0, true), hv.now());
  return hv.mmu.guest.copyOut(vcpu.kernelRoot, va, bytes, TIME_BYTES);
}

/** Writes the wall-clock time of system time 0 to shared_info. */
export function updateWallclock(hv: Hypervisor, domain: Domain): void {
  if (domain.sharedInfoMfn === 0) return;
  const at = hv.mmu.frames.hostAddress(domain.sharedInfoMfn);
  const view = hv.mmu.memory.view;
  const { wcVersion, wcSec, wcNsec, wcSecHi } = domain.abi.sharedInfo;
  const version = view.getUint32(at + wcVersion, true);
  view.setUint32(at + wcVersion, version | 1, true);
  const seconds = Math.floor(hv.clock.wallclockAtZeroNs / 1e9);
  view.setUint32(at + wcSec, seconds >>> 0, true);
  view.setUint32(at + wcNsec, hv.clock.wallclockAtZeroNs - seconds * 1e9, true);
  view.setUint32(at + wcSecHi, Math.floor(seconds / 0x100000000), true);
  view.setUint32(at + wcVersion, ((version | 1) + 1) >>> 0, true);
}
