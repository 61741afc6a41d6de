import { createInstruction, Decoder, DecodeStatus, type Instruction } from "../../src/decode/index.ts";
import { Flow, OpcodeMap } from "../../src/decode/opcode-entry.ts";
import type { Background, VectorCase } from "./case-format.ts";
import { excludedForms } from "./exclusions.ts";
import type { Form } from "./forms.ts";
import { Generator } from "./generate.ts";
import { STACK } from "./memory-map.ts";
import type { Random } from "./random.ts";

const PREFIXES = [0x26, 0x36, 0x3e, 0x64, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
const LEGACY: ReadonlySet<number> = new Set([...PREFIXES, 0x2e, 0x65]);
/** Opcodes that lead to what the emulated processor does not have: VEX, EVEX, XOP, TSX, the maps of two and three bytes. */
const UNKNOWN: ReadonlySet<number> = new Set([0x0f, 0xc4, 0xc5, 0x62, 0x8f, 0xc6, 0xc7, 0xf1]);
/** Of the map of two bytes: groups in which other processors have further instructions. */
const GROUPS: ReadonlySet<number> = new Set([0x01, 0x0d, 0x18, 0x1c, 0x1e, 0xae, 0xc7]);
/** With F3H these are TZCNT and LZCNT where a processor has them. */
const COUNTS: readonly string[] = ["bsf", "bsr"];
const FAR_LOADS: readonly string[] = ["lss", "lfs", "lgs"];
const REP = 0xf3;
const LONGEST = 15;
const PAGE_END = 4096;

const decoder = new Decoder();
const insn = createInstruction();

/** Bytes by which a program would enter the operating system, wherever they stand. */
function callsOut(code: Uint8Array): boolean {
  return code.some((byte, i) => byte === 0xcd || (byte === 0x0f && (code[i + 1] === 0x05 || code[i + 1] === 0x34)));
}

function isComparable(found: Instruction, code: Uint8Array): boolean {
  const { mnemonic, flow, map, opcode } = found.entry;
  if (flow !== Flow.NEXT || excludedForms.has(mnemonic)) return false;
  if (map === OpcodeMap.ONE_BYTE) return true;
  if (map === OpcodeMap.MAP_0F && GROUPS.has(opcode)) return false;
  if (FAR_LOADS.includes(mnemonic) && found.opSize === 8) return false;
  return !(COUNTS.includes(mnemonic) && code.includes(REP));
}

/** The opcode's first byte behind all prefixes; −1 if there is none. */
function opcodeOf(code: Uint8Array, compatibility: boolean): number {
  const at = code.findIndex((byte) => !LEGACY.has(byte) && (compatibility || (byte & 0xf0) !== 0x40));
  return at < 0 ? -1 : code[at];
}

/** Cut to one instruction; null if this processor may know what the emulated one does not, or it leaves the line. */
function fit(code: Uint8Array, compatibility: boolean): Uint8Array | null {
  if (callsOut(code)) return null;
  const buffer = new Uint8Array(32).fill(0xcc);
  buffer.set(code.subarray(0, LONGEST));
  const status = decoder.decode(buffer, 0, LONGEST, !compatibility, insn);
  if (status === DecodeStatus.OK) return isComparable(insn, code) ? buffer.slice(0, insn.length) : null;
  const opcode = opcodeOf(code, compatibility);
  return opcode < 0 || UNKNOWN.has(opcode) ? null : buffer.slice(0, code.length);
}

function mutated(random: Random, code: Uint8Array, compatibility: boolean): Uint8Array {
  const kind = random.below(8);
  if (kind === 0) return random.bytes(random.between(1, 12));
  let bytes = [...code];
  const edits = random.between(1, 3);
  for (let i = 0; i < edits; i++) {
    const at = random.below(bytes.length);
    if (kind < 4) bytes[at] ^= 1 << random.below(8);
    else if (kind < 5) bytes[at] = random.below(256);
    else if (kind < 7) bytes.unshift(random.pick(PREFIXES));
    else if (!compatibility) bytes.splice(random.below(3), 0, 0x40 + random.below(16));
    else bytes = bytes.slice(random.below(2));
    if (bytes.length === 0) bytes = [random.below(256)];
  }
  return Uint8Array.from(bytes.slice(0, LONGEST));
}

/**
 * Cases whose bytes are changed after they were made: other opcodes, prefixes in any order, operands that nothing has
 * prepared. Only what stays one instruction, and one that both processors know or both refuse.
 */
export function wildCases(
  random: Random,
  forms: readonly Form[],
  count: number,
  background: Background,
  emit: (c: VectorCase) => void,
): void {
  const generator = new Generator(random);
  for (let left = count; left > 0; ) {
    const form = random.pick(forms);
    generator.cases(form, 1, background, (c) => {
      const before = c.entry - c.codeOffset;
      const code = fit(mutated(random, c.code.subarray(before), c.compatibility), c.compatibility);
      // Processors fetch more or less of an instruction before they find that it is none.
      if (code === null || c.entry + LONGEST > PAGE_END) return;
      // Else most stacks would lie nowhere.
      if (random.chance(0.8)) c.gpr[4] = BigInt(STACK + random.between(256, 7900));
      c.code = Uint8Array.from([...c.code.subarray(0, before), ...code]);
      left--;
      emit(c);
    });
  }
}
