import { createInstruction, Decoder } from "../../src/decode/index.ts";
import { type Background, emptyCase, type VectorCase } from "./case-format.ts";
import { CODE, FS_BASE, STACK } from "./memory-map.ts";
import { putNeutralBefore } from "./neutral.ts";
import type { Random } from "./random.ts";
import { placeStrings } from "./string-operands.ts";

const PUSH_FS_POP_ES = [0x0f, 0xa0, 0x07];
const ADDRESS = 0x67;
const OPERAND = 0x66;
const FS = 0x64;
const REPEATS = [0xf3, 0xf2];
/** Of MOVS, CMPS, STOS, LODS, SCAS with bytes. */
const OPCODES = [0xa4, 0xa6, 0xaa, 0xac, 0xae];

const decoder = new Decoder();
const insn = createInstruction();

/**
 * Compatibility mode's string instructions whose destination lies in a segment with a base: FS's, which alone has memory that
 * 16-bit addresses reach.
 */
export function basedStringCases(
  random: Random,
  count: number,
  background: Background,
  emit: (c: VectorCase) => void,
): void {
  for (let left = count; left > 0; left--) {
    const prefixes: number[] = [];
    if (random.chance(0.8)) prefixes.push(ADDRESS);
    if (random.chance(0.9)) prefixes.push(FS);
    if (random.chance(0.3)) prefixes.push(OPERAND);
    if (random.chance(0.7)) prefixes.push(random.pick(REPEATS));
    const bytes = [...random.shuffle(prefixes), random.pick(OPCODES) + random.below(2)];
    const buffer = new Uint8Array(32);
    buffer.set(bytes);
    decoder.decode(buffer, 0, bytes.length, false, insn);
    const c = emptyCase();
    c.compatibility = true;
    c.codeOffset = c.entry = random.between(0x380, 0x600);
    c.flags = (random.u32() & 0x8d5) | (random.chance(0.3) ? 0x400 : 0);
    c.code = Uint8Array.from([...PUSH_FS_POP_ES, ...bytes]);
    c.gpr[4] = BigInt(STACK + random.between(256, 7900));
    const next = BigInt(CODE + c.codeOffset + c.code.length);
    placeStrings({ c, insn, bytes, immAt: -1, random, background, next }, BigInt(FS_BASE));
    putNeutralBefore(c, random);
    emit(c);
  }
}
