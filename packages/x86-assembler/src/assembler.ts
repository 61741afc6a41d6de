import { CodeBuffer } from "./code-buffer.ts";
import { emitModRm, emitPrefixes } from "./encode.ts";
import { ARITHMETIC, BIT_TESTS, CONDITIONS, type Condition, PLAIN, SHIFTS, UNARY } from "./opcodes.ts";
import type { Memory, OperandSize, Register } from "./operands.ts";

/** Code and data at their addresses. */
export interface AssembledCode {
  readonly bytes: Uint8Array;
  /** Bytes of memory that it takes: those of `bytes` and behind them what was reserved, which begins as zeros. */
  readonly memoryBytes: number;
  /** The labels' addresses. */
  readonly labels: ReadonlyMap<string, number>;
}

type Place = Register | Memory;
type Arithmetic = keyof typeof ARITHMETIC;
type Shift = keyof typeof SHIFTS;
type Unary = keyof typeof UNARY;
type BitTest = keyof typeof BIT_TESTS;
type Plain = keyof typeof PLAIN;

const fitsSigned = (value: number, bits: number): boolean => value >= -(2 ** (bits - 1)) && value < 2 ** (bits - 1);

/**
 * Emits 64-bit code, an instruction a call, operands in Intel's order: the destination first. Jumps and calls to labels have
 * distances of four bytes. A mistake, such as operands of different sizes or a number that does not fit, throws an Error.
 */
export class Assembler {
  private readonly code = new CodeBuffer();
  private readonly reservations: { label: string; bytes: number; alignment: number }[] = [];
  private readonly texts = new Map<string, string>();

  /** @param origin address of the first byte. */
  constructor(private readonly origin: number) {}

  // Labels and data

  label(name: string): void {
    this.code.define(name, this.code.size);
  }

  data(bytes: ArrayLike<number>): void {
    this.code.append(bytes);
  }

  integer(size: OperandSize, value: number | bigint): void {
    this.code.integer(size, value);
  }

  /** The address of a label, in eight bytes. */
  address(label: string): void {
    this.code.absolute(label);
  }

  /** Fills up to a multiple of `bytes`, counted from the origin. */
  align(bytes: number, filler = 0): void {
    while ((this.origin + this.code.size) % bytes !== 0) this.code.u8(filler);
  }

  /** The label of a text with a NUL behind it. Equal ones are stored once, behind all code. */
  text(text: string): string {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    const label = `text ${this.texts.size}`;
    this.texts.set(text, label);
    return label;
  }

  /** Memory behind code and data that begins as zeros. */
  reserve(label: string, bytes: number, alignment = 8): void {
    this.reservations.push({ label, bytes, alignment });
  }

  // Moves

  mov(to: Place, from: Place | number | bigint): void {
    if (typeof from === "number" || typeof from === "bigint") this.moveImmediate(to, from);
    else this.operate(0x88, to, from);
  }

  /** Loads the address that `from` means; its size does not matter. */
  lea(to: Register, from: Memory): void {
    emitModRm(this.code, { size: to.size, opcode: [0x8d], reg: to, rm: from });
  }

  /** Loads 8 or 16 bits with zeros above them. */
  movzx(to: Register, from: Place): void {
    this.extend(0xb6, to, from);
  }

  /** Loads 8 or 16 bits with copies of their sign above them. */
  movsx(to: Register, from: Place): void {
    this.extend(0xbe, to, from);
  }

  xchg(place: Place, register: Register): void {
    sameSize(place, register);
    emitModRm(this.code, { size: place.size, opcode: [place.size === 1 ? 0x86 : 0x87], reg: register, rm: place });
  }

  push(from: Register | number): void {
    if (typeof from === "number") {
      const short = fitsSigned(from, 8);
      this.code.u8(short ? 0x6a : 0x68);
      this.code.integer(short ? 1 : 4, from);
    } else {
      emitPrefixes(this.code, undefined, { base: from.number });
      this.code.u8(0x50 | (from.number & 7));
    }
  }

