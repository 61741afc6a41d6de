import { Flow, type OpcodeEntry, OpcodeMap, OperandSizeRule } from "./opcode-entry.ts";
import { oneByteOpcodes } from "./opcodes-one-byte.ts";
import { sseOpcodes } from "./opcodes-sse.ts";
import { threeByteOpcodes } from "./opcodes-three-byte.ts";
import { twoByteOpcodes } from "./opcodes-two-byte.ts";
import { x87Opcodes } from "./opcodes-x87.ts";
import { AddressingMethod, OperandWidth } from "./operand.ts";
import { parseOperandCode, registerFormOf, usesModrm } from "./operand-codes.ts";

/** Condition names in the order of their 4-bit code. */
export const conditionNames = "o no b ae e ne be a s ns p np l ge le g".split(" ");

const prefixes: Readonly<Record<string, number>> = { NP: 0, "66": 0x66, F3: 0xf3, F2: 0xf2 };

const flowFlags: Readonly<Record<string, number>> = {
  jump: Flow.JUMP,
  cond: Flow.CONDITIONAL,
  call: Flow.CALL,
  ijump: Flow.INDIRECT_JUMP,
  icall: Flow.INDIRECT_CALL,
  ret: Flow.RETURN,
  sys: Flow.SYSTEM,
};

const knownFlags = new Set(["lock", "i64", "o64", "d64", "f64", "priv", "io", "rep", "by-address"]);

interface Encoding {
  readonly prefix: number;
  readonly map: number;
  readonly opcode: number;
  /** How many opcode bytes the line stands for: 1, 8 (+r), 16 (+cc). */
  readonly span: number;
  readonly digit: number;
  readonly form: number;
  /** First of the ModRM bytes that the line wants exactly, or -1. */
  readonly modrm: number;
  readonly modrmSpan: number;
  readonly rexB: boolean;
}

const hexByte = /^[0-9A-F]{2}$/;

function parseEncoding(text: string): Encoding {
  let tokens = text.split(" ");
  let prefix = -1;
  const rexB = tokens[0] === "REX.B";
  if (rexB) tokens = tokens.slice(1);
  if (tokens[0] in prefixes && tokens.length > 1) {
    prefix = prefixes[tokens[0]];
    tokens = tokens.slice(1);
  }
  let map: number = OpcodeMap.ONE_BYTE;
  if (tokens[0] === "0F") {
    map = tokens[1] === "38" ? OpcodeMap.MAP_0F38 : tokens[1] === "3A" ? OpcodeMap.MAP_0F3A : OpcodeMap.MAP_0F;
    tokens = tokens.slice(map === OpcodeMap.MAP_0F ? 1 : 2);
  }
  const [opcodeText, opcodeSuffix] = tokens[0].split("+");
  if (!hexByte.test(opcodeText)) throw new Error(`opcode table: no opcode byte in "${text}"`);
  const span = opcodeSuffix === undefined ? 1 : { r: 8, cc: 16 }[opcodeSuffix];
  if (span === undefined) throw new Error(`opcode table: unknown suffix in "${text}"`);
  let digit = -1;
  let form = -1;
  let modrm = -1;
  let modrmSpan = 1;
  for (const token of tokens.slice(1)) {
    const [byteText, suffix] = token.split("+");
    if (/^\/[0-7]$/.test(token)) digit = Number(token[1]);
    else if (token === "mem") form = 0;
    else if (token === "reg") form = 1;
    else if (hexByte.test(byteText) && (suffix === undefined || suffix === "i")) {
      modrm = Number.parseInt(byteText, 16);
      modrmSpan = suffix === "i" ? 8 : 1;
    } else throw new Error(`opcode table: unknown token "${token}" in "${text}"`);
  }
  if (modrm >= 0) {
    digit = (modrm >> 3) & 7;
    form = 1;
  }
  return { prefix, map, opcode: Number.parseInt(opcodeText, 16), span, digit, form, modrm, modrmSpan, rexB };
}

/** Names at operand size 2, 4, 8. */
function parseNames(text: string): readonly [string, string, string] {
  const names = text.split("/");
  if (names.length === 1) return [names[0], names[0], names[0]];
  if (names.length === 2) return [names[0], names[0], names[1]];
  return [names[0], names[1], names[2]];
}

