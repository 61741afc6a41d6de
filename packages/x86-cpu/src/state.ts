/**
 * Where the active vcpu's state lies in machine memory. Everything is below 64 KiB, so that a predecoded record can name
 * a register by a 16-bit address, and at constant addresses, so that generated code needs no base pointer. Switching
 * vcpus copies [CONTEXT_START, CONTEXT_END) out and in.
 */

/** A permanent record that looks a block up: empty jump-cache entries point here. */
export const MISS_RECORD = 0x0000;

/**
 * Permanent records that tell a memory fault of translated code apart: of the stack's addresses, of others, and of what a segment
 * has allowed.
 */
export const DATA_RECORD = 0x0020;
export const STACK_RECORD = 0x0040;
export const ALLOWED_RECORD = 0x0060;

export const CONTEXT_START = 0x0100;
export const CONTEXT_END = 0x04c0;
export const CONTEXT_BYTES = CONTEXT_END - CONTEXT_START;

/** General registers in encoding order: rax rcx rdx rbx rsp rbp rsi rdi r8-r15, 8 bytes each. */
export const GPR = (register: number): number => 0x100 + 8 * register;
export const RAX = GPR(0);
export const RCX = GPR(1);
export const RDX = GPR(2);
export const RBX = GPR(3);
export const RSP = GPR(4);
export const RBP = GPR(5);
export const RSI = GPR(6);
export const RDI = GPR(7);
export const R11 = GPR(11);
export const RIP = 0x180;

/** The arithmetic flags, unevaluated: see flags.ts. */
export const FLAG_KIND = 0x188;
export const FLAG_A = 0x190;
export const FLAG_B = 0x198;
export const FLAG_R = 0x1a0;
/** RFLAGS without CF PF AF ZF SF OF; bit 1 is always set. */
export const SYSTEM_FLAGS = 0x1a8;
/** Eight bytes that are always 0: the base, index or segment base of an address that has none. */
export const ZERO = 0x1c0;

/** Segment registers in encoding order: ES CS SS DS FS GS. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const SEG_BASE = (segment: number): number => 0x1d0 + 8 * segment;
export const SEG_SELECTOR = (segment: number): number => 0x200 + 4 * segment;
export const SEG_LIMIT = (segment: number): number => 0x218 + 4 * segment;
/** Bytes 5 and 6 of the descriptor (type, S, DPL, P; AVL, L, D/B, G in bits 12-15), as the hidden part holds them. */
export const SEG_ATTR = (segment: number): number => 0x230 + 4 * segment;

export const CR0 = 0x250;
export const CR2 = 0x258;
export const CR3 = 0x260;
export const CR4 = 0x268;
export const XCR0 = 0x270;
export const DR = (register: number): number => 0x278 + 8 * register;
export const DR6 = 0x298;
export const DR7 = 0x2a0;

export const MXCSR = 0x2a8;
export const FCW = 0x2ac;
/** x87 status word; TOP lives in its bits 11-13. */
export const FSW = 0x2b0;
/** Full tag word: two bits for each physical register. */
export const FTW = 0x2b4;
export const FOP = 0x2b8;
export const FIP = 0x2c0;
export const FDP = 0x2c8;
export const FCS = 0x2d0;
export const FDS = 0x2d4;
export const XMM = (register: number): number => 0x300 + 16 * register;
/** Physical x87 register: 64-bit significand, then sign and exponent in 16 bits. MMX registers are the significands. */
export const X87 = (register: number): number => 0x400 + 16 * register;

/** Scratch, not part of a vcpu's context. */
export const TMP0 = 0x500;
export const TMP1 = 0x508;
export const EA = 0x510;
export const TMPX0 = 0x520;
export const TMPX1 = 0x530;
/** Host address of the operand that a read-modify-write sequence holds open. */
export const RMW_HOST = 0x540;
/** Operands of the calls out to JavaScript, which takes no 64-bit arguments. */
export const CALL_EA = 0x548;
export const CALL_VALUE = 0x550;
/** Linear address of the page that the current block runs in. */
export const PAGE_VA = 0x560;
/** Host address of the active soft-TLB bank. */
export const TLB_BANK = 0x568;
/** Host address of the jump cache that goes with it. */
export const JUMP_CACHE = 0x56c;
/** Memory operands that cross pages are assembled here: two for reading in turn, one for writing. */
export const SPLIT_READ = 0xa00;
export const SPLIT_WRITE = 0xe00;
export const SPLIT_BYTES = 512;
/** What softfloat routines round by and the IEEE exceptions that they met (MXCSR bit order). */
export const FP_ROUNDING = 0x5c0;
export const FP_FLAGS = 0x5c4;
export const FP_PRECISION = 0x5c8;

export const EXIT_REASON = 0x600;
export const EXIT_VECTOR = 0x604;
export const EXIT_HAS_ERROR_CODE = 0x608;
export const EXIT_ERROR_CODE = 0x60c;
export const EXIT_LENGTH = 0x610;
export const EXIT_OPERATION = 0x614;
export const EXIT_RECORD = 0x618;
export const EXIT_COUNT = 0x61c;
export const EXIT_TARGET = 0x620;
/** Set to 1 by a repeated string instruction that is not done yet. */
export const EXIT_UNFINISHED = 0x628;
/** Instructions that the interpreter is to do before it is sampled for what is hot. */
export const SAMPLE_LEFT = 0x62c;
/** Not 0: the region that is running was invalidated. */
export const REGION_STALE = 0x630;
/** Linear address that the places of the region that is running count from. */
export const REGION_ANCHOR = 0x638;
/** What the run has left beyond the interpreter's share of it. */
export const BUDGET_BEYOND = 0x640;
/** L4 table of the active address space. */
export const L4_MFN = 0x648;
/** What `CpuOptions.systemCall` has taken of the budget that was not for instructions. */
export const CHARGED = 0x64c;

/**
 * Compatibility mode's segments as accesses are checked against them: four u32 each, first and last offset that may be read,
 * first and last that may be written. Where there is none the first is above the last. See segment-bounds.ts.
 */
export const READ_BOUNDS = (segment: number): number => 0x660 + 16 * segment;
export const WRITE_BOUNDS = (segment: number): number => READ_BOUNDS(segment) + 8;
/** Last offset that code may be fetched from (u32). */
export const FETCH_LAST = 0x6c0;

/** Free for tables and spills of the floating-point routines. */
export const FP_SCRATCH = 0x700;
export const FP_SCRATCH_END = 0x900;
export const STATE_END = 0x1000;
/** How often the region of each slot was entered by the hub: u32 each. */
export const REGION_ENTRIES = 0x2000;
/** How often the hub has had blocks interpreted that no region begins with: u16 each, at a hash of their records' addresses. */
export const BLOCK_COUNTS = 0xa000;
export const BLOCK_COUNT_MASK = 0x1fff;

/** RFLAGS bits (Intel SDM vol. 1, 3.4.3). */
export const CF = 1 << 0;
export const PF = 1 << 2;
export const AF = 1 << 4;
export const ZF = 1 << 6;
export const SF = 1 << 7;
export const TF = 1 << 8;
export const IF = 1 << 9;
export const DF = 1 << 10;
export const OF = 1 << 11;
export const IOPL = 3 << 12;
export const NT = 1 << 14;
export const RF = 1 << 16;
export const VM = 1 << 17;
export const AC = 1 << 18;
export const ID = 1 << 21;
export const ARITHMETIC_FLAGS = CF | PF | AF | ZF | SF | OF;

/** Exception vectors (Intel SDM vol. 3, table 6-1). */
export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
} as const;