  pop(to: Register): void {
    emitPrefixes(this.code, undefined, { base: to.number });
    this.code.u8(0x58 | (to.number & 7));
  }

  // Arithmetic

  /** add, or, adc, sbb, and, sub, xor, cmp. */
  op(name: Arithmetic, to: Place, from: Place | number): void {
    const row = ARITHMETIC[name];
    if (typeof from !== "number") {
      this.operate(row << 3, to, from);
      return;
    }
    const { size } = to;
    const immediateBytes = size === 1 || fitsSigned(from, 8) ? 1 : size === 2 ? 2 : 4;
    checkImmediate(size, from);
    if (to.kind === "register" && to.number === 0 && (size === 1 || immediateBytes > 1)) {
      emitPrefixes(this.code, size, {});
      this.code.u8((row << 3) | (size === 1 ? 4 : 5));
    } else {
      const opcode = [size === 1 ? 0x80 : immediateBytes === 1 ? 0x83 : 0x81];
      emitModRm(this.code, { size, opcode, reg: row, rm: to, immediateBytes });
    }
    this.code.integer(immediateBytes, from);
  }

  test(place: Place, register: Register): void {
    sameSize(place, register);
    emitModRm(this.code, { size: place.size, opcode: [place.size === 1 ? 0x84 : 0x85], reg: register, rm: place });
  }

  inc(place: Place): void {
    emitModRm(this.code, { size: place.size, opcode: [place.size === 1 ? 0xfe : 0xff], reg: 0, rm: place });
  }

  dec(place: Place): void {
    emitModRm(this.code, { size: place.size, opcode: [place.size === 1 ? 0xfe : 0xff], reg: 1, rm: place });
  }

  /** rol, ror, shl, shr, sar, by a number of bits or by CL. */
  shift(name: Shift, place: Place, count: number | "cl"): void {
    const { size } = place;
    const byOne = count === 1;
    const opcode = [(count === "cl" ? 0xd2 : byOne ? 0xd0 : 0xc0) | (size === 1 ? 0 : 1)];
    const immediateBytes = count === "cl" || byOne ? 0 : 1;
    emitModRm(this.code, { size, opcode, reg: SHIFTS[name], rm: place, immediateBytes });
    if (typeof count === "number" && !byOne) this.code.integer(1, count);
  }

  /** not, neg; mul, imul, div and idiv work on RDX:RAX (AX for a byte). */
  unary(name: Unary, place: Place): void {
    emitModRm(this.code, { size: place.size, opcode: [place.size === 1 ? 0xf6 : 0xf7], reg: UNARY[name], rm: place });
  }

  /** to = from * factor. */
  imul(to: Register, from: Place, factor: number): void {
    sameSize(to, from);
    const short = fitsSigned(factor, 8);
    const immediateBytes = short ? 1 : to.size === 2 ? 2 : 4;
    emitModRm(this.code, { size: to.size, opcode: [short ? 0x6b : 0x69], reg: to, rm: from, immediateBytes });
    this.code.integer(immediateBytes, factor);
  }

  /** bt, bts, btr, btc: a bit of `place`, whose number is that in a register (beyond the operand, if it is memory) or given. */
  bit(name: BitTest, place: Place, number: Register | number): void {
    const { size } = place;
    if (typeof number === "number") {
      emitModRm(this.code, { size, opcode: [0x0f, 0xba], reg: BIT_TESTS[name], rm: place, immediateBytes: 1 });
      this.code.integer(1, number);
    } else {
      sameSize(place, number);
      emitModRm(this.code, { size, opcode: [0x0f, 0x83 | (BIT_TESTS[name] << 3)], reg: number, rm: place });
    }
  }

  /** The number of the lowest bit that is set; ZF if there is none. */
  bsf(to: Register, from: Place): void {
    sameSize(to, from);
    emitModRm(this.code, { size: to.size, opcode: [0x0f, 0xbc], reg: to, rm: from });
  }

