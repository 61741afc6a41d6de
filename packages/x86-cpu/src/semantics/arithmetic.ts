import { I64 } from "@xen-node/wasm-emit";
import { AF, CF, RAX, RDX, VECTOR } from "../state.ts";
import { type Context, FlagKind, type LowOperation } from "./context.ts";
import { emitMultiplyHigh } from "./multiply-high.ts";
import { ALL_SIZES, type Form, never, type OperandKinds, usual, WIDE_SIZES } from "./registry.ts";

const ALU_KINDS: readonly OperandKinds[] = ["rr", "ri", "rm", "mr", "mi"];

/** Wraps the i64 on the stack to the operand size, sign-extended. */
export function signExtend({ f, size }: Context): void {
  if (size === 1) f.i64_extend8_s();
  else if (size === 2) f.i64_extend16_s();
  else if (size === 4) f.i64_extend32_s();
}

/** Wraps the i64 on the stack to the operand size, zero-extended. */
export function zeroExtend({ f, size }: Context): void {
  if (size !== 8) f.i64_const((1n << BigInt(size * 8)) - 1n).i64_and();
}

/** Reads both operands into q[0] and q[1]. A destination in memory is opened for writing if it will be written. */
function operands(c: Context): void {
  c.readLow(0);
  c.f.set(c.q[0]);
  c.readLow(1);
  c.f.set(c.q[1]);
}

function binary(name: string, kind: FlagKind, operation: LowOperation, writes = true): Form {
  return {
    name,
    sizes: ALL_SIZES,
    kinds: ALU_KINDS,
    hot: usual,
    readsOnly: !writes,
    emit(c) {
      operands(c);
      const [a, b, r] = c.q;
      c.f.get(a).get(b);
      c.low(operation);
      c.f.set(r);
      if (writes) {
        c.f.get(r);
        c.write(0);
      }
      c.setFlagsLow(kind, r, a, b);
    },
  };
}

function logic(name: string, operation: LowOperation, writes = true): Form {
  return {
    name,
    sizes: ALL_SIZES,
    kinds: ALU_KINDS,
    hot: usual,
    readsOnly: !writes,
    emit(c) {
      const [r] = c.q;
      c.readLow(0);
      c.readLow(1);
      c.low(operation);
      c.f.set(r);
      if (writes) {
        c.f.get(r);
        c.write(0);
      }
      c.setFlagsLow(FlagKind.RESULT, r);
    },
  };
}

/** ADC and SBB; their flag kinds hold whatever carry came in. */
function withCarry(name: string, kind: FlagKind, subtract: boolean): Form {
  return {
    name,
    sizes: ALL_SIZES,
    kinds: ALU_KINDS,
    hot: (size, kinds) => size !== 2 && kinds.startsWith("r"),
    emit(c) {
      const { f } = c;
      const [a, b, r] = c.q;
      const carry = c.n[2];
      operands(c);
      c.carry();
      f.set(carry).get(a).get(b);
      if (subtract) f.i64_sub().get(carry).i64_extend_i32_u().i64_sub();
      else f.i64_add().get(carry).i64_extend_i32_u().i64_add();
      f.tee(r);
      c.write(0);
      c.setFlagsLow(kind, r, a, b);
    },
  };
}

function step(name: string, kind: FlagKind, amount: number): Form {
  return {
    name,
    sizes: ALL_SIZES,
    kinds: ["r", "m"],
    hot: usual,
    emit(c) {
      const { f } = c;
      const [a, carry, r] = c.q;
      c.readLow(0);
      f.set(a);
      c.carry();
      f.i64_extend_i32_u().set(carry).get(a).i64_const(amount);
      c.low("add");
      f.tee(r);
      c.write(0);
      c.setFlagsLow(kind, r, a, carry);
    },
  };
}

const neg: Form = {
  name: "neg",
  sizes: ALL_SIZES,
  kinds: ["r"],
  hot: usual,
  emit(c) {
    const { f } = c;
    const [a, b, r] = c.q;
    c.readLow(0);
    f.set(b).i64_const(0).tee(a).get(b);
    c.low("sub");
    f.tee(r);
    c.write(0);
    c.setFlagsLow(FlagKind.SUB, r, a, b);
  },
};

const not: Form = {
  name: "not",
  sizes: ALL_SIZES,
  kinds: ["r"],
  hot: usual,
  emit(c) {
    c.readLow(0);
    c.f.i64_const(-1);
    c.low("xor");
    c.write(0);
  },
};

