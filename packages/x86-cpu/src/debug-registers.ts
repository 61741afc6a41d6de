import { DR, DR7, RF, RIP, SYSTEM_FLAGS } from "./state.ts";

/** Local and global enable bits of all four breakpoints. */
const ENABLES = 0xff;

/** Whether DR7 enables any breakpoint. */
export function hasBreakpoints(i32: Int32Array): boolean {
  return (i32[DR7 >> 2] & ENABLES) !== 0;
}

/** The bits of DR6 for the execution breakpoints of DR0-DR3 that RIP is at; 0 while RF is set. */
export function executionBreakpoints(i32: Int32Array): number {
  const dr7 = i32[DR7 >> 2];
  if ((i32[SYSTEM_FLAGS >> 2] & RF) !== 0) return 0;
  let met = 0;
  for (let n = 0; n < 4; n++) {
    if ((dr7 & (3 << (n * 2))) === 0 || ((dr7 >>> (16 + n * 4)) & 3) !== 0) continue;
    const address = DR(n) >> 2;
    if (i32[address] === i32[RIP >> 2] && i32[address + 1] === i32[(RIP >> 2) + 1]) met |= 1 << n;
  }
  return met;
}
