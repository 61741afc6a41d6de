import { BASE_RIP, type Instruction } from "../decode/index.ts";
import {
  EA_ALLOWED,
  EA_STACK,
  R_BASE,
  R_DISP,
  R_DST,
  R_HANDLER,
  R_IMM,
  R_INDEX_REGISTER,
  R_LINK,
  R_SCALE,
  R_SEGMENT,
  R_SRC,
  RECORD_BYTES,
} from "../records.ts";
import type { OperandSize } from "../semantics/context.ts";
import { handlerName, type OperandKinds, segmentedName } from "../semantics/registry.ts";
import { CS, DS, EA, FS, GPR, PAGE_VA, READ_BOUNDS, RSP, SEG_BASE, SS, WRITE_BOUNDS, ZERO } from "../state.ts";
import { access, memoryAccess } from "./memory-access.ts";

const EXTENDED_BYTES = 10;

/** What the records of one instruction have in common, and where they go. */
export interface Position {
  /** Host address of the next record to write. */
  record: number;
  /** Instructions of the block before this one. */
  index: number;
  /** Offset of the instruction and of the next one from the start of the page. */
  start: number;
  next: number;
}

/** Thrown while a block is built for an instruction that has no handler: it becomes #UD at run time. */
export class NoHandlerError extends Error {
  constructor(readonly handler: string) {
    super(`no handler ${handler}`);
  }
}

/**
 * Writes the records of a block into machine memory. Lowering rules call `form` or `handler` and then set the fields that
 * differ from a plain record.
 */
export class BlockWriter {
  readonly position: Position = { record: 0, index: 0, start: 0, next: 0 };
  /** For CodeMode.SEGMENTED. */
  segmented = false;
  private current = 0;
  private readonly numbers = new Map<string, Map<string, number[]>>();
  /** By the suffix of its name, what does a handler's work and the next one's too. */
  private readonly fused = new Map<string, Map<number, number>>();

  constructor(
    private readonly view: DataView,
    private readonly i32: Int32Array,
    private readonly handlers: ReadonlyMap<string, number>,
  ) {
    for (const [name, number] of handlers) {
      const plus = name.indexOf("+");
      const first = plus < 0 ? undefined : handlers.get(name.slice(0, plus));
      if (first === undefined) continue;
      const suffix = name.slice(plus);
      const bySuffix = this.fused.get(suffix);
      if (bySuffix) bySuffix.set(first, number);
      else this.fused.set(suffix, new Map([[first, number]]));
    }
  }

  /** Starts a record by its handler's name. Registers are ZERO and the immediate 0 until they are set. */
  handler(name: string): this {
    const number = this.handlers.get(name);
    if (number === undefined) throw new NoHandlerError(name);
    return this.begin(number);
  }

  private begin(number: number): this {
    const { position } = this;
    const at = position.record;
    this.current = at;
    position.record += RECORD_BYTES;
    // Fields are set a word at a time: this is done for every record of every block.
    const { i32 } = this;
    const word = at >> 2;
    i32[word] = number | (position.index << 16) | ((position.next - position.start) << 24);
    i32[word + (R_DST >> 2)] = ZERO | (ZERO << 16);
    i32[word + (R_BASE >> 2)] = ZERO | (ZERO << 16);
    i32[word + (R_SCALE >> 2)] = position.next << 16;
    i32[word + (R_IMM >> 2)] = 0;
    i32[word + (R_IMM >> 2) + 1] = 0;
    i32[word + (R_DISP >> 2)] = 0;
    i32[word + (R_SEGMENT >> 2)] = ZERO;
    return this;
  }

  /** Starts a record of a form: `form("add", 8, "rm")`. */
  form(name: string, size: OperandSize, kinds: OperandKinds): this {
    const number = this.numberOf(name, size, kinds);
    if (number < 0) throw new NoHandlerError(handlerName(name, size, kinds));
    return this.begin(number);
  }

  hasForm(name: string, size: OperandSize, kinds: OperandKinds): boolean {
    return this.numberOf(name, size, kinds) >= 0;
  }

  /** Number of a form's handler, or -1. Joining the parts of a name for each record would be most of the work. */
  private numberOf(name: string, size: OperandSize, kinds: OperandKinds): number {
    let byKinds = this.numbers.get(name);
    if (byKinds === undefined) {
      byKinds = new Map();
      this.numbers.set(name, byKinds);
    }
    let bySize = byKinds.get(kinds);
    if (bySize === undefined) {
      bySize = [];
      byKinds.set(kinds, bySize);
    }
    bySize[size] ??= this.handlers.get(handlerName(name, size, kinds)) ?? -1;
    return bySize[size];
  }

