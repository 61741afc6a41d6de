import { createInstruction, Decoder, DecodeStatus, type Instruction } from "../../src/decode/index.ts";
import { OperandSizeRule } from "../../src/decode/opcode-entry.ts";
import { AddressingMethod as A, OperandWidth as W } from "../../src/decode/operand.ts";
import type { Form } from "./forms.ts";
import type { Random } from "./random.ts";

/** An instruction of a form. `dispAt` and `immAt` are the places of displacement and immediate in the bytes, or −1. */
export interface Encoding {
  readonly bytes: number[];
  readonly insn: Instruction;
  readonly dispAt: number;
  readonly dispBytes: number;
  readonly immAt: number;
}

const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

export interface EncoderOptions {
  /** No segment overrides, no 67H, no superfluous prefixes. */
  readonly plain?: boolean;
  /** Memory operands are RIP-relative or absolute: no register decides their address. */
  readonly fixedAddress?: boolean;
}

/** Makes encodings of forms with random registers, addressing and immediates. */
export class Encoder {
  private readonly decoder = new Decoder();
  private readonly bytes: number[] = [];
  private dispAt = -1;
  private dispBytes = 0;

  constructor(private readonly random: Random) {}

  /** An encoding that decodes as the form; null if none was found in a few attempts. */
  encode(form: Form, options: EncoderOptions = {}): Encoding | null {
    for (let attempt = 0; attempt < 20; attempt++) {
      const immAt = this.assemble(form, options);
      const { bytes } = this;
      if (bytes.length > 15) continue;
      const insn = createInstruction();
      const buffer = Uint8Array.from([...bytes, ...new Array(16).fill(0xcc)]);
      const status = this.decoder.decode(buffer, 0, 15, !form.compatibility, insn);
      if (status !== DecodeStatus.OK || insn.length !== bytes.length) continue;
      if (insn.entry !== form.row.entry || insn.hasMem !== form.memory || insn.rep !== form.repeat) continue;
      const { operandSizeRule } = insn.entry;
      if (operandSizeRule !== OperandSizeRule.BYTE && insn.opSize !== form.size && this.sizeMatters(form)) continue;
      return { bytes: [...bytes], insn, dispAt: this.dispAt, dispBytes: this.dispBytes, immAt };
    }
    return null;
  }

  private sizeMatters(form: Form): boolean {
    return form.size !== 4 || form.row.entry.prefix !== 0x66;
  }

  private assemble(form: Form, options: EncoderOptions): number {
    const { random, bytes } = this;
    const { row, compatibility, size } = form;
    const { entry } = row;
    bytes.length = 0;
    this.dispAt = -1;
    this.dispBytes = 0;
    const usesMemory =
      form.memory ||
      entry.repeatable ||
      entry.mnemonic === "xlat" ||
      entry.operands.some(({ method }) => method === A.OFFSET);
    const prefixes: number[] = [];
    if (form.lock) prefixes.push(0xf0);
    if (form.repeat !== 0) prefixes.push(form.repeat);
    if (entry.prefix > 0) prefixes.push(entry.prefix);
    if (size === 2 && entry.prefix !== 0x66) prefixes.push(0x66);
    let address67 = false;
    if (options.plain !== true) {
      const matters = usesMemory || entry.nameByAddress || entry.family.startsWith("loop");
      address67 = random.chance(!matters ? 0.02 : compatibility ? 0.05 : 0.15);
      // A displacement of 16 bits reaches no memory.
      if (compatibility && options.fixedAddress === true) address67 = false;
      if (address67) prefixes.push(0x67);
      if (address67 && compatibility && usesMemory && random.chance(0.8)) {
        // FS alone has memory that 16 bits reach.
        prefixes.push(0x64);
      } else if (usesMemory && random.chance(compatibility ? 0.1 : 0.2)) {
        prefixes.push(compatibility ? random.pick([0x26, 0x36, 0x3e, 0x64]) : random.pick(SEGMENT_PREFIXES));
      }
      if (entry.operandSizeRule === OperandSizeRule.BYTE && random.chance(0.05)) prefixes.push(0x66);
    }
    bytes.push(...random.shuffle(prefixes));
    let rex = 0;
    if (!compatibility) {
      rex = this.rex(form);
      if (rex !== 0) bytes.push(rex);
    }
    if (entry.map !== 0) bytes.push(0x0f);
    if (entry.map === 2) bytes.push(0x38);
    if (entry.map === 3) bytes.push(0x3a);
    const byRegister = row.span === 8;
    bytes.push(entry.opcode + (byRegister ? random.below(8) : 0));
    if (entry.hasModrm) this.modrm(form, options, compatibility && address67);
    const immAt = bytes.length;
    for (const spec of entry.operands)
      this.immediate(spec.method, spec.width, spec.code, size, compatibility, address67);
    return immAt < bytes.length ? immAt : -1;
  }

