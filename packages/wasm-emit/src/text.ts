import {
  laneOpcodes,
  memoryOpcodes,
  plainOpcodes,
  saturatingOpcodes,
  vectorMemoryOpcodes,
  vectorOpcodes,
} from "./opcodes.ts";

/** An instruction of a function body in the text format's words. */
export interface TextLine {
  /** Of its first byte in the body. */
  readonly offset: number;
  /** Blocks around it. */
  readonly depth: number;
  readonly text: string;
}

const nameTable = (table: Record<string, number>): ReadonlyMap<number, string> =>
  new Map(Object.entries(table).map(([name, code]) => [code, name.replace(/_$/, "").replace("_", ".")]));
const plain = nameTable(plainOpcodes);
const memory = nameTable(memoryOpcodes);
const saturating = nameTable(saturatingOpcodes);
const vectorMemory = nameTable(vectorMemoryOpcodes);
const lanes = nameTable(laneOpcodes);
const vector = nameTable(vectorOpcodes);
const structured = new Map([
  [0x02, "block"],
  [0x03, "loop"],
  [0x04, "if"],
]);
const indexed = new Map([
  [0x0c, "br"],
  [0x0d, "br_if"],
  [0x10, "call"],
  [0x20, "local.get"],
  [0x21, "local.set"],
  [0x22, "local.tee"],
  [0x23, "global.get"],
  [0x24, "global.set"],
]);
const valueTypes = new Map([
  [0x7f, "i32"],
  [0x7e, "i64"],
  [0x7d, "f32"],
  [0x7c, "f64"],
  [0x7b, "v128"],
]);
const ELSE = 0x05;
const END = 0x0b;

class Reader {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  byte(): number {
    return this.bytes[this.at++];
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  signed(): bigint {
    let value = 0n;
    for (let shift = 0n; ; ) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return (byte & 0x40) !== 0 ? value - (1n << shift) : value;
    }
  }

  float(bytes: 4 | 8): number {
    const value = bytes === 4 ? this.view.getFloat32(this.at, true) : this.view.getFloat64(this.at, true);
    this.at += bytes;
    return value;
  }

  hex(count: number): string {
    return Array.from({ length: count }, () => this.byte().toString(16).padStart(2, "0")).join(" ");
  }

  offset(): string {
    this.unsigned();
    const offset = this.unsigned();
    return offset === 0 ? "" : ` offset=0x${offset.toString(16)}`;
  }
}

function vectorText(reader: Reader): string {
  const code = reader.unsigned();
  if (code === 12) return `v128.const ${reader.hex(16)}`;
  if (code === 13) return `i8x16.shuffle ${reader.hex(16)}`;
  const inMemory = vectorMemory.get(code);
  if (inMemory) return inMemory + reader.offset();
  const lane = lanes.get(code);
  if (lane) return `${lane} ${reader.byte()}`;
  return vector.get(code) ?? `0xfd ${code}`;
}

function saturatingText(reader: Reader): string {
  const code = reader.unsigned();
  if (code === 10) return `memory.copy${reader.hex(2) && ""}`;
  if (code === 11) return `memory.fill${reader.hex(1) && ""}`;
  return saturating.get(code) ?? `0xfc ${code}`;
}

function tableText(reader: Reader): string {
  const targets = Array.from({ length: reader.unsigned() + 1 }, () => reader.unsigned());
  return `br_table ${targets.join(" ")}`;
}

function instructionText(reader: Reader): { code: number; text: string } {
  const code = reader.byte();
  const text = (): string => {
    const block = structured.get(code);
    if (block) {
      const type = valueTypes.get(reader.byte());
      return type ? `${block} (result ${type})` : block;
    }
    const name = indexed.get(code);
    if (name) return `${name} ${reader.unsigned()}`;
    const access = memory.get(code);
    if (access) return access + reader.offset();
    switch (code) {
      case END:
        return "end";
      case 0x0e:
        return tableText(reader);
      case 0x11:
        return `call_indirect (type ${reader.unsigned()}) ${reader.unsigned()}`;
      case 0x41:
        return `i32.const ${reader.signed()}`;
      case 0x42:
        return `i64.const ${reader.signed()}`;
      case 0x43:
        return `f32.const ${reader.float(4)}`;
      case 0x44:
        return `f64.const ${reader.float(8)}`;
      case 0xfc:
        return saturatingText(reader);
      case 0xfd:
        return vectorText(reader);
      default:
        return plain.get(code) ?? `0x${code.toString(16)}`;
    }
  };
  return { code, text: text() };
}

/** A function body, as `FunctionBuilder` assembles it, in the text format's words: for people who read dumps. */
export function bodyText(bytes: Uint8Array): TextLine[] {
  const reader = new Reader(bytes);
  const lines: TextLine[] = [];
  let depth = 0;
  while (!reader.done) {
    const offset = reader.at;
    const { code, text } = instructionText(reader);
    if (code === END || code === ELSE) depth--;
    lines.push({ offset, depth: Math.max(0, depth), text });
    if (code === ELSE || structured.has(code)) depth++;
  }
  return lines;
}
