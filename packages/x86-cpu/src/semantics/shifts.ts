import { I64 } from "@xen-node/wasm-emit";
import { CF, OF, RCX } from "../state.ts";
import { signExtend, zeroExtend } from "./arithmetic.ts";
import { type Context, FlagKind } from "./context.ts";
import { ALL_SIZES, type Form, never, usual, WIDE_SIZES } from "./registry.ts";

/** Where a shift takes its count from: the immediate or CL. */
type CountSource = "ri" | "r";

/** count local = the count, masked to 5 bits (6 for 64-bit operands). */
function loadCount(c: Context, source: CountSource, count: number): void {
  if (source === "ri") c.immediate();
  else c.loadState(RCX);
  c.f
    .i64_const(c.size === 8 ? 63 : 31)
    .i64_and()
    .set(count);
}

/**
 * Emits `operation` for counts other than 0; a count of 0 changes nothing, not even the flags, but for the upper half of
 * a 32-bit register.
 */
function unlessZero(c: Context, source: CountSource, count: number, operation: () => void): void {
  const { f } = c;
  const unchanged = (): void => {
    if (c.size !== 4) return;
    c.read(0);
    c.write(0);
  };
  loadCount(c, source, count);
  if (source === "ri" && c.immediateByte !== undefined) {
    if ((c.immediateByte & (c.size === 8 ? 63 : 31)) === 0) unchanged();
    else operation();
    return;
  }
  c.branchFlags();
  f.get(count).i64_eqz().if_();
  unchanged();
  f.else_();
  operation();
  c.mergeFlags();
  f.end();
}

/**
 * SHL, SHR, SAR. A count of 0 changes nothing, not even the flags. OF is defined for counts of 1 only; for others it is
 * computed by the same rule, as processors do.
 */
function shift(name: string, source: CountSource, operation: (c: Context, value: number, count: number) => void): Form {
  return {
    name: source === "ri" ? name : `${name}cl`,
    sizes: ALL_SIZES,
    kinds: [source],
    hot: usual,
    emit(c) {
      const [value, count] = c.q;
      unlessZero(c, source, count, () => operation(c, value, count));
    },
  };
}

/** r = result, and the flags with CF and OF as i32 0/1 locals. */
function finish(c: Context, result: number, carry: number, overflow: number): void {
  c.f.get(result);
  c.write(0);
  setShiftFlags(c, result, carry, overflow);
}

function setShiftFlags(c: Context, result: number, carry: number, overflow: number): void {
  const packed = c.q[4];
  c.f.get(carry).get(overflow).i32_const(1).i32_shl().i32_or().i64_extend_i32_u().set(packed);
  c.setFlags(FlagKind.RESULT, result, undefined, packed);
}

/** Writes a result, and extends it for the flags' sake: who only wants the result does not wait for that. */
function writeResult(c: Context, result: number): void {
  c.f.get(result);
  c.write(0);
  c.f.get(result);
  signExtend(c);
  c.f.set(result);
}

function shl(c: Context, value: number, count: number): void {
  const { f, bits } = c;
  const [carry, overflow] = c.n;
  const result = c.q[2];
  c.readUnsigned(0);
  f.set(value);
  // The last bit out: bit (bits - count) of the value; beyond the operand it is 0.
  f.i64_const(bits).get(count).i64_sub().i64_const(0).i64_lt_s().if_(I64).i64_const(0).else_();
  f.get(value).i64_const(bits).get(count).i64_sub().i64_shr_u().end();
  f.i32_wrap_i64().i32_const(1).i32_and().set(carry);
  f.get(value).get(count).i64_shl().set(result);
  writeResult(c, result);
  f.get(result).i64_const(63).i64_shr_u().i32_wrap_i64().get(carry).i32_xor().set(overflow);
  setShiftFlags(c, result, carry, overflow);
}