  private rex(form: Form): number {
    const { random } = this;
    const { entry } = form.row;
    const forced = entry.operandSizeRule === OperandSizeRule.FORCED_64;
    const default64 = entry.operandSizeRule === OperandSizeRule.DEFAULT_64;
    let wanted = 0;
    if (form.size === 8 && !forced && !default64) wanted |= 8;
    else if (form.size === 8 && random.chance(0.1)) wanted |= 8;
    else if (form.size === 1 && random.chance(0.05)) wanted |= 8;
    if (form.row.rexB) wanted |= 1;
    if (random.chance(0.5)) wanted |= random.below(8);
    if (entry.mnemonic === "nop" && entry.opcode === 0x90) wanted &= ~1;
    if (wanted !== 0) return 0x40 | wanted;
    return random.chance(0.15) ? 0x40 : 0;
  }

  private modrm(form: Form, options: EncoderOptions, address16: boolean): void {
    const { random, bytes } = this;
    const { row } = form;
    const { entry } = row;
    if (row.modrm >= 0) {
      bytes.push(row.modrm + (row.modrmSpan === 8 ? random.below(8) : 0));
      return;
    }
    const reg = entry.digit >= 0 ? entry.digit : random.below(8);
    if (!form.memory) {
      const mod = entry.modIgnored ? random.below(4) : 3;
      bytes.push((mod << 6) | (reg << 3) | random.below(8));
      return;
    }
    if (address16) {
      const rm = random.below(8);
      const mode = random.below(3);
      bytes.push((mode << 6) | (reg << 3) | rm);
      this.displacement(mode === 1 ? 1 : mode === 2 || rm === 6 ? 2 : 0);
      return;
    }
    const base = random.below(8);
    const kind = random.below(10);
    const mod = kind < 2 ? 0 : kind < 5 ? 1 : kind < 8 ? 2 : 0;
    const noBase = kind === 8;
    const rmDisp = kind === 9 || options.fixedAddress === true;
    if (rmDisp) {
      // RIP-relative in 64-bit mode, absolute in compatibility mode.
      bytes.push((reg << 3) | 5);
      this.displacement(4);
      return;
    }
    const wantsSib = noBase || random.chance(0.5) || base === 4;
    if (!wantsSib) {
      const m = mod === 0 && base === 5 ? 1 : mod;
      bytes.push((m << 6) | (reg << 3) | base);
      this.displacement(m === 1 ? 1 : m === 2 ? 4 : 0);
      return;
    }
    const index = random.chance(0.25) ? 4 : random.below(8);
    const scale = random.below(4);
    if (noBase) {
      bytes.push((reg << 3) | 4, (scale << 6) | (index << 3) | 5);
      this.displacement(4);
      return;
    }
    const m = mod === 0 && base === 5 ? 1 : mod;
    bytes.push((m << 6) | (reg << 3) | 4, (scale << 6) | (index << 3) | base);
    this.displacement(m === 1 ? 1 : m === 2 ? 4 : 0);
  }

  private displacement(size: number): void {
    if (size === 0) return;
    this.dispAt = this.bytes.length;
    this.dispBytes = size;
    const value = this.random.chance(0.5) ? this.random.u32() : this.random.between(-300, 300);
    for (let i = 0; i < size; i++) this.bytes.push((value >> (8 * i)) & 0xff);
  }

  private immediate(
    method: number,
    width: number,
    code: string,
    size: number,
    compatibility: boolean,
    address67: boolean,
  ): void {
    let length = 0;
    if (method === A.IMMEDIATE || method === A.RELATIVE) {
      if (width === W.Z) length = method === A.RELATIVE ? (size === 2 && compatibility ? 2 : 4) : Math.min(size, 4);
      else if (width === W.V) length = size;
      else length = width;
      if (code === "Ibs") length = 1;
    } else if (method === A.FAR_POINTER) length = size + 2;
    else if (method === A.OFFSET) {
      this.dispAt = this.bytes.length;
      length = compatibility ? (address67 ? 2 : 4) : address67 ? 4 : 8;
      this.dispBytes = length;
    }
    const { random, bytes } = this;
    const small = random.chance(0.3);
    for (let i = 0; i < length; i++) {
      const edge = random.below(6);
      const byte = edge === 0 ? 0 : edge === 1 ? 0xff : edge === 2 ? 0x80 : edge === 3 ? 0x7f : random.below(256);
      bytes.push(small && i > 0 ? 0 : byte);
    }
  }
}
