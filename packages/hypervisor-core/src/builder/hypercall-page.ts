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

// int $0x82; ret, and for iret push %eax before
const AFTER_32 = [0xcd, 0x82, 0xc3];
const IRET_BEFORE_32 = [0x50];
const IRET_AFTER_32 = [0xcd, 0x82];

/** The 4 KiB of code that a PV guest calls hypercall n at offset 32 n of; the gaps hold INT3. */
function pageOf(stub: (load: readonly number[], isIret: boolean) => readonly number[]): Uint8Array {
  const page = new Uint8Array(STUB_BYTES * STUBS).fill(INT3);
  for (let number = 0; number < STUBS; number++) {
    page.set(stub([MOV_EAX, number, 0, 0, 0], number === __HYPERVISOR_iret), number * STUB_BYTES);
  }
  return page;
}

/** Of a 64-bit guest. */
export function hypercallPage64(): Uint8Array {
  return pageOf((load, isIret) => (isIret ? [...IRET_BEFORE, ...load, ...IRET_AFTER] : [...BEFORE, ...load, ...AFTER]));
}

/** Of a 32-bit guest. */
export function hypercallPage32(): Uint8Array {
  return pageOf((load, isIret) => (isIret ? [...IRET_BEFORE_32, ...load, ...IRET_AFTER_32] : [...load, ...AFTER_32]));
}
