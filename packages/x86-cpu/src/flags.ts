import { FlagKind } from "./semantics/context.ts";
import { ARITHMETIC_FLAGS, FLAG_A, FLAG_B, FLAG_KIND, FLAG_R, PF, SF, SYSTEM_FLAGS, ZF } from "./state.ts";

/** Bits of RFLAGS that SYSTEM_FLAGS holds, besides bit 1, which is always set. */
export const SYSTEM_FLAGS_KEPT = 0x3f7fd7 & ~ARITHMETIC_FLAGS;

/** Evaluates the lazy arithmetic flags, as generated code does (interpreter/shared-functions.ts), from TypeScript. */
export function readArithmeticFlags(view: DataView): number {
  const kind = view.getInt32(FLAG_KIND, true);
  if (kind === FlagKind.EXPLICIT) return view.getInt32(FLAG_A, true) & ARITHMETIC_FLAGS;
  const aLo = view.getInt32(FLAG_A, true);
  const aHi = view.getInt32(FLAG_A + 4, true);
  const bLo = view.getInt32(FLAG_B, true);
  const bHi = view.getInt32(FLAG_B + 4, true);
  const rLo = view.getInt32(FLAG_R, true);
  const rHi = view.getInt32(FLAG_R + 4, true);
  let carry = bLo & 1;
  let overflow = 0;
  let adjust = (aLo ^ bLo ^ rLo) & 0x10;
  switch (kind) {
    case FlagKind.RESULT:
      overflow = (bLo >> 1) & 1;
      adjust = 0;
      break;
    case FlagKind.ADD:
      carry = below(rLo, rHi, aLo, aHi);
      overflow = ((aHi ^ rHi) & (bHi ^ rHi)) >>> 31;
      break;
    case FlagKind.ADD_CARRY:
      carry = ((aHi & bHi) | ((aHi | bHi) & ~rHi)) >>> 31;
      overflow = ((aHi ^ rHi) & (bHi ^ rHi)) >>> 31;
      break;
    case FlagKind.SUB:
      carry = below(aLo, aHi, bLo, bHi);
      overflow = ((aHi ^ bHi) & (aHi ^ rHi)) >>> 31;
      break;
    case FlagKind.SUB_BORROW:
      carry = ((~aHi & bHi) | ((~aHi | bHi) & rHi)) >>> 31;
      overflow = ((aHi ^ bHi) & (aHi ^ rHi)) >>> 31;
      break;
    case FlagKind.PRODUCT: {
      const product = view.getBigInt64(FLAG_A, true) * view.getBigInt64(FLAG_B, true);
      carry = overflow = product === view.getBigInt64(FLAG_R, true) ? 0 : 1;
      adjust = 0;
      break;
    }
    case FlagKind.INC:
      overflow = (~aHi & rHi) >>> 31;
      break;
    case FlagKind.DEC:
      overflow = (aHi & ~rHi) >>> 31;
      break;
  }
  let parity = rLo & 0xff;
  parity ^= parity >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return (
    carry |
    ((parity & 1) === 0 ? PF : 0) |
    adjust |
    ((rLo | rHi) === 0 ? ZF : 0) |
    (rHi < 0 ? SF : 0) |
    (overflow << 11)
  );
}

/** Unsigned 64-bit a < b, as 0 or 1. */
function below(aLo: number, aHi: number, bLo: number, bHi: number): number {
  return aHi >>> 0 < bHi >>> 0 || (aHi === bHi && aLo >>> 0 < bLo >>> 0) ? 1 : 0;
}

export function readRflags(view: DataView): number {
  return readArithmeticFlags(view) | view.getInt32(SYSTEM_FLAGS, true);
}

export function writeRflags(view: DataView, rflags: number): void {
  view.setInt32(FLAG_KIND, FlagKind.EXPLICIT, true);
  view.setInt32(FLAG_A, rflags & ARITHMETIC_FLAGS, true);
  view.setInt32(FLAG_A + 4, 0, true);
  view.setInt32(SYSTEM_FLAGS, (rflags & SYSTEM_FLAGS_KEPT) | 2, true);
}
