import { readRflags, writeRflags } from "./flags.ts";
import {
  CR2,
  EXIT_ERROR_CODE,
  EXIT_HAS_ERROR_CODE,
  EXIT_LENGTH,
  EXIT_OPERATION,
  EXIT_VECTOR,
  GPR,
  RIP,
  SEG_BASE,
  SEG_SELECTOR,
} from "./state.ts";

/** Typed access to the active vcpu's state block. 64-bit fields come as (low, high) int32 halves or as bigint. */
export class CpuState {
  constructor(
    readonly view: DataView,
    private readonly i32: Int32Array,
  ) {}

  /** Low half of a general register (0 = RAX … 15 = R15). */
  regLo(register: number): number {
    return this.i32[GPR(register) >> 2];
  }
  regHi(register: number): number {
    return this.i32[(GPR(register) >> 2) + 1];
  }
  setReg(register: number, low: number, high: number): void {
    const at = GPR(register) >> 2;
    this.i32[at] = low;
    this.i32[at + 1] = high;
  }
  /** A whole register; for debuggers and tests. */
  reg(register: number): bigint {
    return this.view.getBigUint64(GPR(register), true);
  }
  setRegBig(register: number, value: bigint): void {
    this.view.setBigUint64(GPR(register), BigInt.asUintN(64, value), true);
  }

  /** The instruction pointer as a signed canonical address. */
  get rip(): number {
    return this.i32[(RIP >> 2) + 1] * 2 ** 32 + (this.i32[RIP >> 2] >>> 0);
  }
  set rip(va: number) {
    this.i32[RIP >> 2] = va | 0;
    this.i32[(RIP >> 2) + 1] = Math.floor(va / 2 ** 32) | 0;
  }

  get rflags(): number {
    return readRflags(this.view);
  }
  set rflags(value: number) {
    writeRflags(this.view, value);
  }

  selector(segment: number): number {
    return this.i32[SEG_SELECTOR(segment) >> 2] & 0xffff;
  }
  segmentBase(segment: number): bigint {
    return this.view.getBigUint64(SEG_BASE(segment), true);
  }
  setSegmentBase(segment: number, base: bigint): void {
    this.view.setBigUint64(SEG_BASE(segment), BigInt.asUintN(64, base), true);
  }

  /** Of the last exit: exception or interrupt vector. */
  get exitVector(): number {
    return this.i32[EXIT_VECTOR >> 2];
  }
  get exitHasErrorCode(): boolean {
    return this.i32[EXIT_HAS_ERROR_CODE >> 2] !== 0;
  }
  get exitErrorCode(): number {
    return this.i32[EXIT_ERROR_CODE >> 2];
  }
  /** Length in bytes of the instruction that caused the exit. */
  get exitLength(): number {
    return this.i32[EXIT_LENGTH >> 2];
  }
  /** Opcode-table id of a privileged instruction. */
  get exitOperation(): number {
    return this.i32[EXIT_OPERATION >> 2];
  }
  /** The address that the last page fault was about, as a signed canonical number. */
  get cr2(): number {
    return this.cr2Hi * 2 ** 32 + (this.cr2Lo >>> 0);
  }
  get cr2Lo(): number {
    return this.i32[CR2 >> 2];
  }
  get cr2Hi(): number {
    return this.i32[(CR2 >> 2) + 1];
  }
}