function shr(c: Context, value: number, count: number): void {
  const { f, bits } = c;
  const [carry, overflow] = c.n;
  const result = c.q[2];
  c.readUnsigned(0);
  f.tee(value).get(count).i64_const(1).i64_sub().i64_shr_u().i32_wrap_i64().i32_const(1).i32_and().set(carry);
  f.get(value)
    .i64_const(bits - 1)
    .i64_shr_u()
    .i32_wrap_i64()
    .get(count)
    .i64_const(1)
    .i64_eq()
    .i32_and()
    .set(overflow);
  f.get(value).get(count).i64_shr_u().set(result);
  writeResult(c, result);
  setShiftFlags(c, result, carry, overflow);
}

function sar(c: Context, value: number, count: number): void {
  const { f } = c;
  const [carry, overflow] = c.n;
  const result = c.q[2];
  c.read(0);
  f.tee(value).get(count).i64_const(1).i64_sub().i64_shr_s().i32_wrap_i64().i32_const(1).i32_and().set(carry);
  f.i32_const(0).set(overflow).get(value).get(count).i64_shr_s().set(result);
  finish(c, result, carry, overflow);
}

/**
 * ROL, ROR, RCL, RCR change CF and OF alone. OF = top bit xor CF for ROL and RCL, xor of the two top bits of the
 * result for ROR and RCR (defined for counts of 1).
 */
function rotate(name: string, source: CountSource, left: boolean, throughCarry: boolean): Form {
  return {
    name: source === "ri" ? name : `${name}cl`,
    sizes: ALL_SIZES,
    kinds: [source],
    hot: never,
    emit(c) {
      const { f, bits, size } = c;
      const [value, count, result] = c.q;
      const [flags, carry] = c.n;
      unlessZero(c, source, count, () => {
        c.arithmeticFlags();
        f.set(flags);
        c.readUnsigned(0);
        f.set(value);
        if (throughCarry) rotateThroughCarry(c, left);
        else if (size === 8) {
          f.get(value).get(count);
          if (left) f.i64_rotl();
          else f.i64_rotr();
          f.set(result);
        } else {
          f.get(count)
            .i64_const(bits - 1)
            .i64_and()
            .set(count);
          const [first, second] = left ? ["i64_shl", "i64_shr_u"] : ["i64_shr_u", "i64_shl"];
          const apply = (operation: string) => (operation === "i64_shl" ? f.i64_shl() : f.i64_shr_u());
          f.get(value).get(count);
          apply(first);
          f.get(value).i64_const(bits).get(count).i64_sub();
          apply(second);
          f.i64_or();
          zeroExtend(c);
          f.set(result);
        }
        if (!throughCarry) {
          f.get(result);
          if (left) f.i64_const(1).i64_and();
          else f.i64_const(bits - 1).i64_shr_u();
          f.i32_wrap_i64().set(carry);
        }
        f.get(result);
        signExtend(c);
        f.set(result).get(result);
        c.write(0);
        f.get(flags)
          .i32_const(~(CF | OF))
          .i32_and()
          .get(carry)
          .i32_or();
        f.get(result).i64_const(63).i64_shr_u().i32_wrap_i64();
        if (left) f.get(carry);
        else {
          f.get(result)
            .i64_const(bits - 2)
            .i64_shr_u()
            .i32_wrap_i64()
            .i32_const(1)
            .i32_and();
        }
        f.i32_xor().i32_const(11).i32_shl().i32_or();
        c.setExplicitFlags();
      });
    },
  };
}

