import { RegisterClass } from "./operand.ts";

const legacy = "ax cx dx bx sp bp si di".split(" ");
const extended = [8, 9, 10, 11, 12, 13, 14, 15];

const gpr8 = [..."al cl dl bl spl bpl sil dil".split(" "), ...extended.map((n) => `r${n}b`)];
const gpr8High = ["ah", "ch", "dh", "bh"];
const gpr16 = [...legacy, ...extended.map((n) => `r${n}w`)];
const gpr32 = [...legacy.map((name) => `e${name}`), ...extended.map((n) => `r${n}d`)];
const gpr64 = [...legacy.map((name) => `r${name}`), ...extended.map((n) => `r${n}`)];

export const segmentNames = "es cs ss ds fs gs".split(" ");

/** Lower-case name of a register of a `RegisterClass`. */
export function registerName(registerClass: number, number: number): string {
  switch (registerClass) {
    case RegisterClass.GPR8:
      return gpr8[number];
    case RegisterClass.GPR8_HIGH:
      return gpr8High[number];
    case RegisterClass.GPR16:
      return gpr16[number];
    case RegisterClass.GPR32:
      return gpr32[number];
    case RegisterClass.GPR64:
      return gpr64[number];
    case RegisterClass.SEGMENT:
      return segmentNames[number];
    case RegisterClass.CONTROL:
      return `cr${number}`;
    case RegisterClass.DEBUG:
      return `dr${number}`;
    case RegisterClass.MMX:
      return `mm${number}`;
    case RegisterClass.XMM:
      return `xmm${number}`;
    case RegisterClass.ST:
      return number === 0 ? "st" : `st(${number})`;
    default:
      throw new Error(`no register class ${registerClass}`);
  }
}

/** Name of a general register used in an address of this many bytes. */
export function addressRegisterName(addrSize: number, number: number): string {
  return (addrSize === 8 ? gpr64 : addrSize === 4 ? gpr32 : gpr16)[number];
}