const xadd: Form = {
  name: "xadd",
  sizes: ALL_SIZES,
  kinds: ["rr"],
  hot: never,
  emit(c) {
    const { f } = c;
    const [a, b, r] = c.q;
    operands(c);
    f.get(a).get(b).i64_add().set(r).get(a);
    c.write(1);
    f.get(r);
    c.write(0);
    c.setFlagsLow(FlagKind.ADD, r, a, b);
  },
};

/**
 * CMPXCHG. The destination is written in either case (SDM vol. 2: "the destination is always written"), but a 32-bit
 * destination register keeps its upper half on a mismatch, as processors have it.
 */
const cmpxchg: Form = {
  name: "cmpxchg",
  sizes: ALL_SIZES,
  kinds: ["rr"],
  hot: never,
  emit(c) {
    const { f } = c;
    const [accumulator, destination, r] = c.q;
    c.loadState(RAX);
    signExtend(c);
    f.set(accumulator);
    c.read(0);
    f.set(destination).get(accumulator).get(destination).i64_sub();
    signExtend(c);
    f.set(r).get(r).i64_eqz().if_();
    c.read(1);
    c.write(0);
    f.else_();
    writeAccumulator(c, destination);
    f.end();
    c.setFlags(FlagKind.SUB, r, accumulator, destination);
  },
};

/** Writes a local to AL, AX, EAX or RAX. */
function writeAccumulator(c: Context, value: number): void {
  const { f, size } = c;
  f.i32_const(0).get(value);
  if (size === 1) f.i64_store8(RAX);
  else if (size === 2) f.i64_store16(RAX);
  else if (size === 4) f.i64_const(0xffffffff).i64_and().i64_store(RAX);
  else f.i64_store(RAX);
}

/** Two- and three-operand IMUL: `imul r, s` and `imul3 r, s, imm`. CF and OF are hardly ever looked at. */
function imul(name: string, immediate: boolean): Form {
  return {
    name,
    sizes: WIDE_SIZES,
    kinds: ["rr", "rm"],
    hot: usual,
    emit(c) {
      const { f } = c;
      const [a, b, r] = c.q;
      if (immediate) c.immediate();
      else c.readLow(0);
      f.set(a);
      c.readLow(1);
      f.set(b).get(a).get(b);
      c.low("mul");
      f.tee(r);
      c.write(0);
      c.setFlagsLow(FlagKind.PRODUCT, r, a, b);
    },
  };
}

/** high = high half of the signed product of locals a and b. */
function signedHigh(c: Context, a: number, b: number, high: number): void {
  const { f } = c;
  emitMultiplyHigh(f, a, b, c.q[5], c.q[6]);
  f.get(a).i64_const(63).i64_shr_s().get(b).i64_and().i64_sub();
  f.get(b).i64_const(63).i64_shr_s().get(a).i64_and().i64_sub().set(high);
}

/** One-operand MUL and IMUL: rDX:rAX = rAX × operand. */
function wideMultiply(name: string, signed: boolean): Form {
  return {
    name,
    sizes: ALL_SIZES,
    kinds: ["r"],
    hot: (size) => size === 8 && !signed,
    emit(c) {
      const { f, size, bits } = c;
      const [a, b, low, high] = c.q;
      c.loadState(RAX);
      if (signed) signExtend(c);
      else zeroExtend(c);
      f.set(a);
      if (signed) c.read(0);
      else c.readUnsigned(0);
      f.set(b).get(a).get(b).i64_mul().set(low);
      if (size === 8) {
        if (signed) signedHigh(c, a, b, high);
        else {
          emitMultiplyHigh(f, a, b, c.q[5], c.q[6]);
          f.set(high);
        }
        f.get(low);
        c.storeState(RAX);
        f.get(high);
        c.storeState(RDX);
      } else if (size === 1) {
        f.i32_const(0).get(low).i64_store16(RAX);
        f.get(low).i64_const(8).i64_shr_s().set(high);
      } else {
        f.get(low).i64_const(bits);
        if (signed) f.i64_shr_s();
        else f.i64_shr_u();
        f.set(high);
        storeAt(c, RAX, low);
        storeAt(c, RDX, high);
      }
      // CF = OF = the high half is more than the extension of the low one.
      f.get(low);
      signExtend(c);
      f.set(a);
      if (signed) {
        f.get(high);
        signExtend(c);
        f.get(a).i64_const(63).i64_shr_s().i64_ne();
      } else {
        f.get(high);
        zeroExtend(c);
        f.i64_const(0).i64_ne();
      }
      f.i64_extend_i32_u().i64_const(3).i64_mul().set(b);
      c.setFlags(FlagKind.RESULT, a, undefined, b);
    },
  };
}

/** Stores a local to a general register at the operand size (not 1). */
function storeAt({ f, size }: Context, register: number, value: number): void {
  f.i32_const(0).get(value);
  if (size === 2) f.i64_store16(register);
  else if (size === 4) f.i64_const(0xffffffff).i64_and().i64_store(register);
  else f.i64_store(register);
}

