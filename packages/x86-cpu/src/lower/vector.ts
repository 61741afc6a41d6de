import { AddressingMethod, type Instruction, type OperandSpec } from "../decode/index.ts";
import { isSized, isVectorEntry, usesMmx, vectorHandlerName } from "../semantics/vector-operands.ts";
import { DS, EA, GPR, SS, TMP0, X87, XMM } from "../state.ts";
import type { BlockWriter } from "./block-writer.ts";
import { generalRegister, isMemory } from "./operands.ts";

/** State address of a register operand, or −1 for what is none. */
function stateAddress(insn: Instruction, spec: OperandSpec): number {
  switch (spec.method) {
    case AddressingMethod.REG_XMM:
      return XMM(insn.reg);
    case AddressingMethod.MODRM_XMM:
    case AddressingMethod.RM_XMM:
      return XMM(insn.rm);
    case AddressingMethod.REG_MMX:
      return X87(insn.reg & 7);
    case AddressingMethod.MODRM_MMX:
    case AddressingMethod.RM_MMX:
      return X87(insn.rm & 7);
    default: {
      const register = generalRegister(insn, spec);
      return register < 0 ? -1 : GPR(register);
    }
  }
}

function kindOf(insn: Instruction, spec: OperandSpec): string {
  if (isMemory(insn, spec)) return "m";
  switch (spec.method) {
    case AddressingMethod.IMMEDIATE:
      return "i";
    case AddressingMethod.REG_XMM:
    case AddressingMethod.MODRM_XMM:
    case AddressingMethod.RM_XMM:
      return "x";
    case AddressingMethod.REG_MMX:
    case AddressingMethod.MODRM_MMX:
    case AddressingMethod.RM_MMX:
      return "p";
    case AddressingMethod.FIXED_XMM:
      return "";
    default:
      return "r";
  }
}

/** One byte for each of `count` fields of the immediate. */
function spread(count: number, byteOf: (field: number) => number): [low: number, high: number] {
  let low = 0;
  let high = 0;
  for (let i = 0; i < count; i++) {
    const byte = byteOf(i) & 0xff;
    if (i < 4) low |= byte << (i * 8);
    else high |= byte << (i * 8 - 32);
  }
  return [low, high];
}

/** Byte indices of word lanes chosen by two bits each; `first` is where the half begins. */
function wordIndices(immediate: number, first: number): [low: number, high: number] {
  return spread(8, (i) => first + ((immediate >> (i & ~1)) & 3) * 2 + (i & 1));
}

/** What the handlers want in place of the immediate: shuffle controls and masks, as far as 8 bytes hold them. */
function expandImmediate(mnemonic: string, immediate: number, rex: number): [low: number, high: number] {
  switch (mnemonic) {
    case "pshufd":
    case "shufps":
      return spread(4, (i) => ((immediate >> (i * 2)) & 3) * 4);
    case "pshufw":
    case "pshuflw":
      return wordIndices(immediate, 0);
    case "pshufhw":
      return wordIndices(immediate, 8);
    case "blendps":
      return spread(8, (i) => -((immediate >> (i >> 1)) & 1));
    case "blendpd":
      return spread(8, (i) => -((immediate >> (i >> 2)) & 1));
    case "pblendw":
      return spread(8, (i) => -((immediate >> i) & 1));
    case "palignr":
      return [Math.min(immediate, 32), 0];
    case "psrldq":
    case "pslldq":
      return [Math.min(immediate, 16), 0];
    case "cmpps":
    case "cmppd":
    case "cmpss":
    case "cmpsd":
      // What less, equal, greater and unordered give.
      return spread(4, (i) => -(((PREDICATES[immediate & 3] >> i) ^ (immediate >> 2)) & 1));
    case "pcmpestrm":
    case "pcmpestri":
      // REX.W widens the lengths.
      return [immediate | ((rex & 8) << 5), 0];
    default:
      return [immediate, 0];
  }
}

/** Of EQ, LT, LE, UNORD: bit 0 = less, bit 1 = equal, bit 2 = greater, bit 3 = unordered. */
const PREDICATES = [2, 1, 3, 8];

/** MASKMOVQ and MASKMOVDQU. The latter is two accesses, of which the first one's page comes before the second one's limit. */
function lowerMaskedStore(insn: Instruction, writer: BlockWriter, name: string, mmx: boolean): void {
  const segment = writer.segmentBaseOfString(insn);
  if (insn.addrSize === 8) {
    writer.handler(name).base(GPR(7), segment);
    return;
  }
  const offset = () => writer.form("ea", insn.addrSize === 2 ? 2 : 4, "n").base(GPR(7));
  offset();
  const number = insn.segment >= 0 ? insn.segment : DS;
  const checked = !insn.mode64 && (!mmx || writer.isChecked(number));
  if (!checked) {
    writer.handler(name).base(EA, segment);
    if (number === SS && !insn.mode64) writer.ofStack();
    return;
  }
  if (mmx) writer.enterMmx();
  writer.within(number, 8, true);
  if (!mmx) {
    writer.form("open", 8, "rm").dst(TMP0).base(EA).allowed();
    offset();
    writer.within(number, 16, true, "withinparts");
  }
  writer.handler(name).base(EA).allowed();
}

/** Lowers an MMX or SSE instruction; false if it is none. */
export function lowerVector(insn: Instruction, writer: BlockWriter): boolean {
  const { entry } = insn;
  if (!isVectorEntry(entry)) return false;
  const { operands, mnemonic } = entry;
  const kinds = operands.map((spec) => kindOf(insn, spec)).join("");
  const name = vectorHandlerName(entry, kinds, isSized(entry) && (insn.rex & 8) === 0 ? 4 : 8);
  const mmx = usesMmx(entry, kinds);
  if (mnemonic === "maskmovq" || mnemonic === "maskmovdqu") {
    lowerMaskedStore(insn, writer, name, mmx);
  } else {
    if (mmx && writer.checksOperand(insn)) writer.wait();
    if (insn.hasMem) writer.prepareMemory(insn);
    writer.handler(name);
    if (insn.hasMem) writer.memory(insn);
  }
  const dst = operands[0];
  const src = operands[1];
  if (!isMemory(insn, dst)) writer.dst(stateAddress(insn, dst));
  if (src !== undefined && !isMemory(insn, src)) {
    const address = stateAddress(insn, src);
    if (address >= 0) writer.src(address);
  }
  if (operands.at(-1)?.method === AddressingMethod.IMMEDIATE)
    writer.immediate(...expandImmediate(mnemonic, insn.immLo & 0xff, insn.rex));
  return true;
}
