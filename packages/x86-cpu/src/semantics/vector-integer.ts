import { type FunctionBuilder, V128 } from "@xen-node/wasm-emit";
import type { VectorContext, VectorSemantics } from "./vector-context.ts";

type Operation = (f: FunctionBuilder) => void;

/** destination = destination op source, lane by lane: the same for MMX registers, whose upper half reads as 0. */
function lanewise(operation: Operation): VectorSemantics {
  return (c) => {
    c.store(() => {
      c.vector(0);
      c.vector(1);
      operation(c.f);
    });
  };
}

/** destination = op source. */
function unary(operation: Operation): VectorSemantics {
  return (c) => {
    c.store(() => {
      c.vector(1);
      operation(c.f);
    });
  };
}

/** Emits with both operands in locals. */
function binary(emit: (c: VectorContext, a: number, b: number) => void): VectorSemantics {
  return (c) => {
    c.vector(0);
    const a = c.let();
    c.vector(1);
    const b = c.let();
    c.store(() => emit(c, a, b));
  };
}

/**
 * Operations whose result halves come from one operand each (packing, horizontal ones). For MMX both operands are put
 * into one vector first: the low half of the result is then right.
 */
function halves(emit: (c: VectorContext, a: number, b: number) => void): VectorSemantics {
  return binary((c, a, b) => {
    if (!c.mmx) {
      emit(c, a, b);
      return;
    }
    c.f.get(a).get(b).i8x16_shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
    const both = c.let();
    emit(c, both, both);
  });
}

/** Lanes 0, 2, 4 … (or 1, 3, 5 …) of two vectors, `bytes` wide. */
function everySecond(f: FunctionBuilder, bytes: 2 | 4, odd: boolean): void {
  const lanes: number[] = [];
  for (let at = odd ? bytes : 0; at < 32; at += 2 * bytes) for (let i = 0; i < bytes; i++) lanes.push(at + i);
  f.i8x16_shuffle(lanes);
}

/** PHADDW and its kind: neighbours combined. */
function horizontal(bytes: 2 | 4, operation: Operation): VectorSemantics {
  return halves((c, a, b) => {
    const { f } = c;
    f.get(a).get(b);
    everySecond(f, bytes, false);
    f.get(a).get(b);
    everySecond(f, bytes, true);
    operation(f);
  });
}

/** The upper halves of 16 × 16 products. */
function multiplyHigh(low: Operation, high: Operation): VectorSemantics {
  return binary(({ f }, a, b) => {
    f.get(a).get(b);
    low(f);
    f.get(a).get(b);
    high(f);
    everySecond(f, 2, true);
  });
}

/** PMULHRSW. The engine's instruction saturates −1 · −1, which wraps on x86. */
const multiplyRoundScale: VectorSemantics = binary(({ f }, a, b) => {
  const lowest = () => f.i32_const(0x8000).i16x8_splat();
  f.get(a).get(b).i16x8_q15mulr_sat_s();
  f.get(a);
  lowest();
  f.i16x8_eq().get(b);
  lowest();
  f.i16x8_eq().v128_and().v128_xor();
});

/** PMADDUBSW: unsigned bytes of the destination by signed bytes of the source, pairs added with saturation. */
const multiplyAddBytes: VectorSemantics = binary(({ f }, a, b) => {
  f.get(a)
    .i32_const(0xff)
    .i16x8_splat()
    .v128_and()
    .get(b)
    .i32_const(8)
    .i16x8_shl()
    .i32_const(8)
    .i16x8_shr_s()
    .i16x8_mul();
  f.get(a).i32_const(8).i16x8_shr_u().get(b).i32_const(8).i16x8_shr_s().i16x8_mul().i16x8_add_sat_s();
});

/** PMULUDQ, PMULDQ: the even 32-bit lanes. */
function multiplyEven(operation: Operation): VectorSemantics {
  return binary(({ f }, a, b) => {
    f.get(a).get(a);
    everySecond(f, 4, false);
    f.get(b).get(b);
    everySecond(f, 4, false);
    operation(f);
  });
}

/** Pushes |a − b| of unsigned bytes. */
function absoluteDifference(f: FunctionBuilder, a: number, b: number): void {
  f.get(a).get(b).i8x16_sub_sat_u().get(b).get(a).i8x16_sub_sat_u().v128_or();
}

/** PSADBW: the sum over each 8 bytes. */
const sumOfDifferences: VectorSemantics = binary((c, a, b) => {
  const { f } = c;
  absoluteDifference(f, a, b);
  f.i16x8_extadd_pairwise_i8x16_u().i32x4_extadd_pairwise_i16x8_u();
  const sums = c.let();
  f.get(sums).get(sums).i32_const(32).i64x2_shr_u().i64x2_add().i64_const(0xffffffff).i64x2_splat().v128_and();
});

