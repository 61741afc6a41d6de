import { vaOf } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";

/** The six arguments of a hypercall as 32-bit halves; a handler that is to be continued updates them. */
export class HypercallArgs {
  readonly lo = new Int32Array(6);
  readonly hi = new Int32Array(6);
  inMulticall = false;

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
