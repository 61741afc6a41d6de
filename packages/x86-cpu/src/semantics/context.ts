import type { FunctionBuilder } from "@xen-node/wasm-emit";
import type { ExitReason } from "../exit.ts";

export type OperandSize = 1 | 2 | 4 | 8;

/**
 * How the arithmetic flags are to be had from the operands (sign-extended to 64 bits) of the instruction that last set
 * them. Sign extension keeps both signed and unsigned order, so no kind needs to know the operand size.
 */
export const FlagKind = {
  /** FLAG_A holds the flags as RFLAGS has them. */
  EXPLICIT: 0,
  /** ZF SF PF from R; B bit 0 is CF, bit 1 is OF; AF = 0. Logic, shifts, products. */
  RESULT: 1,
  /** R = A + B. */
  ADD: 2,
  /** R = A - B. */
  SUB: 3,
  /** R = A + B, or A + B + 1. */
  ADD_CARRY: 4,
  /** R = A - B, or A - B - 1. */
  SUB_BORROW: 5,
  /** R = A + 1, CF in B bit 0. */
  INC: 6,
  /** R = A - 1, CF in B bit 0. */
  DEC: 7,
  /** R = A * B, signed: CF = OF = it did not fit. SF and ZF follow R. */
  PRODUCT: 8,
} as const;
export type FlagKind = (typeof FlagKind)[keyof typeof FlagKind];

/** What can be done with operands of which only the low bits are known, for a result of which they matter. */
export type LowOperation = "add" | "sub" | "and" | "or" | "xor" | "mul";

/** Condition codes in encoding order (Intel SDM vol. 1, appendix B). */
export const CONDITION_NAMES = [
  "o",
  "no",
  "b",
  "ae",
  "e",
  "ne",
  "be",
  "a",
  "s",
  "ns",
  "p",
  "np",
  "l",
  "ge",
  "le",
  "g",
] as const;

/** An exception's number, or what pushes it (i32). */
export type Vector = number | (() => void);

/** Wasm functions that any tier's code can call. */
export interface SharedFunctions {
  /** () → i32: CF as 0 or 1. */
  carry: number;
  /** () → i32: OF as 0 or 1. */
  overflow: number;
  /** () → i32: SF != OF, the signed "less" of a comparison. */
  less: number;
  /** () → i32: the six arithmetic flags at their RFLAGS positions. */
  arithmeticFlags: number;
  /** (condition: i32) → i32: 0 or 1. */
  condition: number;
  /** (ea: i64, size: i32, record: i32) → i32: host address for reading, 0 = fault raised. */
  translateRead: number;
  /** (ea: i64, size: i32, record: i32) → i32: host address for writing; `commit` must follow the stores. 0 = fault raised. */
  translateWrite: number;
  /** (ea: i64, size: i32, record: i32) → i32, as translateRead, for the 16-byte operands that must be aligned. */
  translateReadAligned: number;
  translateWriteAligned: number;
  /** (host: i32) → (): after stores through `translateWrite`. */
  commit: number;
  /** () → i32: reads the time-stamp counter into RAX and RDX, IA32_TSC_AUX into TMP0; 0 = left with an exit, 2 = the run is to stop. */
  timeStamp: number;
  /** (a: i64, b: i64) → i64: high half of the unsigned product. */
  multiplyHighUnsigned: number;
}

/**
 * What a semantics function emits against. Its operands are abstract: the interpreter finds them through the record, the
 * translator knows them at translation time.
 */
