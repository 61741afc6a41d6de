import { type FunctionBuilder, I32, I64, V128 } from "@xen-node/wasm-emit";
import { OF, RAX, RCX, RDX, SF, XMM, ZF } from "../state.ts";
import type { VectorContext, VectorSemantics } from "./vector-context.ts";

/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (Intel SDM vol. 2, 4.1). Bits of the control byte: 0 words rather than
 * bytes, 1 signed, 2-3 how elements are compared, 4 complement, 5 only where the source is valid, 6 last index or mask.
 */
const WORDS = 1;
const SIGNED = 2;
const COMPLEMENT = 0x10;
const VALID_ONLY = 0x20;
const LAST_OR_MASK = 0x40;

/** (address, control) → number of elements before the first zero one. */
export function emitStringLength(f: FunctionBuilder): void {
  const value = f.local(V128);
  f.get(0).v128_load().set(value);
  f.get(1).i32_const(WORDS).i32_and().if_(I32);
  f.get(value).i32_const(0).i16x8_splat().i16x8_eq().i16x8_bitmask().i32_const(0x100).i32_or().i32_ctz();
  f.else_();
  f.get(value).i32_const(0).i8x16_splat().i8x16_eq().i8x16_bitmask().i32_const(0x10000).i32_or().i32_ctz();
  f.end();
}

/** (a, b, lengthA, lengthB, control) → IntRes2. */
export function emitCompareStrings(f: FunctionBuilder): void {
  const [a, b, lengthA, lengthB, control] = [0, 1, 2, 3, 4];
  const result = f.local(I32);
  const count = f.local(I32);
  const i = f.local(I32);
  const j = f.local(I32);
  const element = f.local(I32);
  const match = f.local(I32);

  /** Pushes element `index` of the string at `base`. */
  const load = (base: number, index: () => void) => {
    f.get(control).i32_const(WORDS).i32_and().if_(I32);
    f.get(base);
    index();
    f.i32_const(1).i32_shl().i32_add().set(element).get(control).i32_const(SIGNED).i32_and().if_(I32);
    f.get(element).i32_load16_s().else_().get(element).i32_load16_u().end();
    f.else_().get(base);
    index();
    f.i32_add().set(element).get(control).i32_const(SIGNED).i32_and().if_(I32);
    f.get(element).i32_load8_s().else_().get(element).i32_load8_u().end();
    f.end();
  };
  const loadB = () => load(b, () => f.get(i));
  /** Emits `for (local = start; local < limit; local += step)`; the body may branch to the label that it gets to go on. */
  const loopOver = (local: number, step: number, limit: () => void, body: (next: number) => void) => {
    f.i32_const(0).set(local);
    const done = f.block();
    const again = f.loop();
    f.get(local);
    limit();
    f.i32_ge_s().br_if(done);
    const next = f.block();
    body(next);
    f.end().get(local).i32_const(step).i32_add().set(local).br(again).end().end();
  };
  const setBit = () => f.get(result).get(match).get(i).i32_shl().i32_or().set(result);

  f.i32_const(16).get(control).i32_const(WORDS).i32_and().i32_shr_u().set(count);
  const compared = f.block();
  const labels = [f.block(), f.block(), f.block(), f.block()].reverse();
  f.get(control).i32_const(2).i32_shr_u().i32_const(3).i32_and().br_table(labels, labels[0]);

  // Equal any: is the element one of the set a?
  f.end();
  loopOver(
    i,
    1,
    () => f.get(lengthB),
    () => {
      f.i32_const(0).set(match);
      loopOver(
        j,
        1,
        () => f.get(lengthA),
        () => {
          load(a, () => f.get(j));
          loadB();
          f.i32_eq().get(match).i32_or().set(match);
        },
      );
      setBit();
    },
  );
  f.br(compared);

  // Ranges: is it in one of the pairs of bounds in a?
  f.end();
  loopOver(
    i,
    1,
    () => f.get(lengthB),
    () => {
      f.i32_const(0).set(match);
      loopOver(
        j,
        2,
        () => f.get(lengthA).i32_const(1).i32_sub(),
        () => {
          load(a, () => f.get(j));
          loadB();
          f.i32_le_s();
          loadB();
          load(a, () => f.get(j).i32_const(1).i32_add());
          f.i32_le_s().i32_and().get(match).i32_or().set(match);
        },
      );
      setBit();
    },
  );
  f.br(compared);

  // Equal each: elements beyond both ends are equal, beyond one they are not.
  f.end();
  loopOver(
    i,
    1,
    () => f.get(count),
    () => {
      f.get(i).get(lengthA).i32_lt_s().get(i).get(lengthB).i32_lt_s().i32_and().if_(I32);
      load(a, () => f.get(i));
      loadB();
      f.i32_eq().else_().get(i).get(lengthA).i32_ge_s().get(i).get(lengthB).i32_ge_s().i32_and().end().set(match);
      setBit();
    },
  );
  f.br(compared);

  // Equal ordered: does a begin here, as far as the register shows?
  f.end();
  loopOver(
    i,
    1,
    () => f.get(count),
    () => {
      f.i32_const(1).set(match);
      loopOver(
        j,
        1,
        () => {
          // Elements of a that fall into the register.
          f.get(lengthA).get(count).get(i).i32_sub();
          f.get(lengthA).get(count).get(i).i32_sub().i32_lt_s().select();
        },
        () => {
          f.get(i).get(j).i32_add().get(lengthB).i32_lt_s().if_(I32);
          load(a, () => f.get(j));
          load(b, () => f.get(i).get(j).i32_add());
          f.i32_eq().else_().i32_const(0).end().get(match).i32_and().set(match);
        },
      );
      setBit();
    },
  );
  f.end();

  f.get(control).i32_const(COMPLEMENT).i32_and().if_();
  f.get(control).i32_const(VALID_ONLY).i32_and().if_(I32).i32_const(1).get(lengthB).i32_shl().else_();
  f.i32_const(1).get(count).i32_shl().end().i32_const(1).i32_sub().get(result).i32_xor().set(result).end();
  f.get(result);
}

