import type { Cpu } from "../cpu.ts";
import { SEG_ATTR, SS } from "../state.ts";

/** The current privilege level: the DPL of the stack segment (Intel SDM vol. 3, 5.5). 1 in kernels of 32-bit PV guests. */
export function currentPrivilege(cpu: Cpu): number {
  return (cpu.mmu.memory.i32[SEG_ATTR(SS) >> 2] >> 5) & 3;
}
