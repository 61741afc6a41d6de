import { type FunctionBuilder, I64 } from "@xen-node/wasm-emit";
import { CF, PF, RAX, RBX, RCX, RDX, ZF } from "../state.ts";
import { CONDITION_NAMES, type Context, FlagKind } from "./context.ts";
import { ALL_SIZES, type Form, never, usual, WIDE_SIZES } from "./registry.ts";

/** BT, BTS, BTR, BTC on a register (or temporary): bit number modulo the operand size. CF alone changes. */
function bitTest(name: string, change?: (f: FunctionBuilder) => void): Form {
  return {
    name,
    sizes: WIDE_SIZES,
    kinds: ["rr", "ri"],
    hot: never,
    emit(c) {
      const { f, bits } = c;
      const [value, mask, number] = c.q;
      c.readLow(1);
      f.i64_const(bits - 1)
        .i64_and()
        .set(number);
      c.readUnsigned(0);
      f.set(value);
      if (change) {
        f.i64_const(1).get(number).i64_shl().set(mask).get(value).get(mask);
        change(f);
        c.write(0);
      }
      f.get(value).get(number).i64_shr_u().i32_wrap_i64().i32_const(1).i32_and();
      c.changeCarry();
    },
  };
}

/**
 * BSF and BSR. A source of 0 sets ZF and leaves the destination as it was, as AMD documents and Intel's processors do.
 * The other flags are undefined.
 */
function bitScan(name: string, emitScan: (c: Context, value: number) => void): Form {
  return {
    name,
    sizes: WIDE_SIZES,
    kinds: ["rr"],
    hot: (size) => size === 8,
    emit(c) {
      const { f } = c;
      const [value, zero] = c.q;
      c.readUnsigned(1);
      f.tee(value).i64_eqz().i32_eqz().if_();
      emitScan(c, value);
      c.write(0);
      f.end();
      f.i64_const(0).set(zero);
      c.setFlags(FlagKind.RESULT, value, undefined, zero);
    },
  };
}

const popcnt: Form = {
  name: "popcnt",
  sizes: WIDE_SIZES,
  kinds: ["rr"],
  hot: never,
  emit(c) {
    const { f } = c;
    const [value] = c.q;
    c.readUnsigned(1);
    f.tee(value).i64_popcnt();
    c.write(0);
    f.get(value).i64_eqz().i32_const(6).i32_shl();
    c.setExplicitFlags();
  },
};

const bswap: Form = {
  name: "bswap",
  sizes: WIDE_SIZES,
  kinds: ["r"],
  hot: never,
  emit(c) {
    const { f, size } = c;
    const [value] = c.q;
    if (size === 2) {
      // Undefined by the manual; processors clear the register's low half.
      f.i64_const(0);
      c.write(0);
      return;
    }
    c.readUnsigned(0);
    f.set(value);
    // Swap bytes within 16-bit pairs, pairs within 32, halves within 64.
    swapStep(f, value, 8, 0x00ff00ff00ff00ffn);
    swapStep(f, value, 16, 0x0000ffff0000ffffn);
    f.get(value).i64_const(32).i64_rotl();
    if (size === 4) f.i64_const(32).i64_shr_u();
    c.write(0);
  },
};

function swapStep(f: FunctionBuilder, value: number, distance: number, mask: bigint): void {
  f.get(value).i64_const(BigInt.asIntN(64, mask)).i64_and().i64_const(distance).i64_shl();
  f.get(value).i64_const(distance).i64_shr_u().i64_const(BigInt.asIntN(64, mask)).i64_and().i64_or().set(value);
}

/** CRC32 r, s with the Castagnoli polynomial (SSE4.2), a bit at a time over the operand's bytes. */
const crc32: Form = {
  name: "crc32",
  sizes: ALL_SIZES,
  kinds: ["rr"],
  hot: never,
  emit(c) {
    const { f, bits } = c;
    const [crc, value] = c.q;
    const [count] = c.n;
    // The destination is a 32- or 64-bit register whatever the source size is; the sum is 32 bits.
    c.loadDestination64();
    f.i64_const(0xffffffff).i64_and().set(crc);
    c.readUnsigned(1);
    f.set(value).i32_const(bits).set(count);
    const again = f.loop();
    f.i64_const(0).get(crc).get(value).i64_xor().i64_const(1).i64_and().i64_sub().i64_const(0x82f63b78).i64_and();
    f.get(crc).i64_const(1).i64_shr_u().i64_xor().set(crc);
    f.get(value).i64_const(1).i64_shr_u().set(value).get(count).i32_const(1).i32_sub().tee(count).br_if(again).end();
    f.get(crc);
    c.storeDestination64();
  },
};

const set: Form[] = CONDITION_NAMES.map((name, code) => ({
  name: `set${name}`,
  sizes: [1] as const,
  kinds: ["r"] as const,
  hot: () => code === 4 || code === 5,
  emit(c: Context) {
    c.condition(code);
    c.f.i64_extend_i32_u();
    c.write(0);
  },
}));