/** MPSADBW: eight sums of four differences; the immediate chooses the blocks. */
const slidingDifferences: VectorSemantics = (c) => {
  const { f } = c;
  c.immediate();
  f.i32_const(4).i32_and();
  const offset = c.letI32();
  c.vector(0);
  f.v128_const([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    .get(offset)
    .i8x16_splat()
    .i8x16_add()
    .i8x16_swizzle();
  const window = c.let();
  c.address(1);
  c.immediate();
  f.i32_const(3).i32_and().i32_const(2).i32_shl().i32_add();
  const block = c.letI32();
  c.store(() => {
    for (let j = 0; j < 4; j++) {
      f.get(window).get(window);
      f.i8x16_shuffle(Array.from({ length: 16 }, (_, i) => (i + j) & 15)).i16x8_extend_low_i8x16_u();
      f.get(block).i32_load8_u(j).i16x8_splat().i16x8_sub().i16x8_abs();
      if (j > 0) f.i16x8_add();
    }
  });
};

/** PHMINPOSUW: the smallest unsigned word and its index. */
const smallestWord: VectorSemantics = (c) => {
  const { f } = c;
  c.vector(1);
  const words = c.let();
  const smallest = c.local(V128);
  f.get(words).set(smallest);
  for (const distance of [8, 4, 2]) {
    f.get(smallest).get(smallest).get(smallest);
    f.i8x16_shuffle(Array.from({ length: 16 }, (_, i) => (i + distance) & 15))
      .i16x8_min_u()
      .set(smallest);
  }
  c.store(() => {
    f.get(smallest).i16x8_extract_lane_u(0).i64_extend_i32_u();
    f.get(words).get(smallest).i16x8_eq().i16x8_bitmask().i32_ctz().i32_const(16).i32_shl().i64_extend_i32_u().i64_or();
    f.i64x2_splat().v128_const([255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).v128_and();
  });
};

/** PSIGNB and its kind: the destination negated, cleared or kept by the sign of the source. */
function sign(bits: 8 | 16 | 32): VectorSemantics {
  return binary((c, a, b) => {
    const { f } = c;
    const zero = () => f.i32_const(0).i32x4_splat();
    f.get(b).i32_const(bits - 1);
    if (bits === 8) f.i8x16_shr_s();
    else if (bits === 16) f.i16x8_shr_s();
    else f.i32x4_shr_s();
    const negative = c.let();
    f.get(a).get(negative).v128_xor().get(negative);
    if (bits === 8) f.i8x16_sub();
    else if (bits === 16) f.i16x8_sub();
    else f.i32x4_sub();
    f.get(b);
    zero();
    if (bits === 8) f.i8x16_eq();
    else if (bits === 16) f.i16x8_eq();
    else f.i32x4_eq();
    f.v128_andnot();
  });
}

/** ANDN complements the destination, not the source. */
const andNot: VectorSemantics = binary(({ f }, a, b) => f.get(b).get(a).v128_andnot());

const and = lanewise((f) => f.v128_and());
const or = lanewise((f) => f.v128_or());
const xor = lanewise((f) => f.v128_xor());

/** PTEST: ZF if no bit is common, CF if the source has none outside of the destination. */
const testBits: VectorSemantics = (c) => {
  const { f } = c;
  c.vector(0);
  const a = c.let();
  c.vector(1);
  const b = c.let();
  f.get(a).get(b).v128_and().v128_any_true().i32_eqz().i32_const(6).i32_shl();
  f.get(b).get(a).v128_andnot().v128_any_true().i32_eqz().i32_or();
  c.core.setExplicitFlags();
};

/** PMOVSX and PMOVZX: one extension after the other. */
const extend = (...steps: Operation[]): VectorSemantics =>
  unary((f) => {
    for (const step of steps) step(f);
  });
const bytesSigned: Operation = (f) => f.i16x8_extend_low_i8x16_s();
const bytesUnsigned: Operation = (f) => f.i16x8_extend_low_i8x16_u();
const wordsSigned: Operation = (f) => f.i32x4_extend_low_i16x8_s();
const wordsUnsigned: Operation = (f) => f.i32x4_extend_low_i16x8_u();
const longsSigned: Operation = (f) => f.i64x2_extend_low_i32x4_s();
const longsUnsigned: Operation = (f) => f.i64x2_extend_low_i32x4_u();

/** Integer arithmetic, logic and comparisons. */
export const vectorIntegers: Readonly<Record<string, VectorSemantics>> = {
  paddb: lanewise((f) => f.i8x16_add()),
  paddw: lanewise((f) => f.i16x8_add()),
  paddd: lanewise((f) => f.i32x4_add()),
  paddq: lanewise((f) => f.i64x2_add()),
  paddsb: lanewise((f) => f.i8x16_add_sat_s()),
  paddsw: lanewise((f) => f.i16x8_add_sat_s()),
  paddusb: lanewise((f) => f.i8x16_add_sat_u()),
  paddusw: lanewise((f) => f.i16x8_add_sat_u()),
  psubb: lanewise((f) => f.i8x16_sub()),
  psubw: lanewise((f) => f.i16x8_sub()),
  psubd: lanewise((f) => f.i32x4_sub()),
  psubq: lanewise((f) => f.i64x2_sub()),
  psubsb: lanewise((f) => f.i8x16_sub_sat_s()),
  psubsw: lanewise((f) => f.i16x8_sub_sat_s()),
  psubusb: lanewise((f) => f.i8x16_sub_sat_u()),
  psubusw: lanewise((f) => f.i16x8_sub_sat_u()),
  pminub: lanewise((f) => f.i8x16_min_u()),
  pminsb: lanewise((f) => f.i8x16_min_s()),
  pminuw: lanewise((f) => f.i16x8_min_u()),
  pminsw: lanewise((f) => f.i16x8_min_s()),
  pminud: lanewise((f) => f.i32x4_min_u()),
  pminsd: lanewise((f) => f.i32x4_min_s()),
  pmaxub: lanewise((f) => f.i8x16_max_u()),
  pmaxsb: lanewise((f) => f.i8x16_max_s()),
  pmaxuw: lanewise((f) => f.i16x8_max_u()),
  pmaxsw: lanewise((f) => f.i16x8_max_s()),
  pmaxud: lanewise((f) => f.i32x4_max_u()),
  pmaxsd: lanewise((f) => f.i32x4_max_s()),
  pavgb: lanewise((f) => f.i8x16_avgr_u()),
  pavgw: lanewise((f) => f.i16x8_avgr_u()),
  pcmpeqb: lanewise((f) => f.i8x16_eq()),
  pcmpeqw: lanewise((f) => f.i16x8_eq()),
  pcmpeqd: lanewise((f) => f.i32x4_eq()),
  pcmpeqq: lanewise((f) => f.i64x2_eq()),
  pcmpgtb: lanewise((f) => f.i8x16_gt_s()),
  pcmpgtw: lanewise((f) => f.i16x8_gt_s()),
  pcmpgtd: lanewise((f) => f.i32x4_gt_s()),
  pcmpgtq: lanewise((f) => f.i64x2_gt_s()),
  pmullw: lanewise((f) => f.i16x8_mul()),
  pmulld: lanewise((f) => f.i32x4_mul()),
  pmulhw: multiplyHigh(
    (f) => f.i32x4_extmul_low_i16x8_s(),
    (f) => f.i32x4_extmul_high_i16x8_s(),
  ),
  pmulhuw: multiplyHigh(
    (f) => f.i32x4_extmul_low_i16x8_u(),
    (f) => f.i32x4_extmul_high_i16x8_u(),
  ),
  pmulhrsw: multiplyRoundScale,
  pmuludq: multiplyEven((f) => f.i64x2_extmul_low_i32x4_u()),
  pmuldq: multiplyEven((f) => f.i64x2_extmul_low_i32x4_s()),
  pmaddwd: lanewise((f) => f.i32x4_dot_i16x8_s()),
  pmaddubsw: multiplyAddBytes,
  psadbw: sumOfDifferences,
  mpsadbw: slidingDifferences,
  phminposuw: smallestWord,
  phaddw: horizontal(2, (f) => f.i16x8_add()),
  phaddd: horizontal(4, (f) => f.i32x4_add()),
  phaddsw: horizontal(2, (f) => f.i16x8_add_sat_s()),
  phsubw: horizontal(2, (f) => f.i16x8_sub()),
  phsubd: horizontal(4, (f) => f.i32x4_sub()),
  phsubsw: horizontal(2, (f) => f.i16x8_sub_sat_s()),
  pabsb: unary((f) => f.i8x16_abs()),
  pabsw: unary((f) => f.i16x8_abs()),
  pabsd: unary((f) => f.i32x4_abs()),
  psignb: sign(8),
  psignw: sign(16),
  psignd: sign(32),
  packsswb: halves(({ f }, a, b) => f.get(a).get(b).i8x16_narrow_i16x8_s()),
  packuswb: halves(({ f }, a, b) => f.get(a).get(b).i8x16_narrow_i16x8_u()),
  packssdw: halves(({ f }, a, b) => f.get(a).get(b).i16x8_narrow_i32x4_s()),
  packusdw: halves(({ f }, a, b) => f.get(a).get(b).i16x8_narrow_i32x4_u()),
  pmovsxbw: extend(bytesSigned),
  pmovsxbd: extend(bytesSigned, wordsSigned),
  pmovsxbq: extend(bytesSigned, wordsSigned, longsSigned),
  pmovsxwd: extend(wordsSigned),
  pmovsxwq: extend(wordsSigned, longsSigned),
  pmovsxdq: extend(longsSigned),
  pmovzxbw: extend(bytesUnsigned),
  pmovzxbd: extend(bytesUnsigned, wordsUnsigned),
  pmovzxbq: extend(bytesUnsigned, wordsUnsigned, longsUnsigned),
  pmovzxwd: extend(wordsUnsigned),
  pmovzxwq: extend(wordsUnsigned, longsUnsigned),
  pmovzxdq: extend(longsUnsigned),
  pand: and,
  andps: and,
  andpd: and,
  pandn: andNot,
  andnps: andNot,
  andnpd: andNot,
  por: or,
  orps: or,
  orpd: or,
  pxor: xor,
  xorps: xor,
  xorpd: xor,
  ptest: testBits,
};
