import type { Instruction } from "../../src/decode/index.ts";
import { AF, CF, OF, PF, SF, ZF } from "../../src/state.ts";

/** What a case's result is not compared in, by the manual's word (Intel SDM vol. 2, "Flags Affected"). */
export interface Undefined {
  flags: number;
  /** The destination operand too. */
  destination: boolean;
}

const none: Undefined = { flags: 0, destination: false };

const flagsOnly = (flags: number): Undefined => ({ flags, destination: false });

/** By mnemonic, where it depends on nothing else. */
const undefinedFlags: Readonly<Record<string, number>> = {
  // "The state of the AF flag is undefined."
  and: AF,
  or: AF,
  xor: AF,
  test: AF,
  // "The SF, ZF, AF, and PF flags are undefined."
  mul: SF | ZF | AF | PF,
  imul: SF | ZF | AF | PF,
  // "The CF, OF, SF, ZF, AF, and PF flags are undefined."
  div: CF | OF | SF | ZF | AF | PF,
  idiv: CF | OF | SF | ZF | AF | PF,
  // "The CF, OF, SF, AF, and PF flags are undefined."
  bsf: CF | OF | SF | AF | PF,
  bsr: CF | OF | SF | AF | PF,
  // "The ZF flag is unaffected. The OF, SF, AF, and PF flags are undefined."
  bt: OF | SF | AF | PF,
  bts: OF | SF | AF | PF,
  btr: OF | SF | AF | PF,
  btc: OF | SF | AF | PF,
  // "The OF, SF, ZF, and PF flags are undefined."
  aaa: OF | SF | ZF | PF,
  aas: OF | SF | ZF | PF,
  // "The OF flag is undefined."
  daa: OF,
  das: OF,
  // "The OF, AF, and CF flags are undefined."
  aam: OF | AF | CF,
  aad: OF | AF | CF,
};

/**
 * @param count CL or the immediate of shifts, unmasked; −1 if it is not known
 */
export function undefinedResults(insn: Instruction, count: number): Undefined {
  const { mnemonic } = insn.entry;
  const always = undefinedFlags[mnemonic];
  if (always !== undefined) return flagsOnly(always);
  const bits = insn.opSize * 8;
  const masked = count < 0 ? -1 : count & (bits === 64 ? 63 : 31);
  switch (mnemonic) {
    case "shl":
    case "shr":
    case "sar": {
      if (masked === 0) return none;
      // "The CF flag ... is undefined for SHL and SHR instructions where the count is greater than or equal to the size
      // (in bits) of the destination operand. The OF flag is affected only for 1-bit shifts; otherwise, it is undefined.
      // For a non-zero count, the AF flag is undefined."
      const overflow = masked === 1 ? 0 : OF;
      const carry = mnemonic !== "sar" && (masked < 0 || masked >= bits) ? CF : 0;
      return flagsOnly(AF | overflow | carry);
    }
    case "rol":
    case "ror":
    case "rcl":
    case "rcr":
      // "The OF flag is affected for single-bit rotates; it is undefined for multi-bit rotates."
      return masked === 0 || masked === 1 ? none : flagsOnly(OF);
    case "shld":
    case "shrd":
      // "If the count operand is 0, the flags are not affected. If the count is greater than the operand size, the result
      // in the destination operand is undefined", flags too. OF is defined for 1-bit shifts, AF never.
      if (masked === 0) return none;
      if (masked < 0 || masked > bits) return { flags: CF | OF | SF | ZF | AF | PF, destination: true };
      return flagsOnly(masked === 1 ? AF : AF | OF);
    case "bswap":
      // "When the BSWAP instruction references a 16-bit register, the result is undefined."
      return insn.opSize === 2 ? { flags: 0, destination: true } : none;
    default:
      return none;
  }
}
