/**
 * What system-call-code.ts needs to know of the vcpu that runs, as offsets in a block of machine memory. TypeScript's objects
 * are the truth: the block is filled in before the processor runs, and what the code has changed is taken over afterwards.
 */

/** 0: nothing is done without TypeScript. */
export const ENABLED = 0;
/** u32, 0 or 1. */
export const KERNEL_MODE = 4;
/** The bank and the L4 table of the kernel's address space; bank 0: unknown. */
export const KERNEL_BANK = 8;
export const KERNEL_L4 = 12;
export const KERNEL_JUMPS = 16;
export const USER_BANK = 20;
export const USER_L4 = 24;
export const USER_JUMPS = 28;
/** Of TlbBanks, when the six above were right. */
export const CHANGES = 32;
/** Host address of vcpu_info. */
export const INFO = 36;
/** i64: address of a system call's handler; 0: none that could be gone to from here. */
export const HANDLER = 40;
/** i64: where the frame of a system call begins, all of it within a page. */
export const FRAME = 48;
/** Byte of evtchn_upcall_mask while the handler runs, if it is to be set. */
export const MASKS_EVENTS = 56;
/** What frames show as IOPL, and whether it is the guest's to change. */
export const IOPL_SHOWN = 60;
export const IOPL_OWN = 64;
/** Host address of the first page of the GDT; 0: none. */
export const GDT = 68;
/** i64: GS base of the mode that is not active. */
export const GS_SHADOW = 72;
/** How many of each were done. */
export const SYSTEM_CALLS = 80;
export const IRETS = 84;
export const BLOCK_BYTES = 128;

/** Taken of the budget for each, as for an exit (run-loop.ts). */
export const EXIT_COST = 200;
