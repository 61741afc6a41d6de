import {
  createInstruction,
  Decoder,
  type Instruction,
  OperandKind,
  operandClass,
  operandKind,
  operandRegister,
  operandSize,
  RegisterClass,
} from "../../src/decode/index.ts";
import { Flow } from "../../src/decode/opcode-entry.ts";
import { chooseTarget, segmentBase } from "./addresses.ts";
import { emptyCase, type VectorCase } from "./case-format.ts";
import { Encoder, type Encoding } from "./encoder.ts";
import { flagsRead, undefinedAfter } from "./flag-effects.ts";
import type { Form } from "./forms.ts";
import { CODE, STACK } from "./memory-map.ts";
import { putNeutralBefore } from "./neutral.ts";
import { patchMemory } from "./patches.ts";
import type { Random } from "./random.ts";
import { undefinedResults } from "./undefined.ts";
import { directedRegister } from "./values.ts";

/** Instructions that need what only a case of their own sets up. */
const UNFIT = new Set(
  (
    "movs stos lods cmps scas ins outs xlat popf enter leave lds les lss lfs lgs lar lsl verr verw arpl bound pusha popa " +
    "rdfsbase rdgsbase wrfsbase wrgsbase in out bswap fxsave fxrstor xsave xrstor xsaveopt"
  ).split(" "),
);

/** Whether a form can stand in a straight line of others. */
export function fitsSequence(form: Form): boolean {
  const { entry } = form.row;
  if (entry.flow !== Flow.NEXT || entry.privileged || UNFIT.has(entry.mnemonic)) return false;
  return !entry.operands.some(({ code }) => code === "Sw" || /^[DEFGS]S$/.test(code));
}

interface SequenceCode {
  readonly bytes: number[];
  readonly insns: Instruction[];
  readonly at: number;
  readonly compatibility: boolean;
}

/** Cases of several instructions: a block of the replay is built from them, with their flags left unevaluated between. */
export class SequenceGenerator {
  private readonly encoder: Encoder;
  private readonly decoder = new Decoder();

  constructor(
    private readonly random: Random,
    private readonly pool: readonly Form[],
    /** Forms that a sequence may begin with, and conditional jumps that it may end with. */
    private readonly first: readonly Form[],
    private readonly jumps: readonly Form[],
  ) {
    this.encoder = new Encoder(random);
  }

  cases(length: number, count: number, emit: (c: VectorCase) => void): void {
    for (let left = count; left > 0; ) {
      const made = this.code(length);
      for (let i = 0; i < 6 && left > 0; i++, left--) emit(this.input(made));
    }
  }

  private code(length: number): SequenceCode {
    const { random } = this;
    const at = random.between(0x380, 0x600);
    const compatibility = this.pool[0].compatibility;
    const bytes: number[] = [];
    const insns: Instruction[] = [];
    let open = 0;
    const add = (forms: readonly Form[]): void => {
      for (let attempt = 0; attempt < 50; attempt++) {
        const form = random.pick(forms);
        const encoding = this.encoder.encode(form, { fixedAddress: true });
        if (encoding === null || bytes.length + encoding.bytes.length > 60) continue;
        const { insn } = encoding;
        if ((flagsRead(insn) & open) !== 0) continue;
        const count = shiftCountOf(insn);
        if (undefinedResults(insn, count).destination) continue;
        open = undefinedAfter(insn, count, open);
        this.place(encoding, CODE + at + bytes.length);
        bytes.push(...encoding.bytes);
        insns.push(insn);
        return;
      }
    };
    if (this.first.length > 0) add(this.first);
    while (insns.length < length) {
      const before = insns.length;
      add(this.pool);
      if (insns.length === before) break;
    }
    if (this.jumps.length > 0) add(this.jumps);
    return { bytes, insns, at, compatibility };
  }

  /** Gives memory operands a place, and jumps a short way to go. */
  private place({ insn, bytes, dispAt, dispBytes, immAt }: Encoding, start: number): void {
    const { random } = this;
    if (insn.entry.flow === Flow.CONDITIONAL) {
      for (let i = immAt; i < bytes.length; i++) bytes[i] = i === immAt ? random.between(1, 60) : 0;
      return;
    }
    if (dispAt < 0) return;
    const fixed = insn.hasMem;
    const target = chooseTarget(random, 8, fixed || dispBytes === 4);
    let value = target - segmentBase(insn);
    if (fixed && insn.mode64) value -= BigInt(start + bytes.length);
    for (let i = 0; i < dispBytes; i++) bytes[dispAt + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
  }

  private input({ bytes, insns, at, compatibility }: SequenceCode): VectorCase {
    const { random } = this;
    const c = emptyCase();
    c.compatibility = compatibility;
    c.codeOffset = c.entry = at;
    c.flags = random.u32() & 0x8d5;
    c.code = Uint8Array.from(bytes);
    for (const insn of insns) {
      for (let i = 0; i < insn.entry.operands.length; i++) {
        const kind = operandClass(insn, i);
        if (kind >= RegisterClass.GPR8 && kind <= RegisterClass.GPR64) {
          const register = operandRegister(insn, i);
          c.gpr[register] ??= directedRegister(random, operandSize(insn, i));
        }
      }
    }
    for (const register of [0, 1, 2]) c.gpr[register] ??= directedRegister(random, random.pick([1, 2, 4, 8]));
    c.gpr[4] = BigInt(STACK + random.between(512, 7600));
    this.patchOperands(c);
    putNeutralBefore(c, random);
    return c;
  }

  /** Directed values for the memory operands, which are all at fixed addresses. */
  private patchOperands(c: VectorCase): void {
    const insn = createInstruction();
    const buffer = new Uint8Array(c.code.length + 16);
    buffer.set(c.code);
    const at = c.codeOffset;
    for (let offset = 0; offset < c.code.length; ) {
      if (this.decoder.decode(buffer, offset, 15, !c.compatibility, insn) !== 0) return;
      offset += insn.length;
      for (let i = 0; i < insn.entry.operands.length; i++) {
        const kind = operandKind(insn, i);
        if (kind !== OperandKind.MEMORY && kind !== OperandKind.MEMORY_OFFSET) continue;
        let address = (BigInt(insn.dispHi) << 32n) | BigInt(insn.disp >>> 0);
        if (kind === OperandKind.MEMORY && insn.mode64 && insn.base === 16) address += BigInt(CODE + at + offset);
        address = BigInt.asUintN(64, BigInt.asUintN(insn.addrSize * 8, address) + segmentBase(insn));
        if (c.patches.length < 40) patchMemory({ c, random: this.random }, address, operandSize(insn, i));
      }
    }
  }
}

/** The count of a shift that its code tells, or −1. */
export function shiftCountOf(insn: Instruction): number {
  const last = insn.entry.operands.at(-1)?.code;
  return last === "Ib" ? insn.immLo & 0xff : last === "1" ? 1 : -1;
}
