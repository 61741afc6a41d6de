import { BASE_RIP, OperandKind, operandKind, operandRegister, operandSize } from "../../src/decode/index.ts";
import { Flow } from "../../src/decode/opcode-entry.ts";
import { AddressingMethod, RegisterClass } from "../../src/decode/operand.ts";
import { operandClass } from "../../src/decode/operand-access.ts";
import { addressOf, chooseTarget, reach, segmentBase } from "./addresses.ts";
import { type Background, emptyCase, FX_BYTES, type VectorCase } from "./case-format.ts";
import { Encoder, type Encoding } from "./encoder.ts";
import { addFloatingPoint } from "./floating-point.ts";
import type { Form } from "./forms.ts";
import { CODE } from "./memory-map.ts";
import { putNeutralBefore } from "./neutral.ts";
import { patchMemory } from "./patches.ts";
import type { Random } from "./random.ts";
import { type CaseDraft, tune } from "./tuning.ts";
import { directedRegister } from "./values.ts";

/** How many inputs a code is run with at most. */
const INPUTS_PER_CODE = 6;

const DEFAULT_MXCSR = 0x1f80;

/** Registers and memory of a background. */
export function makeBackground(random: Random): Background {
  const gpr = new BigUint64Array(16);
  for (let i = 0; i < 16; i++) gpr[i] = directedRegister(random, random.pick([1, 2, 4, 8]));
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, DEFAULT_MXCSR, true);
  for (let i = 0; i < 8; i++) {
    fx.set(random.bytes(8), 32 + 16 * i);
    fx[39 + 16 * i] |= 0x80;
    view.setUint16(40 + 16 * i, random.between(0x3ff0, 0x400f) | (random.below(2) << 15), true);
  }
  fx.set(random.bytes(256), 160);
  return { memorySeed: random.u32() >>> 0 || 1, gpr, fx };
}

/** Makes the cases of a form. */
export class Generator {
  private readonly encoder: Encoder;

  constructor(private readonly random: Random) {
    this.encoder = new Encoder(random);
  }

  /** Calls `emit` with `count` cases; fewer (none) only if the form has no encoding. */
  cases(form: Form, count: number, background: Background, emit: (c: VectorCase) => void): void {
    const { random } = this;
    const inputs = Math.max(1, Math.min(INPUTS_PER_CODE, count >> 3));
    for (let left = count; left > 0; ) {
      const encoding = this.encoder.encode(form);
      if (encoding === null) return;
      const atEnd = random.chance(0.01);
      const length = encoding.bytes.length;
      const codeOffset = atEnd ? 4096 - random.between(1, length) : random.between(0x380, 0x600);
      this.placeDisplacement(encoding, CODE + codeOffset + length);
      for (let i = 0; i < inputs && left > 0; i++, left--) {
        emit(this.input(form, encoding, codeOffset, background));
      }
    }
  }

  /** Gives operands whose address the code decides alone (RIP-relative, absolute) a place that exists. */
  private placeDisplacement(encoding: Encoding, next: number): void {
    const { insn, bytes, dispAt, dispBytes } = encoding;
    if (dispAt < 0) return;
    const offset = insn.entry.operands.some(({ method }) => method === AddressingMethod.OFFSET);
    const fixed = insn.hasMem && insn.index < 0 && (insn.base < 0 || insn.base === BASE_RIP);
    if (!offset && !fixed) return;
    const low = fixed || dispBytes <= 4;
    const target = chooseTarget(this.random, 8, low);
    let value = target - segmentBase(insn);
    if (fixed && insn.base === BASE_RIP) value -= BigInt(next);
    for (let i = 0; i < dispBytes; i++) bytes[dispAt + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
    value = BigInt.asIntN(dispBytes * 8, value);
    insn.disp = Number(BigInt.asIntN(32, value));
    insn.dispHi = offset
      ? Number(BigInt.asIntN(32, (dispBytes === 8 ? value : BigInt.asUintN(32, value)) >> 32n))
      : insn.disp >> 31;
  }

  private input(form: Form, encoding: Encoding, codeOffset: number, background: Background): VectorCase {
    const { random } = this;
    const { insn } = encoding;
    const c = emptyCase();
    c.compatibility = form.compatibility;
    c.codeOffset = c.entry = codeOffset;
    // Arithmetic flags; DF a quarter of the time.
    c.flags = (random.u32() & 0x8d5) | (random.chance(0.25) ? 0x400 : 0);
    const { operands } = insn.entry;
    for (let i = 0; i < operands.length; i++) {
      const kind = operandClass(insn, i);
      if (kind >= RegisterClass.GPR8 && kind <= RegisterClass.GPR64) {
        c.gpr[operandRegister(insn, i)] = directedRegister(random, operandSize(insn, i));
      }
    }
    const bytes = [...encoding.bytes];
    const next = BigInt(CODE + codeOffset + bytes.length);
    const draft: CaseDraft = { c, insn, bytes, immAt: encoding.immAt, random, background, next };
    if (insn.hasMem) this.placeMemory(draft);
    tune(draft);
    for (let i = 0; i < operands.length; i++) {
      if (operandKind(insn, i) !== OperandKind.MEMORY_OFFSET) continue;
      const address = BigInt.asUintN(64, ((BigInt(insn.dispHi) << 32n) | BigInt(insn.disp >>> 0)) + segmentBase(insn));
      patchMemory(draft, address, operandSize(insn, i));
    }
    if (form.group !== "integer") addFloatingPoint(draft, form.group);
    if (insn.entry.flow === Flow.NEXT && random.chance(0.002)) c.flags |= 0x400;
    c.code = Uint8Array.from(bytes);
    if (codeOffset + bytes.length > 4096) c.code = c.code.subarray(0, 4096 - codeOffset);
    putNeutralBefore(c, random);
    return c;
  }

  private placeMemory(draft: CaseDraft): void {
    const { c, insn, random, background, next } = draft;
    let size = 0;
    for (let i = 0; i < insn.entry.operands.length; i++) {
      if (operandKind(insn, i) === OperandKind.MEMORY) size = operandSize(insn, i);
    }
    const wide = size > 64 || size === 0 ? 64 : size;
    const align = size === 16 && random.chance(0.9) ? 16 : size > 64 || size === 0 ? 64 : 0;
    const low = insn.addrSize === 4 || (insn.base < 0 && insn.scale === 0 && random.chance(0.8));
    reach(insn, chooseTarget(random, size > 64 || size === 0 ? 700 : wide, low, align), random, c.gpr);
    const address = addressOf(insn, next, (register) => c.gpr[register] ?? background.gpr[register]);
    draft.address = address;
    patchMemory(draft, address, wide);
  }
}
