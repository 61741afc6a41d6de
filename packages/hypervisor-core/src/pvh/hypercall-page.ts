import { __HYPERVISOR_iret } from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";

const PAGE_BYTES = 4096;
const STUB_BYTES = 32;
// mov $number,%eax; vmcall; ret
const MOV_EAX = 0xb8;
const AFTER = [0x0f, 0x01, 0xc1, 0xc3];
const INT3 = 0xcc;
const UD2 = [0x0f, 0x0b];
/** Bits of the address in the MSR's low word. */
const ADDRESS = ~(PAGE_BYTES - 1);

/** The 4 KiB of code that a PVH guest calls hypercall n at offset 32 n of. It has no use for the PV guests' iret. */
export function nativeHypercallPage(): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES).fill(INT3);
  for (let number = 0; number < PAGE_BYTES / STUB_BYTES; number++) {
    const stub = number === __HYPERVISOR_iret ? UD2 : [MOV_EAX, number, 0, 0, 0, ...AFTER];
    page.set(stub, number * STUB_BYTES);
  }
  return page;
}

/**
 * A write to the hypercall page's MSR: the page number (low bits, only 0 exists) and the guest-physical address where it
 * is to be written. False: there is no such page, or no memory at that address.
 */
export function installHypercallPage(hv: Hypervisor, domain: Domain, lo: number, hi: number): boolean {
  if ((lo & ~ADDRESS) !== 0) return false;
  const mfn = domain.frameOf((lo >>> 12) + (hi >>> 0) * 0x100000);
  const { frames, memory } = hv.mmu;
  if (mfn < 0 || frames.owner[mfn] !== domain.domid) return false;
  frames.noteHostWrite(mfn, 0, PAGE_BYTES);
  memory.u8.set(nativeHypercallPage(), frames.hostAddress(mfn));
  return true;
}
