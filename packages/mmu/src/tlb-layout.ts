/**
 * The soft TLB's layout in machine memory, read by generated WebAssembly code.
 *
 * A bank serves one address space (root.ts):
 *   +0x00000  read array   4096 x { i64 tag, i32 addend, i32 0 }
 *   +0x10000  write array  4096 x the same
 *   +0x20000  header
 *
 * A jump cache serves one address space or several of a domain:
 *   +0x00000  32768 x { i64 rip, i32 record, i32 word }: filled by x86-cpu, which chooses the places and tells
 *             TlbBanks.noteJump; all zero = empty. An entry with a word may depend on other pages than RIP's:
 *             TlbBanks.dependOn is told which
 *   +0x80000  u32, x86-cpu's: processor mode that it was filled in
 *
 * Byte offset of an address's entry in its array: (va >>> 8) & 0xfff0. It hits if (tag ^ va), as a u64, is at most
 * 4096 - access size; then the host address is i32(low word of va + addend).
 * An empty entry i has the tag (i ^ 1) << 12, which no address that selects entry i can match, and one that was dropped
 * but is still in the fill log has the same low word and high word 1.
 */
export const TLB_ENTRIES = 4096;
export const TLB_ENTRY_BYTES = 16;
export const TLB_READ = 0x00000;
export const TLB_WRITE = 0x10000;
export const TLB_HEADER = 0x20000;
export const BANK_BYTES = 0x24000;
export const JUMP_CACHE_BYTES = 0x80000;
export const JUMP_CACHE_MODE = 0x80000;
/** A multiple of 4096, so that places of entries can be reckoned from their addresses. */
export const JUMP_CACHE_STRIDE = 0x81000;

/** Header fields, byte offsets from the start of the header. All are u32. */
/** The address space: root.ts. */
export const HEADER_ROOT = 0;
export const HEADER_DOMID = 4;
/** Of the first bank: changes whenever a bank or a jump cache is given to another address space, or has to be before it is used. */
export const HEADER_CHANGES = 8;
/** Entries in the fill log, or FILL_LOG_OVERFLOW. */
export const HEADER_FILL_COUNT = 16;
/** u16 each: entry number, plus FILL_LOG_WRITE for the write array. */
export const HEADER_FILL_LOG = 32;
export const FILL_LOG_CAPACITY = (BANK_BYTES - TLB_HEADER - HEADER_FILL_LOG) / 2;
export const FILL_LOG_WRITE = 0x1000;
export const FILL_LOG_OVERFLOW = 0xffff;
