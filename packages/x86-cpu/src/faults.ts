import type { MachineMemory } from "@xen-node/mmu";
import { ExitReason } from "./exit.ts";
import { EA_STACK, R_BASE, R_SCALE, R_SEGMENT } from "./records.ts";
import {
  CR2,
  DR6,
  EA,
  EXIT_ERROR_CODE,
  EXIT_HAS_ERROR_CODE,
  EXIT_REASON,
  EXIT_VECTOR,
  RBP,
  RSP,
  SEG_BASE,
  VECTOR,
} from "./state.ts";

/** Sets up exits for exceptions. All answer 0, as generated code wants it. */
export class Faults {
  private readonly i32: Int32Array;
  private readonly u16: Uint16Array;
  private readonly u8: Uint8Array;

  constructor(memory: MachineMemory) {
    this.i32 = memory.i32;
    this.u16 = memory.u16;
    this.u8 = memory.u8;
  }

  /** Sets up an exception exit; answers 0, as generated code wants it. */
  raise(vector: number, errorCode?: number): 0 {
    const { i32 } = this;
    i32[EXIT_REASON >> 2] = ExitReason.EXCEPTION;
    i32[EXIT_VECTOR >> 2] = vector;
    i32[EXIT_HAS_ERROR_CODE >> 2] = errorCode === undefined ? 0 : 1;
    i32[EXIT_ERROR_CODE >> 2] = errorCode ?? 0;
    return 0;
  }

  /** #DB, with the reason's bits added to DR6. */
  raiseDebug(dr6: number): void {
    this.raise(VECTOR.DB);
    this.i32[DR6 >> 2] |= dr6;
  }

  raisePageFault(errorCode: number, low: number, high: number): 0 {
    this.i32[CR2 >> 2] = low;
    this.i32[(CR2 >> 2) + 1] = high;
    return this.raise(VECTOR.PF, errorCode);
  }

  /** #SS(0) for addresses formed from rSP or rBP without a segment override, else #GP(0). */
  raiseNonCanonical(record: number): 0 {
    const base = this.u16[(record + R_BASE) >> 1];
    const segment = this.i32[(record + R_SEGMENT) >> 2];
    // An address in EA carries whether it is the stack's in its scale, which nothing else uses there.
    const stack = base === RSP || base === RBP || (base === EA && (this.u8[record + R_SCALE] & EA_STACK) !== 0);
    const override = segment === SEG_BASE(4) || segment === SEG_BASE(5);
    return this.raise(stack && !override ? VECTOR.SS : VECTOR.GP, 0);
  }
}