/** CMOVcc: the source is read in any case (a fault is raised even when the condition is false). */
const cmov: Form[] = CONDITION_NAMES.map((name, code) => ({
  name: `cmov${name}`,
  sizes: WIDE_SIZES,
  kinds: ["rr"] as const,
  hot: (size: number) => size !== 2,
  emit(c: Context) {
    const { f } = c;
    c.read(1);
    c.read(0);
    c.condition(code);
    f.select();
    c.write(0);
  },
}));

const mov: Form = {
  name: "mov",
  sizes: ALL_SIZES,
  kinds: ["rr", "ri", "rm", "mr", "mi"],
  hot: usual,
  emit(c) {
    c.readUnsigned(1);
    c.writeOnly(0);
  },
};

/** MOVZX and MOVSX from `from` bytes, and MOVSXD. */
function extend(name: string, from: 1 | 2 | 4, signed: boolean): Form {
  return {
    name: `${name}${from * 8}`,
    sizes: from === 4 ? [4, 8] : from === 2 ? [2, 4, 8] : WIDE_SIZES,
    kinds: ["rr", "rm"],
    hot: usual,
    emit(c) {
      c.readSized(1, from, signed);
      c.writeOnly(0);
    },
  };
}

const lea: Form = {
  name: "lea",
  sizes: WIDE_SIZES,
  kinds: ["rm"],
  hot: usual,
  emit(c) {
    c.effectiveAddress();
    c.writeOnly(0);
  },
};

const xchg: Form = {
  name: "xchg",
  sizes: ALL_SIZES,
  kinds: ["rr"],
  hot: usual,
  emit(c) {
    const [a] = c.q;
    c.readUnsigned(0);
    c.f.set(a);
    c.readUnsigned(1);
    c.writeOnly(0);
    c.f.get(a);
    c.writeOnly(1);
  },
};

/** CBW, CWDE, CDQE at the destination's size. */
const convertAccumulator: Form = {
  name: "cbw",
  sizes: WIDE_SIZES,
  kinds: ["n"],
  hot: (size) => size !== 2,
  emit({ f, size }) {
    f.i32_const(0).i32_const(0);
    if (size === 2) f.i64_load8_s(RAX).i64_store16(RAX);
    else if (size === 4) f.i64_load16_s(RAX).i64_const(0xffffffff).i64_and().i64_store(RAX);
    else f.i64_load32_s(RAX).i64_store(RAX);
  },
};

/** CWD, CDQ, CQO. */
const signToData: Form = {
  name: "cwd",
  sizes: WIDE_SIZES,
  kinds: ["n"],
  hot: (size) => size !== 2,
  emit({ f, size }) {
    f.i32_const(0).i32_const(0);
    if (size === 2) f.i64_load16_s(RAX).i64_const(63).i64_shr_s().i64_store16(RDX);
    else if (size === 4) f.i64_load32_s(RAX).i64_const(63).i64_shr_s().i64_const(0xffffffff).i64_and().i64_store(RDX);
    else f.i64_load(RAX).i64_const(63).i64_shr_s().i64_store(RDX);
  },
};

/** CMPXCHG8B and CMPXCHG16B (operand size 4 and 8): the destination's halves are TMP0 and the field after it. */
const cmpxchgPair: Form = {
  name: "cmpxchgpair",
  sizes: [4, 8],
  kinds: ["m"],
  hot: never,
  emit(c) {
    const { f, size } = c;
    const [low, high, ea] = c.q;
    const [host, flags] = c.n;
    c.effectiveAddress();
    f.tee(ea);
    if (size === 8) {
      // 16 bytes must be aligned (#GP).
      f.i64_const(15).i64_and().i64_const(0).i64_ne().if_();
      c.raise(13, 0);
      f.end().get(ea);
    }
    c.translateWrite(size * 2);
    f.set(host);
    c.arithmeticFlags();
    f.i32_const(~ZF).i32_and().set(flags);
    const load = (offset: number) => {
      f.get(host);
      if (size === 4) f.i64_load32_u(offset);
      else f.i64_load(offset);
    };
    const wanted = (register: number) => {
      f.i32_const(0);
      if (size === 4) f.i64_load32_u(register);
      else f.i64_load(register);
    };
    load(0);
    f.set(low);
    load(size);
    f.set(high);
    f.get(low);
    wanted(RAX);
    f.i64_eq().get(high);
    wanted(RDX);
    f.i64_eq().i32_and().if_();
    const store = (offset: number, register: number) => {
      f.get(host);
      wanted(register);
      if (size === 4) f.i64_store32(offset);
      else f.i64_store(offset);
    };
    store(0, RBX);
    store(size, RCX);
    f.get(flags).i32_const(ZF).i32_or().set(flags);
    f.else_().i32_const(0).get(low).i64_store(RAX).i32_const(0).get(high).i64_store(RDX).end();
    c.commit(host);
    f.get(flags);
    c.setExplicitFlags();
  },
};

/** Pushes AH (the low byte of flags that SAHF and LAHF move) as i32. */
const FLAGS_IN_AH = 0xd5;

