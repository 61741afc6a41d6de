import { I64 } from "@xen-node/wasm-emit";
import { XMM } from "../state.ts";
import type { VectorContext, VectorSemantics } from "./vector-context.ts";

const IDENTITY = Array.from({ length: 16 }, (_, i) => i);

/** PUNPCKL and PUNPCKH: lanes of both operands in turn. MMX's high half is the high half of what the low lanes give. */
function unpack(bytes: 1 | 2 | 4 | 8, high: boolean): VectorSemantics {
  return (c) => {
    c.store(() => {
      const lanes: number[] = [];
      for (let at = 0; at < 8; at += bytes) {
        for (const from of [0, 16]) for (let i = 0; i < bytes; i++) lanes.push(from + at + i);
      }
      c.vector(0);
      c.vector(1);
      if (high && c.mmx) c.f.i8x16_shuffle([...lanes.slice(8), ...lanes.slice(8)]);
      else c.f.i8x16_shuffle(high ? lanes.map((lane) => lane + 8) : lanes);
    });
  };
}

/** PSHUFB. Indices with the top bit set give 0; MMX looks at three bits of the others, XMM at four. */
const shuffleBytes: VectorSemantics = (c) => {
  c.store(() => {
    c.vector(0);
    c.vector(1);
    c.f
      .i32_const(c.mmx ? 0x87 : 0x8f)
      .i8x16_splat()
      .v128_and()
      .i8x16_swizzle();
  });
};

