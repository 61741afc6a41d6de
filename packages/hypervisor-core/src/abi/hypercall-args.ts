import { GPR } from "@xen-node/x86-cpu";
import { vaOf } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";

/** Words of RDI, RSI, RDX, R10, R8, R9 in the processor's state. */
const ARGUMENT_WORDS = [7, 6, 2, 10, 8, 9].map((register) => GPR(register) >>> 2);
/** Words of EBX, ECX, EDX, ESI, EDI, EBP. */
const ARGUMENT_WORDS_32 = [3, 1, 2, 6, 7, 5].map((register) => GPR(register) >>> 2);
const [WORD0, WORD1, WORD2, WORD3, WORD4, WORD5] = ARGUMENT_WORDS;

/** The six arguments of a hypercall as 32-bit halves; a handler that is to be continued updates them. */
export class HypercallArgs {
  readonly lo = new Int32Array(6);
  readonly hi = new Int32Array(6);
  inMulticall = false;

  /** From the registers of the loaded context. Written out: it is part of every hypercall. */
  load(state: Uint32Array): void {
    const { lo, hi } = this;
    lo[0] = state[WORD0];
    hi[0] = state[WORD0 + 1];
    lo[1] = state[WORD1];
    hi[1] = state[WORD1 + 1];
    lo[2] = state[WORD2];
    hi[2] = state[WORD2 + 1];
    lo[3] = state[WORD3];
    hi[3] = state[WORD3 + 1];
    lo[4] = state[WORD4];
    hi[4] = state[WORD4 + 1];
    lo[5] = state[WORD5];
    hi[5] = state[WORD5 + 1];
  }

  /** Back to the registers, for a hypercall that will be continued. */
  store(state: Uint32Array): void {
    for (let i = 0; i < 6; i++) {
      state[ARGUMENT_WORDS[i]] = this.lo[i];
      state[ARGUMENT_WORDS[i] + 1] = this.hi[i];
    }
  }

  /** From the registers of a 32-bit guest. */
  load32(state: Uint32Array): void {
    for (let i = 0; i < 6; i++) this.lo[i] = state[ARGUMENT_WORDS_32[i]];
    this.hi.fill(0);
  }

  store32(state: Uint32Array): void {
    for (let i = 0; i < 6; i++) {
      state[ARGUMENT_WORDS_32[i]] = this.lo[i];
      state[ARGUMENT_WORDS_32[i] + 1] = 0;
    }
  }

  /** Argument as unsigned 32-bit number. */
  u32(i: number): number {
    return this.lo[i] >>> 0;
  }

  /** Argument as a guest address, NaN if not canonical. */
  va(i: number): number {
    return vaOf(this.lo[i], this.hi[i]);
  }

  /** Argument as an unsigned number (exact below 2^53). */
  u64(i: number): number {
    return (this.hi[i] >>> 0) * 0x100000000 + (this.lo[i] >>> 0);
  }

  set(i: number, value: number): void {
    this.lo[i] = value | 0;
    this.hi[i] = Math.floor(value / 0x100000000) | 0;
  }
}

/** Decodes one hypercall and calls the typed interface. Answers a result, a negative errno, RESTART or NO_RESULT. */
export type HypercallHandler = (hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs) => number;
