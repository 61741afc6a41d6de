import type { Instruction } from "../../src/decode/index.ts";
import { addressOf, segmentBase } from "./addresses.ts";
import type { Background, VectorCase, VectorResult } from "./case-format.ts";
import { CODE, SELECTOR_CODE32 } from "./memory-map.ts";

/**
 * Part of a comparison: flags, memory, general registers, CR2, the x87 condition flag C1; "all" = the case is not compared.
 * "ulp": floating-point results may be off by a few units in the last place; "approximate": as RCPPS and RSQRTPS may.
 * "mxcsr mask": the MXCSR_MASK of an FXSAVE image.
 */
export type Skip = "all" | "flags" | "memory" | "registers" | "cr2" | "ulp" | "approximate" | "mxcsr mask";

const MXCSR_MM = 1 << 17;
const TRANSCENDENTAL: ReadonlySet<string> = new Set("f2xm1 fyl2x fyl2xp1 fptan fpatan fsin fcos fsincos".split(" "));
const X87_IMAGES: ReadonlySet<string> = new Set("fldenv fnstenv frstor fnsave".split(" "));
const IMAGES: ReadonlySet<string> = new Set([...X87_IMAGES, ..."fxsave fxrstor xsave xsaveopt xrstor".split(" ")]);

/** Where this machine's processor does what other processors do otherwise, or the operating system shows through. */
export interface Deviation {
  readonly reason: string;
  /** What is left out of the comparison; "all" = the case is not compared. */
  readonly skip: readonly Skip[];
}

/** The bits of RSP that mean something at the end of a case: above compatibility mode's 32 the kernel's frame has zeros. */
export function stackPointerMask(c: VectorCase, result: VectorResult): bigint {
  const code = result.segments?.selectors[1] ?? (c.compatibility ? SELECTOR_CODE32 : 0);
  return (code & 0xfffc) === (SELECTOR_CODE32 & 0xfffc) ? 0xffffffffn : 0xffffffffffffffffn;
}

/** Whether the operand's offset in FS or GS is not canonical where its linear address is. */
function outsideOffset(insn: Instruction, c: VectorCase, result: VectorResult, background: Background): boolean {
  const gpr = (register: number) => result.gpr[register] ?? c.gpr[register] ?? background.gpr[register];
  const base = segmentBase(insn);
  const { mnemonic, repeatable } = insn.entry;
  let offset = (BigInt(insn.dispHi) << 32n) | BigInt(insn.disp >>> 0);
  if (insn.hasMem) offset = addressOf(insn, BigInt(CODE + c.entry + insn.length), gpr) - base;
  else if (repeatable) offset = gpr(6);
  else if (mnemonic === "xlat") offset = gpr(3) + (gpr(0) & 0xffn);
  else if (mnemonic.startsWith("maskmov")) offset = gpr(7);
  return base !== 0n && !isCanonical(offset) && isCanonical(offset + base);
}

const isCanonical = (address: bigint): boolean => BigInt.asIntN(48, address) === BigInt.asIntN(64, address);

/** Whether a repeated instruction has changed its own bytes. */
function overwritesItself(insn: Instruction, c: VectorCase, result: VectorResult): boolean {
  const start = CODE + c.entry;
  return (
    insn.rep !== 0 &&
    insn.entry.repeatable &&
    result.memory.some(({ address, bytes }) => address < start + insn.length && address + bytes.length > start)
  );
}

/** The deviation that the result of an instruction may show, or null; of the one that has faulted, if one has. */
export function deviationOf(
  insn: Instruction,
  c: VectorCase,
  result: VectorResult,
  background: Background,
  faulted: boolean,
): Deviation | null {
  const { mnemonic } = insn.entry;
  if (overwritesItself(insn, c, result)) {
    return {
      reason: "REP MOVS and STOS over themselves: go on until an interrupt (processors) or are read again (here)",
      skip: ["all"],
    };
  }
  if (!faulted) {
    if (((result.mxcsr ?? 0) & MXCSR_MM) !== 0) {
      return { reason: "MXCSR: AMD's MM bit, which raises #GP here, can be loaded", skip: ["all"] };
    }
    if (TRANSCENDENTAL.has(mnemonic)) {
      return { reason: "x87 transcendental functions: the last place and C1 are each processor's own", skip: ["ulp"] };
    }
    if (/^(rcp|rsqrt)/.test(mnemonic)) {
      return {
        reason: "RCPxS and RSQRTxS: approximations of each processor's own, to 1.5 x 2^-12",
        skip: ["approximate"],
      };
    }
    if (/^(fxsave|xsave)/.test(mnemonic)) {
      return { reason: "FXSAVE and XSAVE: MXCSR_MASK shows AMD's MM bit", skip: ["mxcsr mask"] };
    }
    return null;
  }
  if (!c.compatibility && result.trap === 13 && outsideOffset(insn, c, result, background)) {
    return {
      reason: "FS and GS: an offset that is not canonical is refused (AMD), or a linear address (Intel SDM, and here)",
      skip: ["all"],
    };
  }
  if (c.compatibility && X87_IMAGES.has(mnemonic) && (result.trap === 12 || result.trap === 13)) {
    return { reason: "x87 images that a limit cuts: what is before it is loaded or stored (AMD)", skip: ["all"] };
  }
  if (IMAGES.has(mnemonic))
    return { reason: "x87 and FXSAVE images that fault: which byte is met first", skip: ["cr2"] };
  if ((mnemonic === "cmps" || mnemonic === "scas") && insn.rep !== 0) {
    return {
      reason: "REP CMPS/SCAS that faults: flags of the elements done (AMD) or of before (Intel SDM, and here)",
      skip: mnemonic === "cmps" ? ["flags", "cr2"] : ["flags"],
    };
  }
  if (mnemonic === "enter") {
    return {
      reason: "ENTER that faults: words below the stack pointer are written already on some processors",
      skip: ["memory"],
    };
  }
  if (mnemonic === "cmps")
    return { reason: "CMPS whose operands both fault: the destination's goes first (AMD)", skip: ["cr2"] };
  if (mnemonic === "pusha")
    return { reason: "PUSHA that faults: the words before are written (AMD)", skip: ["memory"] };
  if (mnemonic === "popa")
    return { reason: "POPA that faults: registers are loaded one by one (AMD)", skip: ["registers"] };
  if (mnemonic === "callf" && result.trap === 14) {
    return { reason: "far CALL that faults on its second push: the first word is written (AMD)", skip: ["memory"] };
  }
  if ((mnemonic === "ud0" || mnemonic === "ud1") && c.codeOffset + c.code.length >= 4096) {
    return { reason: "UD0 and UD1 do not wait for what follows their opcode (AMD)", skip: ["all"] };
  }
  if (mnemonic === "movsxd" && insn.opSize === 2 && insn.hasMem) {
    return { reason: "MOVSXD r16 reads 4 bytes of memory (AMD) or 2 (Intel SDM, and here)", skip: ["all"] };
  }
  if ((mnemonic === "retf" || mnemonic === "iret") && result.trap === 14) {
    return {
      reason: "far RET and IRET read all of the stack frame before they look at the selectors (AMD)",
      skip: ["all"],
    };
  }
  return null;
}
