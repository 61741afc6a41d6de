import { OperandKind, operandKind, operandRegister, operandSize, RegisterClass } from "../../src/decode/index.ts";
import { AddressingMethod } from "../../src/decode/operand.ts";
import { operandClass } from "../../src/decode/operand-access.ts";
import { segmentBase } from "./addresses.ts";
import type { Group } from "./forms.ts";
import { addPatch } from "./patches.ts";
import type { Random } from "./random.ts";
import type { CaseDraft } from "./tuning.ts";
import { directed, toBytes } from "./values.ts";

type Element = "f32" | "f64" | "f80" | "i8" | "i16" | "i32" | "i64";

const f32Specials = [
  0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001,
  0xffbfffff, 0x7fffffff, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff,
  0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0xdf000000, 0x4b000000, 0x4b7fffff, 0x3f000000, 0x3fc00000,
  0x40200000, 0x33800000, 0x34000000,
];

function f32(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 3) return BigInt(random.pick(f32Specials));
  const sign = random.below(2) * 0x80000000;
  if (kind < 5) {
    // Near 1, where sums and products round in interesting ways.
    return BigInt(sign + random.between(118, 138) * 0x800000 + random.below(0x800000));
  }
  if (kind === 5) return BigInt(sign + random.below(0x800000));
  if (kind === 6)
    return BigInt(sign + random.between(0, 254) * 0x800000 + random.pick([0, 1, 0x400000, 0x7fffff, 0x3fffff]));
  return BigInt(random.u32() >>> 0);
}

const f64Specials = [
  0x0000000000000000n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0xfff8000000000000n,
  0x7ff0000000000001n,
  0xfff7ffffffffffffn,
  0x7fffffffffffffffn,
  0x0000000000000001n,
  0x8000000000000001n,
  0x000fffffffffffffn,
  0x0010000000000000n,
  0x8010000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0x41dfffffffc00000n,
  0x41dfffffffe00000n,
  0xc1e0000000100000n,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0x43dfffffffffffffn,
  0x3fe0000000000000n,
  0x3ff8000000000000n,
  0x4004000000000000n,
  0x47efffffe0000000n,
  0x47effffff0000000n,
  0x3810000000000000n,
  0x380fffffffffffffn,
  0x36a0000000000000n,
  0x3690000000000000n,
];

function f64(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 3) return random.pick(f64Specials);
  const sign = BigInt(random.below(2)) << 63n;
  const fraction = random.u64() & 0xfffffffffffffn;
  if (kind < 5) return sign | (BigInt(random.between(1003, 1043)) << 52n) | fraction;
  if (kind === 5) return sign | fraction;
  // Around single precision's range, for conversions.
  if (kind === 6)
    return sign | (BigInt(random.between(860, 1160)) << 52n) | (random.chance(0.5) ? fraction & ~0xfffffffn : fraction);
  return random.u64();
}

/** 80-bit reals in all their classes, invalid encodings too. */
export function f80(random: Random): Uint8Array {
  const out = new Uint8Array(10);
  const put = (significand: bigint, exponent: number, sign: number) => {
    out.set(toBytes(significand, 8));
    out[8] = exponent & 0xff;
    out[9] = (exponent >> 8) | (sign << 7);
    return out;
  };
  const sign = random.below(2);
  const integer = 1n << 63n;
  const random64 = random.u64();
  switch (random.below(16)) {
    case 0:
      return put(0n, 0, sign);
    case 1:
      return put(integer, 0x7fff, sign);
    case 2:
      return put(integer | (1n << 62n) | (random.chance(0.5) ? 0n : random64 >> 2n), 0x7fff, sign);
    case 3:
      return put(integer | (random64 >> 3n) | 1n, 0x7fff, sign);
    case 4:
      return put(random64 >> BigInt(random.between(1, 63)), 0, sign);
    case 5:
      return put(integer, 0x3fff, sign);
    case 6:
      // Unnormal, pseudo-denormal, pseudo-infinity, pseudo-NaN.
      return random.pick([0, 1, 2]) === 0
        ? put(random64 | integer, 0, sign)
        : put(random64 & ~integer, random.pick([1, 0x3fff, 0x7fff]), sign);
    case 7:
      return put(
        integer | (random64 & (random.chance(0.5) ? ~0n : ~0xffffffffn)),
        random.between(0x3f80, 0x407f),
        sign,
      );
    case 8:
      return put(integer | random64, random.pick([1, 2, 0x7ffe, 0x7ffd, 0x3c00, 0x43ff, 0x4400, 0x3c01]), sign);
    case 9:
      // An integer.
      return put(
        integer | (random64 & ~((1n << BigInt(random.between(1, 62))) - 1n)),
        random.between(0x3fff, 0x4040),
        sign,
      );
    default:
      return put(integer | random64, random.between(0x3ff0, 0x4010), sign);
  }
}