  /** Turns the record before into the variant that does the next one too, if there is one for it. */
  fuse(suffix: string): this {
    if (this.current !== 0 && this.current === this.position.record - RECORD_BYTES) {
      const fused = this.fused.get(suffix)?.get(this.view.getUint16(this.current + R_HANDLER, true));
      if (fused !== undefined) this.view.setUint16(this.current + R_HANDLER, fused, true);
    }
    return this;
  }

  /** To be called before the first record of a block: nothing before it may be fused with. */
  startBlock(record: number): void {
    this.position.record = record;
    this.current = 0;
  }

  /** Sets the destination's (source's) state address. */
  dst(address: number): this {
    this.view.setUint16(this.current + R_DST, address, true);
    return this;
  }

  src(address: number): this {
    this.view.setUint16(this.current + R_SRC, address, true);
    return this;
  }

  immediate(low: number, high: number = low >> 31): this {
    this.view.setInt32(this.current + R_IMM, low, true);
    this.view.setInt32(this.current + R_IMM + 4, high, true);
    return this;
  }

  /** An immediate that is a safe integer of more than 32 bits or less. */
  immediateNumber(value: number): this {
    return this.immediate(value | 0, Math.floor(value / 2 ** 32) | 0);
  }

  /** The target of a direct jump, as an offset from the start of the block's page; not linked yet. */
  target(offset: number): this {
    this.view.setUint32(this.current + R_LINK, 0, true);
    return this.immediateNumber(offset);
  }

  base(address: number, segmentBase = ZERO): this {
    this.view.setUint16(this.current + R_BASE, address, true);
    this.view.setUint32(this.current + R_SEGMENT, segmentBase, true);
    return this;
  }

  /** The record's operand is the stack's, and its linear address in EA. */
  stackInEa(): this {
    return this.ofStack().base(EA);
  }

  /** The address in EA is the stack's. */
  ofStack(): this {
    return this.addressFlags(EA_STACK);
  }

  private addressFlags(flags: number): this {
    this.view.setUint8(this.current + R_SCALE, flags);
    return this;
  }

  /** The record's accesses are those that segments allow. */
  allowed(): this {
    return this.addressFlags(EA_ALLOWED);
  }

  displacement(value: number): this {
    this.view.setInt32(this.current + R_DISP, value, true);
    return this;
  }

  /** Starts a record of a form that uses the stack, of its kind that heeds SS where need be. */
  stackForm(name: string, size: OperandSize, kinds: OperandKinds): this {
    return this.form(this.segmented ? segmentedName(name) : name, size, kinds);
  }

  /** Gives the record just started the memory operand that `prepareMemory` made ready. */
  memory(insn: Instruction): this {
    if (this.addressInEa) {
      // Compatibility mode's segment base is in EA already.
      this.base(EA, insn.mode64 ? this.segmentBase(insn) : ZERO);
      // Tells what is to be made of an address out of reach.
      if (!insn.mode64 && this.isChecked(this.segmentOf(insn))) return this.allowed();
      const byStack = insn.hasMem && (insn.base === 4 || insn.base === 5) && insn.segment < 0;
      return this.addressFlags(byStack || insn.segment === SS ? EA_STACK : 0);
    }
    this.setAddress(insn, this.segmentBase(insn));
    return this;
  }

  private addressInEa = false;

  /**
   * Must be called before the first record of an instruction with a memory operand is started: writes the records that
   * compute an address which one record's fields cannot hold (32-bit addressing, absolute 64-bit offsets).
   */
  prepareMemory(insn: Instruction, withSegment = true): void {
    this.addressInEa = false;
    if (insn.addrSize === 8) {
      const ripTarget = insn.hasMem && insn.base === BASE_RIP ? this.position.next + insn.disp : insn.disp;
      const isOffset = !insn.hasMem && insn.dispHi !== insn.disp >> 31;
      if (isOffset) this.form("eaimm", 8, "n").immediate(insn.disp, insn.dispHi);
      else if (ripTarget !== (ripTarget | 0)) {
        this.form("ea", 8, "n").base(PAGE_VA).displacement(insn.disp);
        this.form("ea", 8, "n").base(EA).displacement(this.position.next);
      } else return;
    } else {
      // In compatibility mode the sum with the segment base wraps too.
      const segment = withSegment && !insn.mode64 ? this.segmentBase(insn) : ZERO;
      const checked = segment !== ZERO && this.isChecked(this.segmentOf(insn));
      if (insn.addrSize === 2) {
        this.form("ea", 2, "n");
        this.setAddress(insn, ZERO);
        if (!checked) this.form("ea", 4, "n").base(EA, segment);
      } else {
        this.form("ea", 4, "n");
        this.setAddress(insn, checked ? ZERO : segment);
      }
      if (checked) this.withinSegment(insn);
    }
    this.addressInEa = true;
  }

