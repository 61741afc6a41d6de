import type { CodeBuffer } from "./code-buffer.ts";
import type { Memory, OperandSize, Register } from "./operands.ts";

/** An instruction with a ModRM byte (Intel SDM, volume 2, chapter 2). */
export interface Encoding {
  /** What the prefixes for operand size are chosen by; undefined: none, as where 64 bits are the default. */
  readonly size: OperandSize | undefined;
  readonly opcode: readonly number[];
  /** The register of the ModRM byte, or the extension of the opcode. */
  readonly reg: Register | number;
  readonly rm: Register | Memory;
  /** Bytes of immediate that the caller appends: they count for addresses relative to RIP. */
  readonly immediateBytes?: number;
}

const fitsByte = (value: number): boolean => value >= -128 && value <= 127;

/** SPL, BPL, SIL and DIL are only reached with a REX prefix: without, their numbers mean AH to BH. */
const needsRex = ({ kind, size, ...operand }: Register | Memory): boolean =>
  kind === "register" && size === 1 && "number" in operand && operand.number >= 4 && operand.number < 8;

/** The prefixes: operand size and REX, whose bits are those of the registers' numbers. */
export function emitPrefixes(
  code: CodeBuffer,
  size: OperandSize | undefined,
  extensions: { reg?: number; index?: number; base?: number; always?: boolean },
): void {
  const { reg = 0, index = 0, base = 0, always = false } = extensions;
  if (size === 2) code.u8(0x66);
  const bits = (size === 8 ? 8 : 0) | ((reg >> 3) << 2) | ((index >> 3) << 1) | (base >> 3);
  if (bits !== 0 || always) code.u8(0x40 | bits);
}

/** Emits all of an instruction but its immediate. */
export function emitModRm(code: CodeBuffer, { size, opcode, reg, rm, immediateBytes = 0 }: Encoding): void {
  const regNumber = typeof reg === "number" ? reg : reg.number;
  const always = needsRex(rm) || (typeof reg !== "number" && needsRex(reg));
  if (rm.kind === "register") {
    emitPrefixes(code, size, { reg: regNumber, base: rm.number, always });
    code.append(opcode);
    code.u8(0xc0 | ((regNumber & 7) << 3) | (rm.number & 7));
    return;
  }
  const base = typeof rm.base === "string" ? 0 : rm.base.number;
  emitPrefixes(code, size, { reg: regNumber, index: rm.index?.register.number, base, always });
  code.append(opcode);
  emitAddress(code, (regNumber & 7) << 3, rm, immediateBytes);
}

function emitAddress(code: CodeBuffer, reg: number, memory: Memory, immediateBytes: number): void {
  const { base, index, displacement } = memory;
  if (typeof base === "string") {
    code.u8(reg | 5);
    code.relative(base, displacement, immediateBytes);
    return;
  }
  const low = base.number & 7;
  // A displacement of no bytes with RBP or R13 as base would mean an address relative to RIP.
  const mode = displacement === 0 && low !== 5 ? 0 : fitsByte(displacement) ? 0x40 : 0x80;
  // RSP and R12 as base stand in an SIB byte.
  if (index === undefined && low !== 4) {
    code.u8(mode | reg | low);
  } else {
    code.u8(mode | reg | 4);
    const scale = Math.log2(index?.scale ?? 1) << 6;
    code.u8(scale | ((index === undefined ? 4 : index.register.number & 7) << 3) | low);
  }
  if (mode === 0x40) code.integer(1, displacement);
  else if (mode === 0x80) code.integer(4, displacement);
}
