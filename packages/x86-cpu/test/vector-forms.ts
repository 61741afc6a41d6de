import { type OpcodeEntry, opcodeEntries } from "../src/index.ts";
import { isSized, isVectorEntry, kindsOf } from "../src/semantics/vector-operands.ts";

/** An instruction to be tried: its bytes and what its operands should look like. */
export interface VectorTestForm {
  readonly name: string;
  /** Operand class: i = integers, c = shift counts, s = f32, d = f64, t = text. */
  readonly operands: "i" | "c" | "s" | "d" | "t";
  readonly code: readonly number[];
}

/** Approximations are the processor's own; LDMXCSR's reserved bits are too. */
const excluded = new Set(["rcpps", "rcpss", "rsqrtps", "rsqrtss", "ldmxcsr"]);

function operandClass(entry: OpcodeEntry): VectorTestForm["operands"] {
  const { mnemonic } = entry;
  if (mnemonic.startsWith("pcmpestr") || mnemonic.startsWith("pcmpistr")) return "t";
  if (/^ps(r|l)[wdq]$/.test(mnemonic) || /^psra[wd]$/.test(mnemonic)) return "c";
  if (/^cvt(dq|si|pi)/.test(mnemonic)) return "i";
  if (/^cvtt?(ps|ss)/.test(mnemonic)) return "s";
  if (/^cvtt?(pd|sd)/.test(mnemonic)) return "d";
  if (/^(add|sub|mul|div|sqrt|min|max|cmp|comi|ucomi|round|hadd|hsub|addsub|dp)/.test(mnemonic))
    return /(ps|ss)$/.test(mnemonic) ? "s" : "d";
  return "i";
}

/** Immediates to try, a few or all that differ. */
function immediates(mnemonic: string, all: boolean): number[] {
  if (all) return Array.from({ length: 256 }, (_, i) => i);
  if (mnemonic.startsWith("cmp")) return [0, 1, 2, 3, 4, 5, 6, 7, 0xe9];
  if (mnemonic.startsWith("round")) return [0, 1, 2, 3, 4, 8, 9, 10, 11, 12];
  if (mnemonic.startsWith("pcmp"))
    return [
      0x00, 0x01, 0x04, 0x06, 0x08, 0x0c, 0x0d, 0x12, 0x18, 0x1a, 0x30, 0x36, 0x39, 0x3c, 0x40, 0x44, 0x4d, 0x5b, 0x72,
      0x7a,
    ];
  if (/^ps/.test(mnemonic)) return [0, 1, 5, 8, 15, 16, 17, 31, 32, 63, 64, 200];
  if (mnemonic === "palignr") return [0, 1, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 255];
  return [0, 1, 2, 3, 4, 7, 0x1b, 0x4e, 0x71, 0x93, 0xb1, 0xe4, 0xf8, 0xff];
}

/** REX is needed for 8-byte general registers. Registers are number 1 in ModRM.reg and 2 in ModRM.rm, memory is at rDI. */
function encode(entry: OpcodeEntry, memory: boolean, wide: boolean): number[] {
  const bytes: number[] = [];
  let digit = 1;
  for (const token of entry.encoding.split(" ")) {
    if (/^[0-9A-F]{2}$/.test(token)) bytes.push(Number.parseInt(token, 16));
    else if (token.startsWith("/")) digit = Number(token[1]);
  }
  if (wide) bytes.splice(entry.prefix > 0 ? 1 : 0, 0, 0x48);
  bytes.push(memory ? (digit << 3) | 7 : 0xc0 | (digit << 3) | 2);
  return bytes;
}

/** Every form of every MMX and SSE instruction. */
export function vectorTestForms(allImmediates = false): VectorTestForm[] {
  const forms: VectorTestForm[] = [];
  for (const entry of opcodeEntries) {
    if (!isVectorEntry(entry) || excluded.has(entry.mnemonic)) continue;
    const kinds = entry.operands.map(kindsOf);
    const takesImmediate = kinds.some((k) => k.includes("i"));
    const wideToo = isSized(entry) || /^pcmpestr/.test(entry.mnemonic);
    for (const memory of [false, true]) {
      if (memory && (entry.registerForm === 1 || !kinds.some((k) => k.includes("m")))) continue;
      if (!memory && (entry.registerForm === 0 || entry.operands.some((o) => o.code[0] === "M"))) continue;
      for (const wide of wideToo ? [false, true] : [false]) {
        const code = encode(entry, memory, wide);
        const name = `${entry.names[wide ? 2 : 1]} ${entry.pattern}${memory ? " mem" : ""}${wide ? " W" : ""}`;
        const operands = operandClass(entry);
        if (!takesImmediate) forms.push({ name, operands, code });
        else {
          for (const immediate of immediates(entry.mnemonic, allImmediates))
            forms.push({ name: `${name} ${immediate}`, operands, code: [...code, immediate] });
        }
      }
    }
  }
  return forms;
}