const lahf: Form = {
  name: "lahf",
  sizes: [1],
  kinds: ["n"],
  hot: never,
  emit(c) {
    const { f } = c;
    f.i32_const(0);
    c.arithmeticFlags();
    f.i32_const(0xff).i32_and().i32_const(2).i32_or();
    f.i32_store8(RAX + 1);
  },
};

const sahf: Form = {
  name: "sahf",
  sizes: [1],
  kinds: ["n"],
  hot: never,
  emit(c) {
    const { f } = c;
    c.arithmeticFlags();
    f.i32_const(~FLAGS_IN_AH).i32_and();
    f.i32_const(0)
      .i32_load8_u(RAX + 1)
      .i32_const(FLAGS_IN_AH)
      .i32_and()
      .i32_or();
    c.setExplicitFlags();
  },
};

function carryChange(name: string, change: (f: FunctionBuilder) => void): Form {
  return {
    name,
    sizes: [1],
    kinds: ["n"],
    hot: never,
    emit(c) {
      c.arithmeticFlags();
      change(c.f);
      c.setExplicitFlags();
    },
  };
}

/** AAM imm and AAD imm (32-bit mode): imm of 0 divides by zero in AAM. AAA and AAS adjust after addition. */
const aam: Form = {
  name: "aam",
  sizes: [1],
  kinds: ["n"],
  hot: never,
  emit(c) {
    const { f } = c;
    const [base, al, zero] = c.q;
    c.immediate();
    f.i64_const(0xff).i64_and().tee(base).i64_eqz().if_();
    c.raise(0);
    f.end();
    f.i32_const(0).i64_load8_u(RAX).set(al);
    f.i32_const(0)
      .get(al)
      .get(base)
      .i64_div_u()
      .i64_store8(RAX + 1);
    f.i32_const(0).get(al).get(base).i64_rem_u().tee(al).i64_store8(RAX);
    f.get(al).i64_extend8_s().set(al).i64_const(0).set(zero);
    c.setFlags(FlagKind.RESULT, al, undefined, zero);
  },
};

const aad: Form = {
  name: "aad",
  sizes: [1],
  kinds: ["n"],
  hot: never,
  emit(c) {
    const { f } = c;
    const [al, zero] = c.q;
    f.i32_const(0).i64_load8_u(RAX + 1);
    c.immediate();
    f.i64_mul().i32_const(0).i64_load8_u(RAX).i64_add().i64_const(0xff).i64_and().set(al);
    f.i32_const(0).get(al).i64_store16(RAX).get(al).i64_extend8_s().set(al).i64_const(0).set(zero);
    c.setFlags(FlagKind.RESULT, al, undefined, zero);
  },
};

function asciiAdjust(name: string, subtract: boolean): Form {
  return {
    name,
    sizes: [1],
    kinds: ["n"],
    hot: never,
    emit(c) {
      const { f } = c;
      const [ax] = c.q;
      const [adjust] = c.n;
      c.arithmeticFlags();
      f.i32_const(0x10).i32_and();
      f.i32_const(0).i64_load16_u(RAX).tee(ax).i64_const(15).i64_and().i64_const(9).i64_gt_u().i32_or();
      f.i32_const(0).i32_ne().tee(adjust).if_(I64).get(ax).i64_const(0x106);
      if (subtract) f.i64_sub();
      else f.i64_add();
      f.else_().get(ax).end().set(ax);
      f.i32_const(0).get(ax).i64_const(0xff0f).i64_and().i64_store16(RAX);
      f.get(adjust).i32_const(0x11).i32_mul();
      c.setExplicitFlags();
    },
  };
}

export const bitForms: readonly Form[] = [
  bitTest("bt"),
  bitTest("bts", (f) => f.i64_or()),
  bitTest("btr", (f) => f.i64_const(-1).i64_xor().i64_and()),
  bitTest("btc", (f) => f.i64_xor()),
  bitScan("bsf", ({ f }, value) => f.get(value).i64_ctz()),
  bitScan("bsr", ({ f }, value) => f.i64_const(63).get(value).i64_clz().i64_sub()),
  popcnt,
  bswap,
  crc32,
  ...set,
  ...cmov,
  mov,
  extend("movzx", 1, false),
  extend("movzx", 2, false),
  extend("movsx", 1, true),
  extend("movsx", 2, true),
  extend("movsx", 4, true),
  lea,
  xchg,
  convertAccumulator,
  signToData,
  cmpxchgPair,
  lahf,
  sahf,
  carryChange("clc", (f) => f.i32_const(~CF).i32_and()),
  carryChange("stc", (f) => f.i32_const(CF).i32_or()),
  carryChange("cmc", (f) => f.i32_const(CF).i32_xor()),
  aam,
  aad,
  asciiAdjust("aaa", false),
  asciiAdjust("aas", true),
];

/** PTEST, UCOMISx and the like: explicit flags from i32 conditions for ZF, PF and CF. */
export function setComparisonFlags(c: Context, zf: number, pf: number, cf: number): void {
  const { f } = c;
  f.get(zf).i32_const(6).i32_shl().get(pf).i32_const(2).i32_shl().i32_or().get(cf).i32_or();
  f.i32_const(ZF | PF | CF).i32_and();
  c.setExplicitFlags();
}
