import { I32, V128 } from "@xen-node/wasm-emit";
import { MXCSR, VECTOR } from "../state.ts";
import type { VectorContext, VectorSemantics } from "./vector-context.ts";

/** MXCSR bits that may be set (MXCSR_MASK of FXSAVE). */
const MXCSR_MASK = 0xffff;

/** A whole operand. */
const move: VectorSemantics = (c) => c.store(() => c.vector(1));

/** MOVSS, MOVSD: between registers the rest of the destination stays. */
function moveScalar(bytes: 4 | 8): VectorSemantics {
  return (c) => {
    const { f, kinds } = c;
    if (kinds[1] === "m") move(c);
    else if (bytes === 4) {
      c.storeLow32(() => {
        c.address(1);
        f.i32_load();
      });
    } else moveQuad(0, 0)(c);
  };
}

/** 8 bytes from an offset of the source to an offset of the destination; the rest stays. */
function moveQuad(to: number, from: number): VectorSemantics {
  return (c) => {
    c.address(0);
    c.address(1);
    c.f.i64_load(from).i64_store(to);
  };
}

/** MOVLPS, MOVHPS and their kind: memory has only 8 bytes. */
function moveHalf(registerOffset: number): VectorSemantics {
  return (c) => (c.kinds[0] === "m" ? moveQuad(0, registerOffset) : moveQuad(registerOffset, 0))(c);
}

/** MOVD and MOVQ with a general register or memory. A 32-bit register's upper half is cleared, as is a vector's rest. */
const moveGeneral: VectorSemantics = (c) => {
  const { f, kinds, generalSize } = c;
  if (kinds[0] === "x" || kinds[0] === "p") {
    c.store(() => {
      c.address(1);
      if (generalSize === 8) f.v128_load64_zero();
      else f.v128_load32_zero();
    });
    return;
  }
  c.address(0);
  c.address(1);
  if (generalSize === 8) f.i64_load().i64_store();
  else if (kinds[0] === "r") f.i64_load32_u().i64_store();
  else f.i32_load().i32_store();
};

/** MOVQ: the low half; a register's high half is cleared. */
const moveLowQuad: VectorSemantics = (c) => {
  c.store(() => {
    c.address(1);
    c.f.v128_load64_zero();
  });
};

/** MOVDQ2Q: the destination is an MMX register. */
const toMmx: VectorSemantics = (c) => {
  c.storeLow64(() => {
    c.address(1);
    c.f.i64_load();
  });
};

/** Duplicates lanes of the source. */
function duplicate(lanes: readonly number[]): VectorSemantics {
  const bytes = lanes.flatMap((lane) =>
    Array.from({ length: 16 / lanes.length }, (_, i) => (lane * 16) / lanes.length + i),
  );
  return (c) => {
    c.store(() => {
      c.vector(1);
      const source = c.let();
      c.f.get(source).get(source).i8x16_shuffle(bytes);
    });
  };
}

const storeGeneral: VectorSemantics = (c) => {
  c.address(0);
  c.general(1);
  if (c.generalSize === 8) c.f.i64_store();
  else c.f.i64_store32();
};

/** MASKMOVQ, MASKMOVDQU: bytes whose mask's top bit is set go to DS:rDI. All of the bytes must be writable. */
const maskMove: VectorSemantics = (c) => {
  const { f, mmx } = c;
  const host = c.local(I32);
  c.translateDestination(mmx ? 8 : 16);
  f.tee(host);
  c.vector(0);
  f.get(host);
  if (mmx) f.v128_load64_zero();
  else f.v128_load();
  c.vector(1);
  f.i32_const(7).i8x16_shr_s().v128_bitselect();
  if (mmx) f.i64x2_extract_lane(0).i64_store();
  else f.v128_store();
  f.get(host);
  c.commit();
};

/** Sign bits of the source's lanes. */
function mask(bits: (c: VectorContext) => void): VectorSemantics {
  return (c) => {
    c.address(0);
    c.vector(1);
    bits(c);
    c.f.i64_extend_i32_u().i64_store();
  };
}

/** PINSRB, PINSRW, PINSRD, PINSRQ. */
function insert(lanes: (c: VectorContext) => number, bytes: (c: VectorContext) => 1 | 2 | 4 | 8): VectorSemantics {
  return (c) => {
    const { f } = c;
    const size = bytes(c);
    laneAddress(c, 0, lanes(c), size);
    c.address(1);
    if (size === 1) f.i32_load8_u().i32_store8();
    else if (size === 2) f.i32_load16_u().i32_store16();
    else if (size === 4) f.i32_load().i32_store();
    else f.i64_load().i64_store();
    c.finishMmx();
  };
}

/** PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS. */
function extract(lanes: (c: VectorContext) => number, bytes: (c: VectorContext) => 1 | 2 | 4 | 8): VectorSemantics {
  return (c) => {
    const { f } = c;
    const size = bytes(c);
    const register = c.kinds[0] === "r";
    c.address(0);
    laneAddress(c, 1, lanes(c), size);
    if (size === 1) f.i64_load8_u();
    else if (size === 2) f.i64_load16_u();
    else if (size === 4) f.i64_load32_u();
    else f.i64_load();
    if (register || size === 8) f.i64_store();
    else if (size === 1) f.i64_store8();
    else if (size === 2) f.i64_store16();
    else f.i64_store32();
  };
}

/** Pushes the address of the lane that the immediate chooses, modulo the number of lanes. */
function laneAddress(c: VectorContext, operand: 0 | 1, lanes: number, size: number): void {
  c.address(operand);
  c.immediate();
  c.f
    .i32_const(lanes - 1)
    .i32_and()
    .i32_const(size)
    .i32_mul()
    .i32_add();
}

const lanesOfGeneral = (c: VectorContext): number => 16 / c.generalSize;
const generalBytes = (c: VectorContext): 4 | 8 => c.generalSize;

/** LDMXCSR: reserved bits raise #GP(0). */
const loadControl: VectorSemantics = (c) => {
  const { f } = c;
  const value = c.local(I32);
  c.address(0);
  f.i32_load().tee(value).i32_const(~MXCSR_MASK).i32_and().if_();
  c.core.raise(VECTOR.GP, 0);
  f.end().i32_const(0).get(value).i32_store(MXCSR);
};

const storeControl: VectorSemantics = (c) => {
  c.address(0);
  c.f.i32_const(0).i32_load(MXCSR).i32_store();
};

/** INSERTPS: source lane (of a register), destination lane and lanes to clear are in the immediate. */
const insertSingle: VectorSemantics = (c) => {
  const { f } = c;
  const value = c.local(I32);
  const zero = c.local(V128);
  c.address(1);
  if (c.kinds[1] === "x") {
    c.immediate();
    f.i32_const(4).i32_shr_u().i32_const(12).i32_and().i32_add();
  }
  f.i32_load().set(value);
  c.address(0);
  c.immediate();
  f.i32_const(2).i32_shr_u().i32_const(12).i32_and().i32_add().get(value).i32_store();
  // Lane i is cleared if bit i of the immediate is set.
  f.i32_const(0).i32x4_splat();
  c.immediate();
  f.i32x4_splat().v128_const([1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0]).v128_and().i32x4_eq().set(zero);
  c.store(() => {
    c.vector(0);
    f.get(zero).v128_and();
  });
};

const wholeMoves = [
  "movups",
  "movupd",
  "movaps",
  "movapd",
  "movdqa",
  "movdqu",
  "lddqu",
  "movntps",
  "movntpd",
  "movntdq",
  "movntdqa",
  "movntq",
];

/** Data movement: nothing here computes. */
export const vectorMoves: Readonly<Record<string, VectorSemantics>> = {
  ...Object.fromEntries(wholeMoves.map((name) => [name, move])),
  movss: moveScalar(4),
  movsd: moveScalar(8),
  movlps: moveHalf(0),
  movlpd: moveHalf(0),
  movhps: moveHalf(8),
  movhpd: moveHalf(8),
  movhlps: moveQuad(0, 8),
  movlhps: moveQuad(8, 0),
  movsldup: duplicate([0, 0, 2, 2]),
  movshdup: duplicate([1, 1, 3, 3]),
  movddup: duplicate([0, 0]),
  movd: moveGeneral,
  movq: moveLowQuad,
  movq2dq: moveLowQuad,
  movdq2q: toMmx,
  movnti: storeGeneral,
  maskmovq: maskMove,
  maskmovdqu: maskMove,
  movmskps: mask(({ f }) => f.i32x4_bitmask()),
  movmskpd: mask(({ f }) => f.i64x2_bitmask()),
  pmovmskb: mask(({ f }) => f.i8x16_bitmask()),
  pinsrb: insert(
    () => 16,
    () => 1,
  ),
  pinsrw: insert(
    (c) => (c.mmx ? 4 : 8),
    () => 2,
  ),
  pinsrd: insert(lanesOfGeneral, generalBytes),
  pextrb: extract(
    () => 16,
    () => 1,
  ),
  pextrw: extract(
    (c) => (c.mmx ? 4 : 8),
    () => 2,
  ),
  pextrd: extract(lanesOfGeneral, generalBytes),
  extractps: extract(
    () => 4,
    () => 4,
  ),
  insertps: insertSingle,
  ldmxcsr: loadControl,
  stmxcsr: storeControl,
};