function element(random: Random, kind: Element): Uint8Array {
  switch (kind) {
    case "f32":
      return toBytes(f32(random), 4);
    case "f64":
      return toBytes(f64(random), 8);
    case "f80":
      return f80(random);
    case "i8":
      return toBytes(directed(random, 1), 1);
    case "i16":
      return toBytes(directed(random, 2), 2);
    case "i32":
      return toBytes(directed(random, 4), 4);
    default:
      return toBytes(directed(random, 8), 8);
  }
}

function elements(random: Random, kind: Element, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes; ) {
    const part = element(random, kind);
    out.set(part.subarray(0, Math.min(part.length, bytes - at)), at);
    at += part.length;
  }
  return out;
}

/** What the elements of an operand are, as far as the name tells. */
function elementOf(mnemonic: string, random: Random): Element {
  if (random.chance(0.05)) return random.pick(["f32", "f64", "i8", "i16", "i32", "i64"]);
  if (/^cvt(dq|pi|si)2/.test(mnemonic)) return "i32";
  if (/^cvtt?(ps|ss)2/.test(mnemonic)) return "f32";
  if (/^cvtt?(pd|sd)2/.test(mnemonic)) return "f64";
  if (/(ps|ss)$/.test(mnemonic) && !mnemonic.startsWith("p")) return "f32";
  if (/(pd|sd)$/.test(mnemonic) && !mnemonic.startsWith("p")) return "f64";
  if (/b$|bw$|sadbw|pcmp.str/.test(mnemonic)) return "i8";
  if (/w$|wd$/.test(mnemonic)) return "i16";
  if (/d$|dq$/.test(mnemonic)) return "i32";
  return "i64";
}

/** Strings for PCMPxSTRx: few different characters, and a zero somewhere. */
function stringOperand(random: Random): Uint8Array {
  const alphabet = random.pick([
    [0x61, 0x62],
    [0x61, 0x62, 0x63, 0x7a, 0xff],
    [0, 0x61, 0x80],
  ]);
  const out = Uint8Array.from({ length: 16 }, () => random.pick(alphabet));
  if (random.chance(0.6)) out[random.below(16)] = 0;
  if (random.chance(0.3)) {
    const at = random.below(8) * 2;
    out[at] = out[at + 1] = 0;
  }
  return out;
}

function chooseMxcsr(random: Random): number | undefined {
  if (random.chance(0.4)) return undefined;
  const rounding = random.below(4) << 13;
  const modes = (random.chance(0.25) ? 0x8000 : 0) | (random.chance(0.25) ? 0x40 : 0);
  const masks = random.chance(0.75) ? 0x1f80 : (random.u32() & 0x3f) << 7;
  const flags = random.chance(0.7) ? 0 : random.u32() & 0x3f;
  return rounding | modes | masks | flags;
}

