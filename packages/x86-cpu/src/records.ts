/**
 * A predecoded instruction is one record of 32 bytes, or several for instructions that are done in steps. All records
 * of an instruction carry the same `index`, `length` and `next`, so that RIP is known at every fault.
 *
 *   +0  u16 handler      +2  u8 index: instructions of the block before this one     +3  u8 length in bytes
 *   +4  u16 destination register address          +6  u16 source register address
 *   +8  u16 base, +10 u16 index register address, +12 u8 scale shift                 +14 u16 next: offset of the next
 *                                                      instruction from the start of the page (may pass its end)
 *   +16 i64 immediate    +24 i32 displacement     +28 u16 segment base address; or i32 link of a direct jump
 */
export const RECORD_BYTES = 32;
export const R_HANDLER = 0;
export const R_INDEX = 2;
export const R_LENGTH = 3;
export const R_DST = 4;
export const R_SRC = 6;
export const R_BASE = 8;
export const R_INDEX_REGISTER = 10;
export const R_SCALE = 12;
export const R_NEXT = 14;
export const R_IMM = 16;
export const R_DISP = 24;
export const R_SEGMENT = 28;
/** Host address of the record that a taken direct jump within its page goes to; 0 until it is known. */
export const R_LINK = 28;

/**
 * What the scale of a record without an index register tells of accesses that reach beyond what there is: the address in EA is the
 * stack's; compatibility mode's segment has allowed the access, so that its linear address wraps.
 */
export const EA_STACK = 1;
export const EA_ALLOWED = 2;

/** Immediate of a `system` record that only asks the segment for the next record's operand, whose address it leaves in EA. */
export const ASK_SEGMENT = 2;
/** Immediate of a `system` record that is a debugger's breakpoint: memory does not show its INT3. */
export const BREAKPOINT = 1;

/** No block has more instructions, so a budget is overrun only by what the caller allows. */
export const MAX_BLOCK_INSTRUCTIONS = 64;

/** Of a block's first record where a region can be entered: the block's records as they were, and the least budget. */
export const R_PLAIN = 16;
export const R_THRESHOLD = 20;

/** Number of the handler of the permanent record at address 0, and of records whose code was overwritten. */
export const MISS_HANDLER = 0;
export const STALE_HANDLER = 1;
/** Number of the handler of a block's first record where a region can be entered. */
export const REGION_HANDLER = 2;