/** DIV and IDIV of rDX:rAX. Quotients that do not fit raise #DE; the flags are left as they are (all undefined). */
function divide(name: string, signed: boolean): Form {
  return {
    name,
    sizes: ALL_SIZES,
    kinds: ["r"],
    hot: never,
    emit(c) {
      const { f, size } = c;
      const [dividend, divisor, quotient, remainder] = c.q;
      if (signed) c.read(0);
      else c.readUnsigned(0);
      f.tee(divisor).i64_eqz().if_();
      c.raise(VECTOR.DE);
      f.end();
      if (size === 8) {
        if (signed) divideSigned128(c);
        else divideUnsigned128(c);
        f.get(quotient);
        c.storeState(RAX);
        f.get(remainder);
        c.storeState(RDX);
        return;
      }
      loadDividend(c, signed);
      f.set(dividend);
      if (signed) {
        // −2^63 / −1 traps in WebAssembly; it does not fit either.
        f.get(dividend)
          .i64_const(-(2n ** 63n))
          .i64_eq()
          .get(divisor)
          .i64_const(-1)
          .i64_eq()
          .i32_and()
          .if_();
        c.raise(VECTOR.DE);
        f.end();
        f.get(dividend).get(divisor).i64_div_s().set(quotient).get(dividend).get(divisor).i64_rem_s().set(remainder);
        f.get(quotient);
        signExtend(c);
      } else {
        f.get(dividend).get(divisor).i64_div_u().set(quotient).get(dividend).get(divisor).i64_rem_u().set(remainder);
        f.get(quotient);
        zeroExtend(c);
      }
      f.get(quotient).i64_ne().if_();
      c.raise(VECTOR.DE);
      f.end();
      if (size === 1) {
        f.i32_const(0).get(quotient).i64_store8(RAX);
        f.i32_const(0)
          .get(remainder)
          .i64_store8(RAX + 1);
      } else {
        storeAt(c, RAX, quotient);
        storeAt(c, RDX, remainder);
      }
    },
  };
}

/** Pushes the dividend of an 8-, 16- or 32-bit division. */
function loadDividend({ f, size }: Context, signed: boolean): void {
  if (size === 1) {
    f.i32_const(0);
    if (signed) f.i64_load16_s(RAX);
    else f.i64_load16_u(RAX);
  } else if (size === 2) {
    f.i32_const(0);
    if (signed) f.i64_load16_s(RDX);
    else f.i64_load16_u(RDX);
    f.i64_const(16).i64_shl().i32_const(0).i64_load16_u(RAX).i64_or();
  } else {
    f.i32_const(0).i64_load32_u(RDX).i64_const(32).i64_shl().i32_const(0).i64_load32_u(RAX).i64_or();
  }
}

/** q[2], q[3] = quotient and remainder of the 128-bit RDX:RAX by q[1]; raises #DE where it does not fit. */
function divideUnsigned128(c: Context): void {
  const { f } = c;
  const [, divisor, , high] = c.q;
  c.loadState(RDX);
  f.tee(high).get(divisor).i64_ge_u().if_();
  c.raise(VECTOR.DE);
  f.end();
  c.loadState(RAX);
  f.set(c.q[0]);
  longDivision(c);
}

/** From remainder q[3] < divisor q[1] and low dividend q[0]: 64 steps of shift and subtract, or one division. */
function longDivision(c: Context): void {
  const { f } = c;
  const [low, divisor, quotient, remainder] = c.q;
  const count = c.n[0];
  const top = c.q[4];
  f.get(remainder).i64_eqz().if_();
  f.get(low).get(divisor).i64_div_u().set(quotient).get(low).get(divisor).i64_rem_u().set(remainder);
  f.else_().i64_const(0).set(quotient).i32_const(64).set(count);
  const again = f.loop();
  // The bit shifted out of the remainder counts as its 65th.
  f.get(remainder).i64_const(63).i64_shr_u().set(top);
  f.get(remainder).i64_const(1).i64_shl().get(low).i64_const(63).i64_shr_u().i64_or().set(remainder);
  f.get(low).i64_const(1).i64_shl().set(low).get(quotient).i64_const(1).i64_shl().set(quotient);
  f.get(top).i64_const(0).i64_ne().get(remainder).get(divisor).i64_ge_u().i32_or().if_();
  f.get(remainder).get(divisor).i64_sub().set(remainder).get(quotient).i64_const(1).i64_or().set(quotient).end();
  f.get(count).i32_const(1).i32_sub().tee(count).br_if(again).end().end();
}

