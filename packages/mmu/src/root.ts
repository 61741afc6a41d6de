/**
 * An address space as walker and soft TLB name it: the frame of its L4 table, and whether accesses are a supervisor's
 * (the CPL 1 of 32-bit guest kernels), which may touch pages without USER. Kernels of 64-bit guests run at CPL 3, so
 * for them the frame alone is the name.
 */
const SUPERVISOR = 0x40000000;

/** How many translated address spaces there can be at a time: two for each vcpu of a translated domain. */
export const MAX_TRANSLATED_ROOTS = 1024;

/** The name of an L4 table's address space as a supervisor sees it. */
export function supervisorRoot(l4Mfn: number): number {
  return l4Mfn | SUPERVISOR;
}

/** The L4 table of an address space. */
export function rootMfn(root: number): number {
  return root & ~SUPERVISOR;
}

export function isSupervisorRoot(root: number): boolean {
  return (root & SUPERVISOR) !== 0;
}
