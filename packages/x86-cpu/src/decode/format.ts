import { BASE_RIP, type Instruction, Prefix } from "./instruction.ts";
import { Flow } from "./opcode-entry.ts";
import { AddressingMethod, OperandKind, OperandWidth } from "./operand.ts";
import { operandClass, operandKind, operandRegister, operandSegment, operandSize } from "./operand-access.ts";
import { addressRegisterName, registerName, segmentNames } from "./register-names.ts";

const sizeNames: Readonly<Record<number, string>> = {
  1: "BYTE PTR ",
  2: "WORD PTR ",
  4: "DWORD PTR ",
  6: "FWORD PTR ",
  8: "QWORD PTR ",
  10: "TBYTE PTR ",
  16: "XMMWORD PTR ",
};

/** Widths whose memory is written without a size. */
const unsizedWidths: readonly number[] = [
  OperandWidth.NONE,
  OperandWidth.S,
  OperandWidth.E,
  OperandWidth.X87,
  OperandWidth.FX,
  OperandWidth.XS,
];

/** Names of the predicates 0..7 of CMPPS and its kin. */
const comparePredicates = "eq lt le unord neq nlt nle ord".split(" ");

function hex(lo: number, hi: number): string {
  const high = hi >>> 0;
  const low = (lo >>> 0).toString(16);
  return high === 0 ? `0x${low}` : `0x${high.toString(16)}${low.padStart(8, "0")}`;
}

/** A virtual address as objdump prints it: unsigned, and without 0x before a symbol. */
function addressWithSymbol(va: number, bits: number, symbol?: (va: number) => string | null): string {
  const digits = BigInt.asUintN(bits, BigInt(va)).toString(16);
  const name = symbol?.(va) ?? null;
  return name === null ? `0x${digits}` : `${digits} <${name}>`;
}

/** The immediate, cut to as many bytes as the operation has. */
function immediate(insn: Instruction, i: number): string {
  const { method, width, code, fixed } = insn.entry.operands[i];
  if (method === AddressingMethod.CONSTANT) return String(fixed);
  if (i > 0 && insn.entry.mnemonic === "enter" && width === OperandWidth.B) return hex(insn.imm2, 0);
  const size = code === "Ibs" || width === OperandWidth.Z ? insn.opSize : operandSize(insn, i);
  if (size === 8) return hex(insn.immLo, insn.immHi);
  return hex(size === 4 ? insn.immLo : insn.immLo & (2 ** (8 * size) - 1), 0);
}

function signedHex(value: number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `+0x${value.toString(16)}`;
}

/** The segment as far as it is worth writing: an override, or always for absolute addresses. */
function segmentText(insn: Instruction, i: number, always: boolean): string {
  return always || insn.segment >= 0 ? `${segmentNames[operandSegment(insn, i)]}:` : "";
}

/** base + index * scale + displacement. */
function addressText(insn: Instruction, i: number): string {
  const { base, index, scale, disp, addrSize } = insn;
  if (base < 0 && index < 0) {
    const lo = addrSize === 2 ? disp & 0xffff : disp;
    return segmentText(insn, i, true) + hex(lo, addrSize === 8 ? insn.dispHi : 0);
  }
  let text = "";
  if (base === BASE_RIP) text = addrSize === 8 ? "rip" : "eip";
  else if (base >= 0) text = addressRegisterName(addrSize, base);
  if (index >= 0) {
    const name = addressRegisterName(addrSize, index);
    const scaled = addrSize === 2 ? name : `${name}*${1 << scale}`;
    text += text === "" ? scaled : `+${scaled}`;
  }
  // As in objdump, a distance from RIP is unsigned: the address it gives stands behind the instruction.
  if (base === BASE_RIP) text += `+${hex(disp, addrSize === 8 ? insn.dispHi : 0)}`;
  else if (insn.mod !== 0 || base < 0) text += signedHex(disp);
  return `${segmentText(insn, i, false)}[${text}]`;
}

function memorySize(insn: Instruction, i: number): string {
  const { memoryWidth } = insn.entry.operands[i];
  if (memoryWidth === OperandWidth.PAIR && operandSize(insn, i) === 16) return "OWORD PTR ";
  return unsizedWidths.includes(memoryWidth) ? "" : (sizeNames[operandSize(insn, i)] ?? "");
}

/** Address of the next instruction plus the distance, wrapped as RIP (EIP, IP) wraps. */
function relativeTarget(insn: Instruction, va: number): number {
  const target = va + insn.length + insn.immLo;
  if (insn.mode64) return target;
  return insn.opSize === 2 ? target & 0xffff : target >>> 0;
}

