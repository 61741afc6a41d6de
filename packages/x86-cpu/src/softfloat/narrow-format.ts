import { I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import {
  type Code,
  type Expression,
  type IntegerType,
  type Local,
  type Operand,
  type Routine,
  routine,
} from "./expression.ts";
import {
  BIAS,
  DOUBLE,
  EXPONENT_SPECIAL,
  EXPONENT_ZERO,
  type Format,
  type RoundingRoutines,
  raise,
  SINGLE,
  TOP_BIT,
} from "./rounding.ts";
import { FP_CONTROL, FpControl, FpFlag } from "./types.ts";

/** What f32 and f64 differ in as bit patterns. */
export interface Narrow {
  readonly type: IntegerType;
  readonly format: Format;
  readonly bits: number;
  /** Bits of the stored fraction. */
  readonly fraction: number;
  readonly magnitudeMask: bigint;
  readonly infinity: bigint;
  readonly quietBit: bigint;
}

function narrow(type: IntegerType, format: Format, bits: number): Narrow {
  const fraction = format.precision - 1;
  const exponentMax = (1n << BigInt(bits - 1 - fraction)) - 1n;
  return {
    type,
    format,
    bits,
    fraction,
    magnitudeMask: (1n << BigInt(bits - 1)) - 1n,
    infinity: exponentMax << BigInt(fraction),
    quietBit: 1n << BigInt(fraction - 1),
  };
}

export const F32_BITS = narrow(I32, SINGLE, 32);
export const F64_BITS = narrow(I64, DOUBLE, 64);

export interface NarrowRoutines extends Narrow {
  /** (value, raiseDenormal: i32) → (sign, exponent, significand). Not for NaN. Zero for denormals if FP_CONTROL says so. */
  unpack: Routine;
  /** The same without regard for FP_CONTROL and with D: x87's loads. */
  unpackExact: Routine;
  /** (sign, exponent, hi, lo) → value, rounded. NaN becomes the quiet NaN of its sign and leading bits. */
  pack: Routine;
  /** (a, b) → the NaN that an SSE operation on them gives; I if one is signalling. */
  propagate: Routine;
}

export const isNan = (n: Narrow, x: Expression): Expression => x.and(mask(n, n.magnitudeMask)).gtU(mask(n, n.infinity));
export const isSignalling = (n: Narrow, x: Expression): Expression => isNan(n, x).and(x.and(mask(n, n.quietBit)).eqz());

export const isZero = (x: Expression): Expression => x.shl(1).eqz();
/** Zeros count as denormals. */
export const isDenormal = (n: Narrow, x: Expression): Expression => x.and(mask(n, n.infinity)).eqz();

/** i32 constants are signed. */
const mask = (n: Narrow, value: bigint): Operand =>
  n.type === I32 ? Number(BigInt.asIntN(32, value)) : BigInt.asIntN(64, value);

export function emitNarrow(module: ModuleBuilder, n: Narrow, rounding: RoundingRoutines): NarrowRoutines {
  const bias = (1 << (n.bits - 2 - n.fraction)) - 1;

  const unpacker = (parameters: IntegerType[], denormal: (c: Code, sign: Local, flag: Local) => void) =>
    routine(module, parameters, [I32, I32, I64], (c, [value, flag]) => {
      const sign = c.let(value.shrU(n.bits - 1).wrap());
      const fraction = c.let(
        value
          .extendU()
          .shl(63 - n.fraction)
          .and((1n << 63n) - 1n),
      );
      const exponent = c.let(
        value
          .shrU(n.fraction)
          .wrap()
          .and((1 << (n.bits - 1 - n.fraction)) - 1),
      );
      c.if(exponent.eqz(), () => {
        c.if(fraction.eqz(), () => c.return(sign, c.i32(EXPONENT_ZERO), c.i64(0)));
        denormal(c, sign, flag);
        const shift = c.let(fraction.clz());
        c.return(sign, c.i32(BIAS - bias + 1).sub(shift.wrap()), fraction.shl(shift));
      });
      c.if(exponent.eq(2 * bias + 1), () => c.return(sign, c.i32(EXPONENT_SPECIAL), c.i64(TOP_BIT)));
      c.push(sign, exponent.add(BIAS - bias), fraction.or(TOP_BIT));
    });

  const unpack = unpacker([n.type, I32], (c, sign, flag) => {
    c.if(c.state(FP_CONTROL).and(FpControl.DENORMALS_ARE_ZERO), () => c.return(sign, c.i32(EXPONENT_ZERO), c.i64(0)));
    c.if(flag, () => raise(c, FpFlag.DENORMAL));
  });
  const unpackExact = unpacker([n.type], (c) => raise(c, FpFlag.DENORMAL));

  const pack = routine(module, [I32, I32, I64, I64], [n.type], (c, [sign, exponent, hi, lo]) => {
    const own = (x: Expression) => (n.type === I32 ? x.wrap() : x.extendU());
    const signBit = own(sign).shl(n.bits - 1);
    c.if(hi.eqz(), () => c.return(signBit));
    c.if(exponent.eq(EXPONENT_SPECIAL), () => {
      const payload = own(hi.shl(1).shrU(64 - n.fraction));
      c.if(hi.eq(TOP_BIT), () => c.return(signBit.or(mask(n, n.infinity))));
      c.return(signBit.or(mask(n, n.infinity | n.quietBit)).or(payload));
    });
    const { precision, minimum, maximum } = n.format;
    const [e, significand] = c.call(rounding.round, sign, exponent, hi, lo, precision, minimum, maximum);
    c.if(e.eq(EXPONENT_SPECIAL), () => c.return(signBit.or(mask(n, n.infinity))));
    // A denormal lacks the leading bit, which adds 1 to the exponent field.
    const field = own(e.sub(minimum)).shl(n.fraction);
    c.push(signBit.or(field.add(own(significand.shrU(63 - n.fraction)))));
  });

  const propagate = routine(module, [n.type, n.type], [n.type], (c, [a, b]) => {
    c.if(isSignalling(n, a).or(isSignalling(n, b)), () => raise(c, FpFlag.INVALID));
    c.push(isNan(n, a).select(a, b).or(mask(n, n.quietBit)));
  });

  return { ...n, unpack, unpackExact, pack, propagate };
}