  set(condition: Condition, place: Place): void {
    emitModRm(this.code, { size: place.size, opcode: [0x0f, 0x90 | CONDITIONS.indexOf(condition)], reg: 0, rm: place });
  }

  // Control

  jmp(target: string | Place): void {
    this.branch(0xe9, 4, target);
  }

  call(target: string | Place): void {
    this.branch(0xe8, 2, target);
  }

  jump(condition: Condition, label: string): void {
    this.code.append([0x0f, 0x80 | CONDITIONS.indexOf(condition)]);
    this.code.relative(label, 0, 0);
  }

  /** Instructions without operands, and the prefix LOCK. */
  emit(...names: Plain[]): void {
    for (const name of names) this.code.append(PLAIN[name]);
  }

  /** All of it, with the texts behind the code and the reserved memory behind these. */
  assemble(): AssembledCode {
    for (const [text, label] of this.texts) {
      this.label(label);
      this.data(new TextEncoder().encode(`${text}\0`));
    }
    this.texts.clear();
    let end = this.code.size;
    for (const { label, bytes, alignment } of this.reservations.splice(0)) {
      end = Math.ceil((this.origin + end) / alignment) * alignment - this.origin;
      this.code.define(label, end);
      end += bytes;
    }
    const { bytes, labels } = this.code.link(this.origin);
    const addresses = [...labels].map(([label, offset]): [string, number] => [label, this.origin + offset]);
    return { bytes, memoryBytes: end, labels: new Map(addresses) };
  }

  private moveImmediate(to: Place, value: number | bigint): void {
    const { size } = to;
    if (to.kind === "register") {
      const wide = size === 8 && (typeof value === "bigint" || !fitsSigned(value, 32));
      if (size !== 8 || wide) {
        emitPrefixes(this.code, size, { base: to.number, always: size === 1 && to.number >= 4 && to.number < 8 });
        this.code.u8((size === 1 ? 0xb0 : 0xb8) | (to.number & 7));
        this.code.integer(size, value);
        return;
      }
    }
    const immediateBytes = size === 8 ? 4 : size;
    if (size === 8) checkImmediate(size, Number(value));
    emitModRm(this.code, { size, opcode: [size === 1 ? 0xc6 : 0xc7], reg: 0, rm: to, immediateBytes });
    this.code.integer(immediateBytes, value);
  }

  /** The four forms of an operation between two places, of which one is a register. */
  private operate(opcode: number, to: Place, from: Place): void {
    sameSize(to, from);
    const { size } = to;
    const wide = size === 1 ? 0 : 1;
    if (from.kind === "register") emitModRm(this.code, { size, opcode: [opcode | wide], reg: from, rm: to });
    else if (to.kind === "register") emitModRm(this.code, { size, opcode: [opcode | 2 | wide], reg: to, rm: from });
    else throw new Error("one of two operands has to be a register");
  }

  private extend(opcode: number, to: Register, from: Place): void {
    if (from.size > 2 || from.size >= to.size)
      throw new Error("what is extended has 8 or 16 bits, fewer than the result");
    emitModRm(this.code, { size: to.size, opcode: [0x0f, opcode | (from.size === 2 ? 1 : 0)], reg: to, rm: from });
  }

  private branch(opcode: number, extension: number, target: string | Place): void {
    if (typeof target === "string") {
      this.code.u8(opcode);
      this.code.relative(target, 0, 0);
    } else {
      emitModRm(this.code, { size: undefined, opcode: [0xff], reg: extension, rm: target });
    }
  }
}

function sameSize(a: Place, b: Place): void {
  if (a.size !== b.size) throw new Error(`operands of ${a.size} and ${b.size} bytes`);
}

/** What is given for 64 bits is 32 bits whose sign is extended. */
function checkImmediate(size: OperandSize, value: number): void {
  if (size === 8 && !fitsSigned(value, 32)) throw new Error(`${value} does not fit a signed immediate of 32 bits`);
}