function operandText(insn: Instruction, i: number, va: number, symbol?: (va: number) => string | null): string {
  switch (operandKind(insn, i)) {
    case OperandKind.MEMORY:
      return memorySize(insn, i) + addressText(insn, i);
    case OperandKind.MEMORY_OFFSET:
      return segmentText(insn, i, true) + hex(insn.disp, insn.dispHi);
    case OperandKind.MEMORY_SOURCE:
      return `${memorySize(insn, i)}${segmentText(insn, i, true)}[${addressRegisterName(insn.addrSize, 6)}]`;
    case OperandKind.MEMORY_DESTINATION:
      return `${memorySize(insn, i)}es:[${addressRegisterName(insn.addrSize, 7)}]`;
    case OperandKind.IMMEDIATE:
      return immediate(insn, i);
    case OperandKind.RELATIVE:
      return addressWithSymbol(relativeTarget(insn, va), insn.mode64 ? 64 : 32, symbol);
    case OperandKind.FAR_POINTER:
      return `${hex(insn.imm2, 0)}:${hex(insn.immLo, 0)}`;
    default:
      if (insn.entry.operands[i].code === "Sti") return `st(${operandRegister(insn, i)})`;
      return registerName(operandClass(insn, i), operandRegister(insn, i));
  }
}

/** The name at this operand size; far transfers are told from near ones by their operand. */
function mnemonicText(insn: Instruction): string {
  const { entry } = insn;
  if (entry.mnemonic === "callf" || entry.mnemonic === "jmpf") return entry.mnemonic.slice(0, -1);
  const size = entry.nameByAddress ? insn.addrSize : insn.opSize;
  const name = entry.names[size === 8 ? 2 : size === 2 ? 0 : 1];
  const isAbsolute = insn.mode64 && /^(Zv,Iv|AL,Ob|rAX,Ov|Ob,AL|Ov,rAX)$/.test(entry.pattern);
  if (isAbsolute && (entry.pattern === "Zv,Iv" ? insn.opSize : insn.addrSize) === 8) return "movabs";
  return name;
}

/** Does an override change what operand `i` reaches? */
function segmentMatters(insn: Instruction, i: number): boolean {
  return operandSegment(insn, i) >= 0 && operandKind(insn, i) !== OperandKind.MEMORY_DESTINATION;
}

function prefixText(insn: Instruction): string {
  const { entry } = insn;
  let text = insn.lock ? "lock " : "";
  if (insn.rawRep !== 0 && entry.prefix !== insn.rawRep) {
    if (insn.rep === 0xf3) text += /^(cmps|scas)$/.test(entry.mnemonic) ? "repz " : "rep ";
    else text += insn.rawRep === 0xf3 ? "repz " : "repnz ";
  }
  const hasSegment = entry.mnemonic === "xlat" || entry.operands.some((_, i) => segmentMatters(insn, i));
  if (insn.mode64 || !hasSegment) {
    for (const [number, name] of segmentNames.entries()) {
      const isUsed = hasSegment && number === insn.segment;
      if ((insn.prefixes & (Prefix.ES << number)) === 0 || isUsed) continue;
      const isIndirect = entry.flow === Flow.INDIRECT_JUMP || entry.flow === Flow.INDIRECT_CALL;
      text += insn.mode64 && number === 3 && isIndirect ? "notrack " : `${name} `;
    }
  }
  return text;
}

/**
 * The instruction as text in Intel's syntax, in the manner of GNU objdump. `va` is its address (signed 48-bit canonical;
 * in compatibility mode 0..2^32-1); `symbol` may name branch targets and RIP-relative addresses.
 */
export function format(insn: Instruction, va: number, symbol?: (va: number) => string | null): string {
  const { entry } = insn;
  let name = mnemonicText(insn);
  const operands = entry.operands.map((_, i) => operandText(insn, i, va, symbol));
  if (/^cmp[ps][sd]$/.test(entry.mnemonic) && insn.immLo < comparePredicates.length) {
    name = `cmp${comparePredicates[insn.immLo]}${name.slice(3)}`;
    operands.pop();
  }
  if (entry.encoding === "90" && insn.opSize === 2) return `${prefixText(insn)}xchg ax,ax`;
  if (entry.mnemonic === "xlat") {
    operands.push(
      `BYTE PTR ${segmentNames[insn.segment >= 0 ? insn.segment : 3]}:[${addressRegisterName(insn.addrSize, 3)}]`,
    );
  }
  let text = prefixText(insn) + name;
  if (operands.length > 0) text += ` ${operands.join(",")}`;
  if (
    insn.hasMem &&
    insn.base === BASE_RIP &&
    entry.operands.some((_, i) => operandKind(insn, i) === OperandKind.MEMORY)
  ) {
    text += ` # ${addressWithSymbol(va + insn.length + insn.disp, 64, symbol)}`;
  }
  return text;
}
