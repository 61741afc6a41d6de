import {
  CR2,
  EXIT_ERROR_CODE,
  EXIT_HAS_ERROR_CODE,
  EXIT_LENGTH,
  EXIT_VECTOR,
  GPR,
  RIP,
  SEG_ATTR,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
} from "@xen-node/x86-cpu";
import { vaHigh, vaLow, vaOf } from "./address.ts";
import type { Processor } from "./processor.ts";

/** General registers in encoding order, as indexes of `Registers`. */
export const Gpr = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rbp: 5,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
} as const;

const GPR0 = GPR(0) >>> 2;
const RIP_WORD = RIP >>> 2;
const CR2_WORD = CR2 >>> 2;
const BASE0 = SEG_BASE(0) >>> 2;
const SELECTOR0 = SEG_SELECTOR(0) >>> 2;
const LIMIT0 = SEG_LIMIT(0) >>> 2;
const ATTR0 = SEG_ATTR(0) >>> 2;

/** The context that is loaded on the processor, as 32-bit halves. */
export class Registers {
  constructor(
    readonly u32: Uint32Array,
    private readonly processor: Processor,
  ) {}

  lo(gpr: number): number {
    return this.u32[GPR0 + 2 * gpr] | 0;
  }

  hi(gpr: number): number {
    return this.u32[GPR0 + 2 * gpr + 1] | 0;
  }

  set(gpr: number, lo: number, hi: number): void {
    this.u32[GPR0 + 2 * gpr] = lo;
    this.u32[GPR0 + 2 * gpr + 1] = hi;
  }

  /** Stores a safe integer, sign-extended to 64 bits. */
  setNumber(gpr: number, value: number): void {
    const low = value | 0;
    if (low === value) {
      this.u32[GPR0 + 2 * gpr] = low;
      this.u32[GPR0 + 2 * gpr + 1] = low >> 31;
      return;
    }
    this.u32[GPR0 + 2 * gpr] = value | 0;
    this.u32[GPR0 + 2 * gpr + 1] = Math.floor(value / 0x100000000) | 0;
  }

  /** NaN if the register holds no canonical address. */
  va(gpr: number): number {
    return vaOf(this.u32[GPR0 + 2 * gpr], this.u32[GPR0 + 2 * gpr + 1]);
  }

  get ripLo(): number {
    return this.u32[RIP_WORD] | 0;
  }

  get ripHi(): number {
    return this.u32[RIP_WORD + 1] | 0;
  }

  /** NaN only between an iret to a non-canonical address and the fault that follows. */
  get rip(): number {
    return vaOf(this.u32[RIP_WORD], this.u32[RIP_WORD + 1]);
  }

  set rip(va: number) {
    this.u32[RIP_WORD] = vaLow(va);
    this.u32[RIP_WORD + 1] = vaHigh(va);
  }

  setRip(lo: number, hi: number): void {
    this.u32[RIP_WORD] = lo;
    this.u32[RIP_WORD + 1] = hi;
  }

  /** Steps over an instruction of `length` bytes; outside 64-bit mode RIP wraps at 32 bits. */
  advance(length: number): void {
    const lo = (this.u32[RIP_WORD] >>> 0) + length;
    this.u32[RIP_WORD] = lo;
    if (lo > 0xffffffff && this.is64Bit) this.u32[RIP_WORD + 1]++;
  }

  get rflags(): number {
    return this.processor.rflags;
  }

  set rflags(value: number) {
    this.processor.rflags = value;
  }

  selector(segment: number): number {
    return this.u32[SELECTOR0 + segment] & 0xffff;
  }

  attributes(segment: number): number {
    return this.u32[ATTR0 + segment];
  }

  baseLo(segment: number): number {
    return this.u32[BASE0 + 2 * segment] | 0;
  }

  baseHi(segment: number): number {
    return this.u32[BASE0 + 2 * segment + 1] | 0;
  }

  setBase(segment: number, lo: number, hi: number): void {
    this.u32[BASE0 + 2 * segment] = lo;
    this.u32[BASE0 + 2 * segment + 1] = hi;
  }

  /** What a frame will show of a segment register whose hidden part is about to be replaced. */
  setSelector(segment: number, selector: number): void {
    this.u32[SELECTOR0 + segment] = selector;
  }

  /** Loads a segment register with its hidden part; `attributes` as in descriptor bytes 5 and 6. The base is 32 bits. */
  setSegment(segment: number, selector: number, base: number, limit: number, attributes: number): void {
    this.u32[SELECTOR0 + segment] = selector;
    this.u32[LIMIT0 + segment] = limit;
    this.u32[ATTR0 + segment] = attributes;
    this.setBase(segment, base, 0);
  }

  /** CS.L of the loaded code segment. */
  get is64Bit(): boolean {
    return (this.u32[ATTR0 + 1] & 0x2000) !== 0;
  }

  get cr2Lo(): number {
    return this.u32[CR2_WORD] | 0;
  }

  get cr2Hi(): number {
    return this.u32[CR2_WORD + 1] | 0;
  }

  get exitVector(): number {
    return this.u32[EXIT_VECTOR >>> 2];
  }

  get exitHasErrorCode(): boolean {
    return this.u32[EXIT_HAS_ERROR_CODE >>> 2] !== 0;
  }

  /** Bytes of the instruction that exited (software interrupts). */
  get exitLength(): number {
    return this.u32[EXIT_LENGTH >>> 2];
  }

  get exitErrorCode(): number {
    return this.u32[EXIT_ERROR_CODE >>> 2];
  }
}