/** Explicit lengths are magnitudes of EAX and EDX, or of RAX and RDX with REX.W, at most the number of elements. */
function explicitLength(c: VectorContext, register: number, wide: number, count: number): void {
  const { f } = c;
  const value = c.local(I64);
  f.get(wide).if_(I64).i32_const(0).i64_load(register).else_().i32_const(0).i64_load32_s(register).end().set(value);
  f.get(value).i64_const(0).i64_lt_s().if_().i64_const(0).get(value).i64_sub().set(value).end();
  f.get(value)
    .get(count)
    .i64_extend_i32_u()
    .get(value)
    .get(count)
    .i64_extend_i32_u()
    .i64_lt_u()
    .select()
    .i32_wrap_i64();
}

function compareStrings(explicit: boolean, index: boolean): VectorSemantics {
  return (c) => {
    const { f, functions } = c;
    c.immediate();
    f.i32_const(0xff).i32_and();
    const control = c.letI32();
    f.i32_const(16).get(control).i32_const(WORDS).i32_and().i32_shr_u();
    const count = c.letI32();
    const lengthA = c.local(I32);
    const lengthB = c.local(I32);
    if (explicit) {
      // The lowering tells REX.W in bit 8.
      c.immediate();
      f.i32_const(0x100).i32_and();
      const wide = c.letI32();
      explicitLength(c, RAX, wide, count);
      f.set(lengthA);
      explicitLength(c, RDX, wide, count);
      f.set(lengthB);
    } else {
      c.address(0);
      f.get(control).call(functions.stringLength).set(lengthA);
      c.address(1);
      f.get(control).call(functions.stringLength).set(lengthB);
    }
    c.address(0);
    c.address(1);
    f.get(lengthA).get(lengthB).get(control).call(functions.compareStrings);
    const result = c.letI32();
    f.get(result).i32_eqz().i32_eqz();
    f.get(lengthB).get(count).i32_lt_s().i32_const(Math.log2(ZF)).i32_shl().i32_or();
    f.get(lengthA).get(count).i32_lt_s().i32_const(Math.log2(SF)).i32_shl().i32_or();
    f.get(result).i32_const(1).i32_and().i32_const(Math.log2(OF)).i32_shl().i32_or();
    c.core.setExplicitFlags();
    if (index) {
      f.i32_const(0);
      f.get(control).i32_const(LAST_OR_MASK).i32_and().if_(I32).i32_const(31).get(result).i32_clz().i32_sub();
      f.else_().get(result).i32_ctz().end().get(count).get(result).select().i64_extend_i32_u().i64_store(RCX);
      return;
    }
    // Bits of the mask, spread over the lanes or not.
    const spreadBits = (lane: (i: number) => number[]) =>
      f.v128_const(Array.from({ length: 8 }, (_, i) => lane(i)).flat());
    f.i32_const(0);
    f.get(control).i32_const(LAST_OR_MASK).i32_and().if_(V128);
    f.get(control).i32_const(WORDS).i32_and().if_(V128);
    const words = c.local(V128);
    f.get(result).i16x8_splat();
    spreadBits((i) => [1 << i, 0]);
    f.v128_and();
    spreadBits((i) => [1 << i, 0]);
    f.i16x8_eq().else_();
    f.get(result).i16x8_splat().set(words).get(words).get(words);
    f.i8x16_shuffle([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    const bits = Array.from({ length: 16 }, (_, i) => 1 << (i & 7));
    f.v128_const(bits).v128_and().v128_const(bits).i8x16_eq().end();
    f.else_();
    f.get(result).i64_extend_i32_u().i64x2_splat().v128_const([255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    f.v128_and().end().v128_store(XMM(0));
  };
}

export const vectorStrings: Readonly<Record<string, VectorSemantics>> = {
  pcmpestrm: compareStrings(true, false),
  pcmpestri: compareStrings(true, true),
  pcmpistrm: compareStrings(false, false),
  pcmpistri: compareStrings(false, true),
};