function vectorOperands(draft: CaseDraft): void {
  const { c, insn, random } = draft;
  const { mnemonic, operands } = insn.entry;
  const strings = mnemonic.startsWith("pcmpestr") || mnemonic.startsWith("pcmpistr");
  const value = (bytes: number) =>
    strings ? stringOperand(random) : elements(random, elementOf(mnemonic, random), bytes);
  for (let i = 0; i < operands.length; i++) {
    if (operandClass(insn, i) === RegisterClass.XMM) c.xmm[operandRegister(insn, i)] = value(16);
    if (operandKind(insn, i) === OperandKind.MEMORY && draft.address !== undefined && draft.address < 0x7fffffffffffn) {
      addPatch(c, Number(draft.address), value(Math.min(16, operandSize(insn, i))));
    }
  }
  if (strings) {
    // Lengths of PCMPESTRx.
    for (const register of [0, 2]) {
      const length = random.chance(0.8) ? random.between(-18, 18) : random.u32();
      if (insn.hasMem && (insn.base === register || insn.index === register)) continue;
      c.gpr[register] = BigInt.asUintN(64, random.chance(0.5) ? BigInt(length) : BigInt(length >>> 0));
    }
  }
  if (mnemonic === "ldmxcsr" && draft.address !== undefined && draft.address < 0x7fffffffffffn) {
    const word = random.chance(0.85) ? random.u32() & 0xffff : random.u32();
    addPatch(c, Number(draft.address), toBytes(BigInt(word >>> 0), 4));
  }
  if (/^f?xrstor/.test(mnemonic)) restoreImage(draft);
  if (/^x(save|rstor)/.test(mnemonic)) {
    // The components asked for: what lies behind them in the area is not the replay's.
    for (const [register, value] of [
      [0, random.below(4)],
      [2, 0],
    ]) {
      if (insn.hasMem && (insn.base === register || insn.index === register)) {
        // Its address would ask for other components: the case then only shows an alignment fault or none at all.
        c.gpr[insn.base === register ? register : insn.index] = 0n;
      } else c.gpr[register] = BigInt(value);
    }
  }
  if (mnemonic.startsWith("maskmov")) placeMaskedStore(draft);
  c.mxcsr = chooseMxcsr(random);
}

/** FXRSTOR's and XRSTOR's image: mostly a good one. */
function restoreImage(draft: CaseDraft): void {
  const { c, random, address, insn } = draft;
  if (address === undefined || address > 0x7fffffffffffn) return;
  const image = random.bytes(576);
  const view = new DataView(image.buffer);
  const block = x87State(draft, false);
  image.set(block.subarray(0, 5), 0);
  if (random.chance(0.1)) image.set(random.bytes(4), 0);
  // Instruction and data pointers are not compared.
  image.fill(0, 6, 24);
  for (let i = 0; i < 8; i++) image.set(block.subarray(24 + 10 * i, 34 + 10 * i), 32 + 16 * i);
  view.setUint32(24, random.chance(0.9) ? random.u32() & 0xffff : random.u32(), true);
  image.fill(0, 512, 576);
  view.setUint32(512, random.below(4), true);
  // A bit of a component that no processor has, or of the reserved bytes.
  if (random.chance(0.1)) image[514 + random.below(22)] |= 1 << random.below(8);
  const size = insn.entry.mnemonic === "fxrstor" ? 512 : 576;
  for (let at = 0; at < size; at += 64) addPatch(c, Number(address) + at, image.subarray(at, at + 64));
}

/** MASKMOVQ and MASKMOVDQU store at DS:rDI. */
function placeMaskedStore({ c, insn, random }: CaseDraft): void {
  const segment = segmentBase(insn);
  const at = random.pick([0x20000000, 0x30000000]) + random.between(16, 8000) + (random.chance(0.05) ? 190 : 0);
  c.gpr[7] = BigInt.asUintN(insn.addrSize * 8, BigInt(at) - segment);
}

const PUSHES = /^(fld|fild|fbld|fptan|fsincos|fxtract)/;

function chooseTags(random: Random, mnemonic: string, top: number): number {
  const kind = random.below(10);
  if (kind === 0) return random.below(256);
  if (kind === 1) return 0;
  // ST7, the register that a push goes to, is empty where something is pushed.
  if (PUSHES.test(mnemonic) && kind < 9) return 0xff & ~(1 << ((top + 7) & 7));
  return 0xff;
}