  /** Compatibility mode: makes the offset in EA a linear address. */
  addSegment(insn: Instruction): void {
    if (this.isChecked(this.segmentOf(insn))) {
      this.form("ea", 4, "n").base(EA);
      this.withinSegment(insn);
    } else this.form("ea", 4, "n").base(EA, this.segmentBase(insn));
  }

  private withinSegment(insn: Instruction): void {
    memoryAccess(insn);
    // Numbers of 80 bits go in two parts.
    if (access.bytes === EXTENDED_BYTES) this.within(this.segmentOf(insn), access.bytes, access.write, "withinparts");
    else this.within(this.segmentOf(insn), access.bytes, access.write);
  }

  /** Writes the record that refuses the offset in EA, or makes it a linear address. */
  within(segment: number, bytes: number, write: boolean, name = "within"): this {
    this.form(segment === SS ? `${name}stack` : name, 4, "n")
      .dst(write ? WRITE_BOUNDS(segment) : READ_BOUNDS(segment))
      .immediate(bytes - 1);
    this.view.setUint32(this.current + R_SEGMENT, SEG_BASE(segment), true);
    return this;
  }

  /** The same for an operand at the top of the stack, or at another register of the stack's. */
  withinStack(bytes: number, write: boolean, register = RSP, displacement = 0): this {
    this.form("ea", 4, "n").base(register).displacement(displacement);
    return this.within(SS, bytes, write);
  }

  /** Compatibility mode: whether accesses by way of a segment are checked. See segment-bounds.ts. */
  isChecked(segment: number): boolean {
    return this.segmented || segment === CS || segment >= FS;
  }

  /** Whether the segment of the instruction's memory operand is asked by a record of its own. */
  checksOperand(insn: Instruction): boolean {
    return insn.hasMem && !insn.mode64 && this.isChecked(this.segmentOf(insn));
  }

  /** Writes the record that raises a pending x87 exception: before a segment is asked, as the instruction itself does it after. */
  wait(): this {
    return this.form("wait", 4, "n");
  }

  /** The same for an instruction whose memory is none of its operands: MMX has the registers by then. */
  enterMmx(): this {
    return this.form("entermmx", 4, "n");
  }

  /** The address of the operand is in EA already (computed by a record of the rule's own). */
  useEa(): void {
    this.addressInEa = true;
  }

  private setAddress(insn: Instruction, segmentBase: number): void {
    const { view, current } = this;
    let disp = insn.disp;
    // MOV with an absolute offset has no ModRM: its address is the displacement alone.
    if (!insn.hasMem) {
      view.setInt32(current + R_DISP, disp, true);
      view.setUint32(current + R_SEGMENT, segmentBase, true);
      return;
    }
    if (insn.base === BASE_RIP) {
      view.setUint16(current + R_BASE, PAGE_VA, true);
      disp += this.position.next;
    } else if (insn.base >= 0) view.setUint16(current + R_BASE, GPR(insn.base), true);
    if (insn.index >= 0) {
      view.setUint16(current + R_INDEX_REGISTER, GPR(insn.index), true);
      view.setUint8(current + R_SCALE, insn.scale);
    }
    view.setInt32(current + R_DISP, disp, true);
    view.setUint32(current + R_SEGMENT, segmentBase, true);
  }

  /** Takes the segment base out of the address again: LEA, and addresses that are only part of one. */
  withoutSegment(): this {
    this.view.setUint32(this.current + R_SEGMENT, ZERO, true);
    return this;
  }

  /** Segment base of a string source: DS or an override. */
  segmentBaseOfString(insn: Instruction): number {
    if (insn.segment >= 0) return SEG_BASE(insn.segment);
    return insn.mode64 ? ZERO : SEG_BASE(DS);
  }

  /** State address of the segment base that the memory operand uses; ZERO in 64-bit mode but for FS and GS. */
  segmentBase(insn: Instruction): number {
    if (insn.mode64 && insn.segment < 0) return ZERO;
    return SEG_BASE(this.segmentOf(insn));
  }

  /** The segment register of the memory operand, by a prefix or its base register. */
  private segmentOf(insn: Instruction): number {
    if (insn.segment >= 0) return insn.segment;
    return insn.hasMem && (insn.base === 4 || insn.base === 5) ? SS : DS;
  }
}