/** One bit a step: a count is at most 63, and these are rare. Leaves CF in n[1]. */
function rotateThroughCarry(c: Context, left: boolean): void {
  const { f, bits } = c;
  const [value, count, result, out] = c.q;
  const [flags, carry] = c.n;
  f.get(flags).i32_const(CF).i32_and().set(carry).get(value).set(result);
  // 8- and 16-bit operands turn through 9 and 17 bits.
  if (bits < 32)
    f.get(count)
      .i64_const(bits + 1)
      .i64_rem_u()
      .set(count);
  const done = f.block();
  const again = f.loop();
  f.get(count).i64_eqz().br_if(done);
  if (left) {
    f.get(result)
      .i64_const(bits - 1)
      .i64_shr_u()
      .i64_const(1)
      .i64_and()
      .set(out);
    f.get(result).i64_const(1).i64_shl().get(carry).i64_extend_i32_u().i64_or();
  } else {
    f.get(result).i64_const(1).i64_and().set(out);
    f.get(result).i64_const(1).i64_shr_u().get(carry).i64_extend_i32_u();
    f.i64_const(bits - 1)
      .i64_shl()
      .i64_or();
  }
  zeroExtend(c);
  f.set(result).get(out).i32_wrap_i64().set(carry).get(count).i64_const(1).i64_sub().set(count).br(again).end().end();
}

/** SHLD and SHRD r, s, count. 16-bit operands with counts above 16 are undefined; they follow the 48-bit shift. */
function doubleShift(name: string, source: CountSource, left: boolean): Form {
  return {
    name: source === "ri" ? name : `${name}cl`,
    sizes: WIDE_SIZES,
    kinds: ["rr"],
    hot: never,
    emit(c) {
      const { f, bits, size } = c;
      const [value, count, other, result] = c.q;
      const [carry, overflow] = c.n;
      unlessZero(c, source, count, () => {
        c.readUnsigned(0);
        f.set(value);
        c.readUnsigned(1);
        f.set(other);
        if (size === 2) doubleShift16(c, left);
        else if (left) {
          f.get(value)
            .i64_const(bits)
            .get(count)
            .i64_sub()
            .i64_shr_u()
            .i32_wrap_i64()
            .i32_const(1)
            .i32_and()
            .set(carry);
          f.get(value).get(count).i64_shl().get(other).i64_const(bits).get(count).i64_sub().i64_shr_u().i64_or();
        } else {
          f.get(value).get(count).i64_const(1).i64_sub().i64_shr_u().i32_wrap_i64().i32_const(1).i32_and().set(carry);
          f.get(value).get(count).i64_shr_u().get(other).i64_const(bits).get(count).i64_sub().i64_shl().i64_or();
        }
        signExtend(c);
        f.tee(result).i64_const(63).i64_shr_u().i32_wrap_i64();
        f.get(value)
          .i64_const(bits - 1)
          .i64_shr_u()
          .i32_wrap_i64()
          .i32_xor()
          .set(overflow);
        finish(c, result, carry, overflow);
      });
    },
  };
}

/** The pair in 48 bits: destination : source : destination (left), or source above destination twice (right). */
function doubleShift16(c: Context, left: boolean): void {
  const { f } = c;
  const [value, count, other, wide] = c.q;
  const carry = c.n[0];
  if (left) {
    f.get(value).i64_const(32).i64_shl().get(other).i64_const(16).i64_shl().i64_or().get(value).i64_or().set(wide);
    f.get(wide).i64_const(48).get(count).i64_sub().i64_shr_u().i32_wrap_i64().i32_const(1).i32_and().set(carry);
    f.get(wide).get(count).i64_shl().i64_const(32).i64_shr_u();
  } else {
    f.get(value).i64_const(32).i64_shl().get(other).i64_const(16).i64_shl().i64_or().get(value).i64_or().set(wide);
    f.get(wide).get(count).i64_const(1).i64_sub().i64_shr_u().i32_wrap_i64().i32_const(1).i32_and().set(carry);
    f.get(wide).get(count).i64_shr_u();
  }
}

const sources: readonly CountSource[] = ["ri", "r"];

export const shiftForms: readonly Form[] = sources.flatMap((source) => [
  shift("shl", source, shl),
  shift("shr", source, shr),
  shift("sar", source, sar),
  rotate("rol", source, true, false),
  rotate("ror", source, false, false),
  rotate("rcl", source, true, true),
  rotate("rcr", source, false, true),
  doubleShift("shld", source, true),
  doubleShift("shrd", source, false),
]);