/** Control, status and tag words and the eight registers. */
function x87State(draft: CaseDraft, mmx: boolean): Uint8Array {
  const { random, insn } = draft;
  const block = new Uint8Array(104);
  const view = new DataView(block.buffer);
  const masks = random.chance(0.8) ? 0x3f : random.below(64);
  const precision = random.chance(0.7) ? 3 : random.pick([0, 2]);
  view.setUint16(0, 0x40 | masks | (precision << 8) | (random.below(4) << 10), true);
  const top = random.chance(0.3) ? 0 : random.below(8);
  let flags = random.chance(0.7) ? 0 : random.below(64);
  if (random.chance(0.9)) flags &= masks;
  if (random.chance(0.2)) flags |= 0x40;
  const pending = (flags & ~masks & 0x3f) !== 0 ? 0x8080 : 0;
  const conditions = (random.below(8) << 8) | (random.below(2) << 14);
  view.setUint16(2, flags | pending | conditions | (top << 11), true);
  block[4] = mmx && random.chance(0.5) ? random.below(256) : chooseTags(random, insn.entry.mnemonic, top);
  for (let i = 0; i < 8; i++) {
    if (mmx && random.chance(0.9)) {
      block.set(elements(random, elementOf(insn.entry.mnemonic, random), 8), 24 + 10 * i);
      block.set(random.chance(0.7) ? [0xff, 0xff] : random.bytes(2), 32 + 10 * i);
    } else block.set(f80(random), 24 + 10 * i);
  }
  return block;
}

function bcd(random: Random): Uint8Array {
  const out = Uint8Array.from({ length: 10 }, () => random.below(10) | (random.below(10) << 4));
  out[9] = random.chance(0.5) ? 0 : 0x80;
  if (random.chance(0.1)) out[random.below(9)] = random.u32();
  return out;
}

function x87Memory(draft: CaseDraft): void {
  const { c, insn, random, address } = draft;
  if (address === undefined || address > 0x7fffffffffffn) return;
  const { mnemonic } = insn.entry;
  const size = operandSize(insn, 0);
  let bytes: Uint8Array;
  if (mnemonic === "fldcw")
    bytes = toBytes(BigInt(random.chance(0.8) ? 0x40 | (random.u32() & 0xf3f) : random.u32() & 0xffff), 2);
  else if (mnemonic === "fbld") bytes = bcd(random);
  else if (mnemonic === "fldenv" || mnemonic === "frstor") bytes = environment(draft, size);
  else if (/^fi/.test(mnemonic)) bytes = elements(random, size === 2 ? "i16" : size === 4 ? "i32" : "i64", size);
  else if (size === 4) bytes = toBytes(f32(random), 4);
  else if (size === 8) bytes = toBytes(f64(random), 8);
  else if (size === 10) bytes = f80(random);
  else return;
  for (let at = 0; at < bytes.length; at += 60) addPatch(c, Number(address) + at, bytes.subarray(at, at + 60));
}

/** FLDENV's and FRSTOR's image. */
function environment(draft: CaseDraft, size: number): Uint8Array {
  const { random } = draft;
  const out = random.bytes(size);
  const wide = size === 28 || size === 108;
  const block = x87State(draft, false);
  const step = wide ? 4 : 2;
  out.set(block.subarray(0, 2), 0);
  out.set(block.subarray(2, 4), step);
  if (size > 28) out.set(block.subarray(24, 104), wide ? 28 : 14);
  return out;
}

/** Gives the registers of MMX, SSE and x87 instructions directed values. */
export function addFloatingPoint(draft: CaseDraft, group: Group): void {
  const { c, insn } = draft;
  const usesMmx = insn.entry.operands.some(({ method }) =>
    [AddressingMethod.REG_MMX, AddressingMethod.MODRM_MMX, AddressingMethod.RM_MMX].includes(method as 8),
  );
  if (group === "sse" || usesMmx) vectorOperands(draft);
  if (group === "x87" || group === "mmx" || usesMmx) c.x87 = x87State(draft, group !== "x87");
  if (group === "x87") x87Memory(draft);
}
