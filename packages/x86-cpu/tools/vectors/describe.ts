import { createInstruction, Decoder, DecodeStatus, format } from "../../src/decode/index.ts";
import type { Background, VectorCase } from "./case-format.ts";
import { CODE } from "./memory-map.ts";
import { flagText, hex64, hexBytes, registerNames } from "./notation.ts";
import type { Mismatch } from "./replay.ts";

const decoder = new Decoder();

function disassemble(c: VectorCase): string {
  const insn = createInstruction();
  const bytes = new Uint8Array(c.code.length + 16);
  bytes.set(c.code);
  const texts: string[] = [];
  for (let at = c.entry - c.codeOffset; at < c.code.length; at += insn.length) {
    if (decoder.decode(bytes, at, 15, !c.compatibility, insn) !== DecodeStatus.OK) break;
    texts.push(format(insn, CODE + c.codeOffset + at));
  }
  return texts.join("; ");
}

/** A case that went wrong: its code, inputs and what is different. */
export function describeMismatch(name: string, background: Background, c: VectorCase, mismatch: Mismatch): string {
  const entry = c.entry - c.codeOffset;
  const lines = [
    `${name}: ${disassemble(c)}`,
    `  code ${hexBytes(c.code.subarray(entry))} at ${(CODE + c.entry).toString(16)}, before it ${hexBytes(c.code.subarray(0, entry))}; ${mismatch.run} run`,
  ];
  const registers = c.gpr.map((value, i) => `${registerNames[i]}=${hex64(value ?? background.gpr[i])}`);
  lines.push(`  ${registers.slice(0, 8).join(" ")}`, `  ${registers.slice(8).join(" ")} flags ${flagText(c.flags)}`);
  for (const [i, value] of c.xmm.entries()) if (value !== undefined) lines.push(`  xmm${i}=${hexBytes(value)}`);
  if (c.mxcsr !== undefined) lines.push(`  mxcsr=${c.mxcsr.toString(16)}`);
  if (c.x87 !== undefined) {
    const st = Array.from({ length: 8 }, (_, i) => hexBytes(c.x87!.subarray(24 + 10 * i, 34 + 10 * i)));
    lines.push(`  x87 ${hexBytes(c.x87.subarray(0, 5))} ${st.join(" ")}`);
  }
  for (const { address, bytes } of c.patches) lines.push(`  [${address.toString(16)}] = ${hexBytes(bytes)}`);
  for (const difference of mismatch.differences) lines.push(`    ${difference}`);
  return lines.join("\n");
}
