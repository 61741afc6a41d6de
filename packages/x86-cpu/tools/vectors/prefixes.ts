import { createInstruction, Decoder, DecodeStatus } from "../../src/decode/index.ts";
import { OpcodeMap } from "../../src/decode/opcode-entry.ts";
import { emptyCase, type VectorCase } from "./case-format.ts";
import { Encoder } from "./encoder.ts";
import type { Form } from "./forms.ts";
import { putNeutralBefore } from "./neutral.ts";
import type { Random } from "./random.ts";
import { fitsSequence } from "./sequences.ts";
import { directedRegister } from "./values.ts";

/** Without GS, which holds a null selector, and, for compatibility mode, CS, which cannot be written through. */
const PREFIXES = [0x26, 0x36, 0x3e, 0x64, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e];

const decoder = new Decoder();
const insn = createInstruction();

/** Forms that stay what this processor and the emulated one both know, whatever prefixes stand before them. */
export function takesAnyPrefix(form: Form): boolean {
  return (
    form.group === "integer" && form.row.entry.map === OpcodeMap.ONE_BYTE && form.repeat === 0 && fitsSequence(form)
  );
}

/**
 * Instructions with prefixes that repeat, contradict each other, stand where they may not (LOCK: #UD) or make the
 * instruction too long (#GP).
 */
export function prefixCases(
  random: Random,
  forms: readonly Form[],
  count: number,
  emit: (c: VectorCase) => void,
): void {
  const encoder = new Encoder(random);
  for (let left = count; left > 0; ) {
    const form = random.pick(forms);
    const encoding = encoder.encode(form, { fixedAddress: true });
    if (encoding === null) continue;
    const before = Array.from({ length: random.pick([1, 1, 2, 3, 4, 6, 8, 10, 12, 13, 14]) }, () => {
      if (!form.compatibility && random.chance(0.1)) return 0x40 + random.below(16);
      return PREFIXES[random.below(form.compatibility ? 9 : 10)];
    });
    const bytes = trim([...before, ...encoding.bytes], form.compatibility);
    for (let i = 0; i < 3 && left > 0; i++, left--) {
      const c = emptyCase();
      c.compatibility = form.compatibility;
      c.codeOffset = c.entry = random.between(0x380, 0x600);
      c.flags = random.u32() & 0x8d5;
      c.code = bytes;
      for (let register = 0; register < 16; register++) {
        if (register !== 4 && random.chance(0.5)) c.gpr[register] = directedRegister(random, random.pick([1, 2, 4, 8]));
      }
      c.gpr[4] = 0x30001000n;
      putNeutralBefore(c, random);
      emit(c);
    }
  }
}

/** Cuts off what a prefix has taken from the instruction: the rest would be executed as another one. */
function trim(bytes: readonly number[], compatibility: boolean): Uint8Array {
  const buffer = new Uint8Array(32).fill(0xcc);
  buffer.set(bytes);
  const status = decoder.decode(buffer, 0, 15, !compatibility, insn);
  return buffer.slice(0, status === DecodeStatus.OK ? Math.min(insn.length, bytes.length) : bytes.length);
}
