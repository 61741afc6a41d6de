import { __HYPERVISOR_iret } from "@xen-node/xen-abi";

const STUB_BYTES = 32;
const STUBS = 128;

// push %rcx; push %r11; mov $number,%eax; syscall; pop %r11; pop %rcx; ret
const BEFORE = [0x51, 0x41, 0x53];
const MOV_EAX = 0xb8;
const AFTER = [0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3];
// push %rcx; push %r11; push %rax; mov $23,%eax; syscall. It does not come back.
const IRET_BEFORE = [0x51, 0x41, 0x53, 0x50];
const IRET_AFTER = [0x0f, 0x05];
const INT3 = 0xcc;

/** The 4 KiB of code that a 64-bit PV guest calls hypercall n at offset 32 n of; the gaps hold INT3. */
export function hypercallPage(): Uint8Array {
  const page = new Uint8Array(STUB_BYTES * STUBS).fill(INT3);
  for (let number = 0; number < STUBS; number++) {
    const load = [MOV_EAX, number, 0, 0, 0];
    const iret = number === __HYPERVISOR_iret;
    page.set(iret ? [...IRET_BEFORE, ...load, ...IRET_AFTER] : [...BEFORE, ...load, ...AFTER], number * STUB_BYTES);
  }
  return page;
}