export interface Context {
  readonly f: FunctionBuilder;
  readonly functions: SharedFunctions;
  /** Operand size in bytes and bits. */
  readonly size: OperandSize;
  readonly bits: number;
  /** Scratch locals of type i64 and i32, free at the start of every instruction. */
  readonly q: readonly number[];
  readonly n: readonly number[];
  /** Stack, string operands and transfers are checked against compatibility mode's segments. */
  readonly segmented: boolean;
  /** Pushes the state address of a register operand (i32). */
  operandAddress(operand: 0 | 1): void;
  /** Pushes operand 0 (destination) or 1 (source) as i64, sign-extended from the operand size. */
  read(operand: 0 | 1): void;
  /** The same, zero-extended. */
  readUnsigned(operand: 0 | 1): void;
  /** The same, with unspecified bits above the operand size: for what only looks at the low ones. */
  readLow(operand: 0 | 1): void;
  /** Pops two operands that came from `readLow`, pushes a result like them. */
  low(operation: LowOperation): void;
  /** Pops an i64 into the operand; 32-bit registers are zero-extended to 64. */
  write(operand: 0 | 1): void;
  /** Pops an i64 into an operand that is not read before: a memory operand is translated here. */
  writeOnly(operand: 0 | 1): void;
  /** Pushes an operand of another size than the instruction's, extended to i64. */
  readSized(operand: 0 | 1, size: OperandSize, signed: boolean): void;
  /** The whole 64-bit register of operand 0, for forms whose destination has another width than their size. */
  loadDestination64(): void;
  storeDestination64(): void;
  /** Pushes CF as i32 0 or 1. */
  carry(): void;
  /** Pushes a condition (0-15) as i32 0 or 1. */
  condition(code: number): void;
  /** Pops an address (i64) and pushes the host address (i32) of `size` bytes there, or raises the fault. */
  translateRead(size: number): void;
  translateWrite(size: number): void;
  /** To follow stores through `translateWrite`: `host` is the i32 local with its result. */
  commit(host: number): void;
  /** Pops an offset in SS and pushes its linear address, checked for an access; the offset's 32 bits stay in q[7]. */
  stackAddress(size: number, write: boolean): void;
  /** Raises an exception with error code 0 unless the bytes from an offset (i64 local) to that many behind it (i64) are within bounds (i32 address of two u32). */
  within(offset: number, pushLast: () => void, pushBounds: () => void, vector: Vector): void;
  /** Pops an i64 and pushes it on the guest's stack at `size` bytes; nothing changes on a fault. */
  push(size: 2 | 4 | 8): void;
  /** Pushes the top of the guest's stack as i64 without popping it. */
  peek(size: 2 | 4 | 8): void;
  /** Adds to the stack pointer (of the mode's width). */
  adjustStack(amount: number): void;
  /** Leaves this instruction to be executed again: an unfinished string instruction. Called forms alone. */
  repeat(): void;
  /** Leaves the run loop at the next instruction, so that a changed mode takes effect. Called forms alone. */
  redispatch(): void;
  /** Leaves the run loop at this instruction for a reason other than an exception. */
  exit(reason: ExitReason): void;
  /** Pushes the immediate as i64. */
  immediate(): void;
  /** The immediate's low byte, where it is known while code is emitted. */
  readonly immediateByte: number | undefined;
  /** To precede code of which only one branch sets flags. */
  branchFlags(): void;
  /** To end the branch that has set flags. */
  mergeFlags(): void;
  /** Pushes the effective address as i64. */
  effectiveAddress(): void;
  /** Pushes the address of the next instruction as i64. */
  nextRip(): void;
  /** Records the flags; undefined operands are not looked at by the kind. Locals hold sign-extended values. */
  setFlags(kind: FlagKind, r: number, a?: number, b?: number): void;
  /** The same, of operands that came from `readLow` and a result with any bits above the operand size. */
  setFlagsLow(kind: FlagKind, r: number, a?: number, b?: number): void;
  /** Pops CF (i32, 0 or 1); ZF stays and the other four are undefined (BT). */
  changeCarry(): void;
  /** Pushes the six arithmetic flags at their RFLAGS positions (i32). */
  arithmeticFlags(): void;
  /** Pops the six flags (i32, RFLAGS positions) and makes them the explicit state. */
  setExplicitFlags(): void;
  /** Pushes a 64-bit register or state field by its state address. */
  loadState(address: number): void;
  /** Pops an i64 into a state field. */
  storeState(address: number): void;
  /** A function has changed a 64-bit field of the state block. */
  stateChanged(address: number): void;
  /** Leaves after a shared function has raised a fault. */
  leaveFault(): void;
  /** Leaves with an exception at this instruction; nothing after it is reached. */
  raise(vector: Vector, errorCode?: number): void;
}

/** What string instructions need besides. */
export interface StringContext extends Context {
  /** Bytes of addresses and counts: 4 = they are ESI, EDI, ECX. */
  readonly addressSize: 2 | 4 | 8;
  /** Pushes the segment base of the source or destination as i64. */
  sourceBase(): void;
  destinationBase(): void;
  /** Pushes what the shared functions take as `record`. */
  recordPointer(): void;
}

/** What control transfers need besides. They end a straight line of code. */
export interface ControlContext extends Context {
  /** Pushes the direct target of the instruction as i64. */
  target(): void;
  /** Goes to the direct target of the instruction. */
  jump(): void;
  /** Pops the target (i64) and goes there. */
  jumpTo(): void;
}