/** Pushes the byte indices for 32-bit lanes whose first bytes the lowering put into the immediate. */
function lanes32(c: VectorContext): void {
  const { f } = c;
  c.immediateAddress();
  f.v128_load32_zero();
  const starts = c.let();
  f.get(starts).get(starts).i8x16_shuffle([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
  f.v128_const([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]).i8x16_add();
}

const shuffleLongs: VectorSemantics = (c) => {
  c.store(() => {
    c.vector(1);
    lanes32(c);
    c.f.i8x16_swizzle();
  });
};

/** PSHUFW, PSHUFLW, PSHUFHW: eight byte indices in the immediate. */
function shuffleWords(half: "low" | "high"): VectorSemantics {
  return (c) => {
    const { f } = c;
    c.store(() => {
      c.vector(1);
      f.v128_const(IDENTITY);
      c.immediateAddress();
      f.v128_load64_zero();
      // The control of the half, and the identity for the other one.
      if (half === "low") f.i8x16_shuffle([16, 17, 18, 19, 20, 21, 22, 23, 8, 9, 10, 11, 12, 13, 14, 15]);
      else f.i8x16_shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
      f.i8x16_swizzle();
    });
  };
}

/** SHUFPS: two lanes of the destination, then two of the source. */
const shuffleSingles: VectorSemantics = (c) => {
  const { f } = c;
  lanes32(c);
  const control = c.let();
  c.store(() => {
    c.vector(0);
    f.get(control).i8x16_swizzle();
    c.vector(1);
    f.get(control).i8x16_swizzle();
    f.i8x16_shuffle([0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31]);
  });
};

const shuffleDoubles: VectorSemantics = (c) => {
  const { f } = c;
  const lane = (operand: 0 | 1, shift: number) => {
    c.address(operand);
    c.immediate();
    f.i32_const(shift).i32_shl().i32_const(8).i32_and().i32_add();
  };
  c.store(() => {
    lane(0, 3);
    f.v128_load64_zero();
    lane(1, 2);
    f.v128_load64_zero();
    f.i8x16_shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
  });
};

/** PALIGNR: the destination above the source, shifted right by bytes. */
const alignRight: VectorSemantics = (c) => {
  const { f, mmx } = c;
  const width = mmx ? 8 : 16;
  const index = (offset: number) => {
    f.v128_const(IDENTITY);
    c.immediate();
    f.i32_const(offset).i32_sub().i8x16_splat().i8x16_add();
  };
  c.store(() => {
    c.vector(1);
    index(0);
    f.i8x16_swizzle();
    c.vector(0);
    index(width);
    f.i8x16_swizzle().v128_or();
  });
};

/** BLENDPS, BLENDPD, PBLENDW: one byte of the immediate for each 16-bit lane, 0 or −1. */
const blendImmediate: VectorSemantics = (c) => {
  const { f } = c;
  c.store(() => {
    c.vector(1);
    c.vector(0);
    c.immediateAddress();
    f.v128_load8x8_s().v128_bitselect();
  });
};

/** PBLENDVB, BLENDVPS, BLENDVPD: lanes of the source where XMM0's lane is negative. */
function blendVariable(bytes: 1 | 4 | 8): VectorSemantics {
  return (c) => {
    const { f } = c;
    c.store(() => {
      c.vector(1);
      c.vector(0);
      f.i32_const(0)
        .v128_load(XMM(0))
        .i32_const(bytes * 8 - 1);
      if (bytes === 1) f.i8x16_shr_s();
      else if (bytes === 4) f.i32x4_shr_s();
      else f.i64x2_shr_s();
      f.v128_bitselect();
    });
  };
}

/** PSRLDQ and PSLLDQ: by bytes. */
function shiftBytes(left: boolean): VectorSemantics {
  return (c) => {
    const { f } = c;
    c.store(() => {
      c.vector(0);
      f.v128_const(IDENTITY);
      c.immediate();
      f.i8x16_splat();
      if (left) f.i8x16_sub();
      else f.i8x16_add();
      f.i8x16_swizzle();
    });
  };
}

type ShiftKind = "left" | "right" | "arithmetic";

/** Shifts of all lanes by one count: an immediate, or the low 64 bits of the source. Counts beyond the width shift all out. */
function shift(bits: 16 | 32 | 64, kind: ShiftKind): VectorSemantics {
  return (c) => {
    const { f } = c;
    const wide = c.local(I64);
    if (c.kinds[1] === "i") {
      c.immediate();
      f.i64_extend_i32_u();
    } else {
      c.address(1);
      f.i64_load();
    }
    f.set(wide);
    c.store(() => {
      c.vector(0);
      // An arithmetic shift by one less than the width fills with the sign.
      if (kind === "arithmetic") {
        f.get(wide)
          .i64_const(bits - 1)
          .get(wide)
          .i64_const(bits)
          .i64_lt_u()
          .select()
          .i32_wrap_i64();
        if (bits === 16) f.i16x8_shr_s();
        else f.i32x4_shr_s();
        return;
      }
      f.get(wide).i32_wrap_i64();
      if (kind === "left") {
        if (bits === 16) f.i16x8_shl();
        else if (bits === 32) f.i32x4_shl();
        else f.i64x2_shl();
      } else if (bits === 16) f.i16x8_shr_u();
      else if (bits === 32) f.i32x4_shr_u();
      else f.i64x2_shr_u();
      f.i64_const(-1).i64_const(0).get(wide).i64_const(bits).i64_lt_u().select().i64x2_splat().v128_and();
    });
  };
}

/** Everything that moves lanes or bits about inside of registers. */
export const vectorShuffles: Readonly<Record<string, VectorSemantics>> = {
  punpcklbw: unpack(1, false),
  punpcklwd: unpack(2, false),
  punpckldq: unpack(4, false),
  punpcklqdq: unpack(8, false),
  unpcklps: unpack(4, false),
  unpcklpd: unpack(8, false),
  punpckhbw: unpack(1, true),
  punpckhwd: unpack(2, true),
  punpckhdq: unpack(4, true),
  punpckhqdq: unpack(8, true),
  unpckhps: unpack(4, true),
  unpckhpd: unpack(8, true),
  pshufb: shuffleBytes,
  pshufd: shuffleLongs,
  pshufw: shuffleWords("low"),
  pshuflw: shuffleWords("low"),
  pshufhw: shuffleWords("high"),
  shufps: shuffleSingles,
  shufpd: shuffleDoubles,
  palignr: alignRight,
  blendps: blendImmediate,
  blendpd: blendImmediate,
  pblendw: blendImmediate,
  pblendvb: blendVariable(1),
  blendvps: blendVariable(4),
  blendvpd: blendVariable(8),
  psrldq: shiftBytes(false),
  pslldq: shiftBytes(true),
  psrlw: shift(16, "right"),
  psrld: shift(32, "right"),
  psrlq: shift(64, "right"),
  psllw: shift(16, "left"),
  pslld: shift(32, "left"),
  psllq: shift(64, "left"),
  psraw: shift(16, "arithmetic"),
  psrad: shift(32, "arithmetic"),
};