/** Signed division through magnitudes. */
function divideSigned128(c: Context): void {
  const { f } = c;
  const [low, divisor, quotient, remainder, , negativeDividend, negativeDivisor] = c.q;
  c.loadState(RAX);
  f.set(low);
  c.loadState(RDX);
  f.tee(remainder).i64_const(63).i64_shr_s().set(negativeDividend);
  f.get(divisor).i64_const(63).i64_shr_s().set(negativeDivisor);
  // |dividend|: complement and add one across both halves.
  f.get(negativeDividend).i64_const(0).i64_ne().if_();
  f.i64_const(0).get(low).i64_sub().set(low).get(remainder).i64_const(-1).i64_xor().get(low).i64_eqz();
  f.i64_extend_i32_u().i64_add().set(remainder).end();
  f.get(divisor).get(negativeDivisor).i64_xor().get(negativeDivisor).i64_sub().set(divisor);
  f.get(remainder).get(divisor).i64_ge_u().if_();
  c.raise(VECTOR.DE);
  f.end();
  longDivision(c);
  // The magnitude may be 2^63 only for a negative quotient.
  f.get(negativeDividend).get(negativeDivisor).i64_xor().tee(negativeDivisor).i64_eqz().if_(I64);
  f.i64_const(2n ** 63n - 1n)
    .else_()
    .i64_const(-(2n ** 63n))
    .end()
    .get(quotient)
    .i64_lt_u()
    .if_();
  c.raise(VECTOR.DE);
  f.end();
  f.get(quotient).get(negativeDivisor).i64_xor().get(negativeDivisor).i64_sub().set(quotient);
  f.get(remainder).get(negativeDividend).i64_xor().get(negativeDividend).i64_sub().set(remainder);
}

/** DAA and DAS (32-bit mode only; Intel SDM vol. 2). q[0] is the amount to add to or subtract from AL. */
function decimalAdjust(name: string, subtract: boolean): Form {
  return {
    name,
    sizes: [1],
    kinds: ["n"],
    hot: never,
    emit(c) {
      const { f } = c;
      const [al, result, amount] = c.q;
      const [flags, adjusted] = c.n;
      c.arithmeticFlags();
      f.tee(flags).i32_const(AF).i32_and();
      f.i32_const(0).i64_load8_u(0x100).tee(al).i64_const(15).i64_and().i64_const(9).i64_gt_u().i32_or().i32_const(0);
      f.i32_ne().tee(adjusted).if_(I64).i64_const(6).else_().i64_const(0).end().set(amount);
      f.get(adjusted).i32_const(4).i32_shl().set(adjusted);
      f.get(flags).i32_const(CF).i32_and().get(al).i64_const(0x99).i64_gt_u().i32_or().if_();
      f.get(amount).i64_const(0x60).i64_add().set(amount).get(adjusted).i32_const(CF).i32_or().set(adjusted);
      if (subtract) {
        // Borrow out of the low correction alone sets CF as well.
        f.else_().get(adjusted).get(al).i64_const(6).i64_lt_u().get(adjusted).i32_const(4).i32_shr_u().i32_and();
        f.i32_or().set(adjusted);
      } else {
        f.else_().get(adjusted).get(al).i64_const(0xf9).i64_gt_u().get(adjusted).i32_const(4).i32_shr_u().i32_and();
        f.i32_or().set(adjusted);
      }
      f.end().get(al).get(amount);
      if (subtract) f.i64_sub();
      else f.i64_add();
      f.i64_extend8_s().set(result).i32_const(0).get(result).i64_store8(0x100);
      const zero = c.q[3];
      f.i64_const(0).set(zero);
      c.setFlags(FlagKind.RESULT, result, undefined, zero);
      c.arithmeticFlags();
      f.get(adjusted).i32_or();
      c.setExplicitFlags();
    },
  };
}

export const arithmeticForms: readonly Form[] = [
  binary("add", FlagKind.ADD, "add"),
  binary("sub", FlagKind.SUB, "sub"),
  binary("cmp", FlagKind.SUB, "sub", false),
  logic("and", "and"),
  logic("or", "or"),
  logic("xor", "xor"),
  logic("test", "and", false),
  withCarry("adc", FlagKind.ADD_CARRY, false),
  withCarry("sbb", FlagKind.SUB_BORROW, true),
  step("inc", FlagKind.INC, 1),
  step("dec", FlagKind.DEC, -1),
  neg,
  not,
  xadd,
  cmpxchg,
  imul("imul", false),
  imul("imul3", true),
  wideMultiply("mul", false),
  wideMultiply("imul1", true),
  divide("div", false),
  divide("idiv", true),
  decimalAdjust("daa", false),
  decimalAdjust("das", true),
];
