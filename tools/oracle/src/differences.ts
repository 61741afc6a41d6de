/** A check that comes out differently on the real Xen, for a reason that is none of ours. */
export interface KnownDifference {
  guest: string;
  /** The check's name, or how it begins where one cause has several effects. */
  check: string;
  reason: string;
}

const SOFTWARE_INTERRUPT =
  "QEMU 7.2's TCG: INT n to a gate of lower privilege pushes the error code n * 16 + 2 instead of n * 8 + 2, and Xen takes the vector from it";
const ICEBP = "QEMU's TCG: 0xf1 raises no #DB";
const SYSENTER = "QEMU's default processor is AMD's, whose SYSENTER is #UD in long mode; ours is like Intel's";

export const knownDifferences: readonly KnownDifference[] = [
  { guest: "exceptions", check: "2: int $", reason: SOFTWARE_INTERRUPT },
  { guest: "exceptions", check: "int $20 2: nop:", reason: SOFTWARE_INTERRUPT },
  { guest: "exceptions", check: "int $25 2: nop:", reason: SOFTWARE_INTERRUPT },
  { guest: "user-mode", check: "user_exit.frame.error == 20 * 8 + 2", reason: SOFTWARE_INTERRUPT },
  { guest: "user-mode", check: "go(program(AT(user_int20)), 0) == 20", reason: SOFTWARE_INTERRUPT },
  { guest: "user-mode", check: "user_exit.frame.rip == AT(user_int20_end)", reason: SOFTWARE_INTERRUPT },
  { guest: "exceptions", check: ".byte 0xf1 2: nop:", reason: ICEBP },
  {
    guest: "exceptions",
    check: 'TRAP_OF("ldmxcsr (%0); xorps',
    reason: "QEMU's TCG raises no SSE exceptions (#XM)",
  },
  {
    guest: "exceptions",
    check: 'TRAP_OF(".byte 0xf0, 0x8b, 0x00") == 6',
    reason: "QEMU's TCG takes a LOCK prefix before instructions that must not have one",
  },
  { guest: "exceptions", check: 'TRAP_OF("sysenter") == 13', reason: SYSENTER },
  { guest: "user-mode", check: "go(program(AT(user_sysenter)), 0) == 13", reason: SYSENTER },
  {
    guest: "privileged",
    check: "b == 0x566e6558",
    reason:
      "CPUID without the emulation prefix is the processor's own where it cannot fault, and QEMU's says TCGTCGTCGTCG",
  },
  {
    guest: "refused",
    check: "bare_hypercall(49) == -XEN_ENOSYS",
    reason:
      "Xen goes on with long domctls by this number; a guest's own call is -EFAULT or refused, and ours has no such number",
  },
];

/** The reason that is known for a difference. */
export function reasonFor(guest: string, check: string): string | undefined {
  return knownDifferences.find((known) => known.guest === guest && check.startsWith(known.check))?.reason;
}