function operandSizeRule(operands: OpcodeEntry["operands"], flags: ReadonlySet<string>): number {
  if (flags.has("d64")) return OperandSizeRule.DEFAULT_64;
  if (flags.has("f64")) return OperandSizeRule.FORCED_64;
  // Immediates and a shift count in CL say nothing about the size of the operation.
  const sized = operands.filter(
    ({ method, code }) =>
      method !== AddressingMethod.IMMEDIATE && method !== AddressingMethod.CONSTANT && code !== "CL",
  );
  const byte = sized.some(({ memoryWidth }) => memoryWidth === OperandWidth.B);
  return byte && sized.every(({ width, code }) => width === OperandWidth.B || code === "DX")
    ? OperandSizeRule.BYTE
    : OperandSizeRule.NORMAL;
}

/** What the opcode map needs beyond the entry itself. */
export interface TableRow {
  readonly entry: OpcodeEntry;
  readonly span: number;
  readonly modrm: number;
  readonly modrmSpan: number;
  /** Reached only through REX.B on opcode 90H: not in the map. */
  readonly rexB: boolean;
}

/** One line, or 16 for a `+cc` line, of the table's text. */
function parseLine(line: string, firstId: number): TableRow[] {
  const [encodingText, form, flagText = ""] = line.split("|").map((part) => part.trim());
  const encoding = parseEncoding(encodingText);
  const [nameText, pattern = ""] = form.split(" ");
  const operands = pattern === "" ? [] : pattern.split(",").map(parseOperandCode);
  const flags = new Set(flagText.split(" ").filter((flag) => flag !== ""));
  let flow: number = Flow.NEXT;
  for (const flag of flags) {
    if (flag in flowFlags) flow = flowFlags[flag];
    else if (!knownFlags.has(flag)) throw new Error(`opcode table: unknown flag "${flag}" in "${line}"`);
  }
  let registerForm = encoding.form;
  const methods = operands.map(({ method }) => method);
  // The mod field of moves to and from control and debug registers is ignored.
  const modIgnored = methods.includes(AddressingMethod.REG_CONTROL) || methods.includes(AddressingMethod.REG_DEBUG);
  for (const method of methods) {
    const wanted = registerFormOf(method);
    if (wanted < 0 || modIgnored) continue;
    if (registerForm >= 0 && registerForm !== wanted) throw new Error(`opcode table: mod conflict in "${line}"`);
    registerForm = wanted;
  }
  const conditional = encoding.span === 16;
  const rows: TableRow[] = [];
  for (let condition = 0; condition < (conditional ? 16 : 1); condition++) {
    const names = parseNames(conditional ? nameText.replace(/cc$/, conditionNames[condition]) : nameText);
    const entry: OpcodeEntry = {
      id: firstId + condition,
      mnemonic: names[1],
      names,
      family: conditional ? nameText : /^fcmov/.test(names[1]) ? "fcmovcc" : names[1],
      condition: conditional ? condition : -1,
      operands,
      pattern,
      encoding: conditional ? encodingText.replace(/.\+cc/, condition.toString(16).toUpperCase()) : encodingText,
      map: encoding.map,
      opcode: encoding.opcode + condition,
      prefix: encoding.prefix,
      hasModrm: encoding.digit >= 0 || encoding.form >= 0 || methods.some(usesModrm),
      digit: encoding.digit,
      registerForm,
      invalid64: flags.has("i64"),
      only64: flags.has("o64"),
      operandSizeRule: operandSizeRule(operands, flags),
      nameByAddress: flags.has("by-address"),
      modIgnored,
      lockable: flags.has("lock"),
      privileged: flags.has("priv") || flags.has("io"),
      ioPrivileged: flags.has("io"),
      repeatable: flags.has("rep"),
      flow,
    };
    const { modrm, modrmSpan, rexB } = encoding;
    rows.push({ entry, span: conditional ? 1 : encoding.span, modrm, modrmSpan, rexB });
  }
  return rows;
}

function parseTables(tables: readonly string[]): TableRow[] {
  const rows: TableRow[] = [];
  for (const table of tables)
    for (const line of table.split("\n")) if (line !== "") rows.push(...parseLine(line, rows.length));
  return rows;
}

/** The table in the form that the opcode map is built from. */
export const tableRows: readonly TableRow[] = parseTables([
  oneByteOpcodes,
  x87Opcodes,
  twoByteOpcodes,
  sseOpcodes,
  threeByteOpcodes,
]);

/** Every instruction form that the processor knows, indexed by `OpcodeEntry.id`. */
export const opcodeEntries: readonly OpcodeEntry[] = tableRows.map(({ entry }) => entry);
