import { SEG_ATTR, SS } from "../state.ts";

/**
 * The current privilege level: the DPL of the stack segment (Intel SDM vol. 3, 5.5). 1 in kernels of 32-bit PV guests, 0 in those
 * of guests with a machine of their own.
 */
export const privilegeLevel = (i32: Int32Array): number => (i32[SEG_ATTR(SS) >> 2] >> 5) & 3;
