import { DOMID_XEN, Physmap } from "@xen-node/mmu";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { LocalApic } from "./local-apic.ts";
import { NativeState } from "./native-state.ts";
import { createRoots, destroyRoots } from "./paging.ts";

const PAGE_BYTES = 4096;
/** What reads find where nothing is. */
const ABSENT = 0xff;

/**
 * Gives a new PVH domain its physical address space, empty but for what its gaps read as, and its vcpus their system
 * registers. False, with nothing taken, if the machine is full.
 */
export function equipNative(hv: Hypervisor, domain: Domain): boolean {
  const { frames, memory } = hv.mmu;
  domain.physmap = new Physmap(domain.maxPages);
  // One for reads, which nobody writes, and one that swallows writes.
  for (let i = 0; i < 2; i++) {
    const mfn = frames.alloc(DOMID_XEN);
    if (mfn < 0) {
      releaseNativeFrames(hv, domain);
      return false;
    }
    domain.xenFrames.push(mfn);
  }
  const host = frames.hostAddress(domain.xenFrames[0]);
  memory.u8.fill(ABSENT, host, host + PAGE_BYTES);
  for (const vcpu of domain.vcpus) {
    vcpu.native = new NativeState(new LocalApic(hv, vcpu));
    if (!createRoots(hv, vcpu)) {
      for (const other of domain.vcpus) releaseNative(hv, other);
      releaseNativeFrames(hv, domain);
      return false;
    }
  }
  return true;
}

/** The vcpu does not run again: its address spaces go. */
export function releaseNative(hv: Hypervisor, vcpu: Vcpu): void {
  if (vcpu.native === undefined) return;
  vcpu.native.apic.stop();
  destroyRoots(hv, vcpu);
}

/** The frames of the gaps and those that the builder shared, after all address spaces. */
export function releaseNativeFrames(hv: Hypervisor, domain: Domain): void {
  for (const mfn of domain.xenFrames.splice(0)) hv.mmu.frames.free(mfn);
  for (const mfn of domain.sharedFrames.splice(0)) hv.mmu.types.unshare(mfn);
}
