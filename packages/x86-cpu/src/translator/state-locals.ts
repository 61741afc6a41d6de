import { type BlockType, FunctionBuilder, I32, I64, type Label, VOID } from "@xen-node/wasm-emit";
import type { HelperTable } from "../interpreter/region-helpers.ts";
import { EA, GPR, RMW_HOST, TMP0, TMP1, ZERO } from "../state.ts";

const GPR_START = GPR(0);
const GPR_END = GPR(16);
/** The methods as they are without the locals; they stand on the prototype, where `super` does not see them. */
const plain = FunctionBuilder.prototype;

/** Bits of a field that is narrower than its local. */
const mask = (bytes: number): bigint => (1n << BigInt(8 * bytes)) - 1n;

/**
 * A function body in which the general registers and the temporaries of the state block are wasm locals: loads and stores
 * of them at constant addresses, as the semantics emit them, become reads and writes of locals. The address operand, a
 * constant, is dropped. Calls go to helpers.
 *
 * Registers live in the state block, where every write goes at once; a local is a copy for as long as the code runs straight
 * on. Engines keep what lives longer than that on their stack, and move it about wherever ways meet. Loops that go round
 * often are the exception: there registers can be kept in their locals alone.
 */
export class RegionCode extends FunctionBuilder {
  /** False while registers are kept in locals. */
  writeThrough = true;
  /** Registers that were read or written since they are kept in locals, and those that were written, as bits. */
  private used = 0;
  private modified = 0;
  /** While registers are written through: those whose locals hold what the state block does, as bits. */
  valid = 0;
  /** `valid` where each block, loop and branch that is open began: at its end no more is known. */
  private readonly validOutside: number[] = [];
  private readonly fields = new Map<number, number>();
  private readonly rmwHost: number;

  constructor(
    parameterCount: number,
    private readonly helpers: HelperTable,
    /** Index in the region's own module of the function that calls a helper. */
    private readonly functionOf: (helper: number) => number,
  ) {
    super(parameterCount);
    for (let register = 0; register < 16; register++) this.fields.set(GPR(register), this.local(I64));
    for (const address of [TMP0, TMP1, EA]) this.fields.set(address, this.local(I64));
    this.rmwHost = this.local(I32);
  }

  /** The local of a general register. */
  register(register: number): number {
    return this.fields.get(GPR(register))!;
  }

  /** The local that a state address lies in, or −1 if it is in memory. */
  localOf(address: number): number {
    return this.fields.get(address & ~7) ?? -1;
  }

  /** Bit of the general register that a state address lies in; 0 if it is none. */
  private bitOf(address: number): number {
    return address < GPR_START || address >= GPR_END ? 0 : 1 << ((address - GPR_START) >> 3);
  }

  /** Makes a register's local hold its value. */
  private need(address: number): void {
    const bit = this.bitOf(address);
    this.used |= bit;
    if (!this.writeThrough || bit === 0 || (this.valid & bit) !== 0) return;
    this.loadRegister((address - GPR_START) >> 3);
    this.valid |= bit;
  }

  override block(type: BlockType = VOID): Label {
    this.validOutside.push(this.valid);
    return super.block(type);
  }
  override loop(type: BlockType = VOID): Label {
    // Its top is reached from its end too, where locals may hold other values than these; all writes go through.
    this.validOutside.push(this.valid);
    return super.loop(type);
  }
  override if_(type: BlockType = VOID, likely?: boolean): this {
    this.validOutside.push(this.valid);
    return super.if_(type, likely);
  }
  override else_ = (): this => {
    this.valid = this.validOutside[this.validOutside.length - 1];
    return plain.else_.call(this) as this;
  };
  override end(): this {
    this.valid = this.validOutside.pop() ?? 0;
    return super.end();
  }

  /** Pushes `bytes` of the state at an address as i64. */
  readField(address: number, bytes: number, signed: boolean): this {
    if (address === ZERO) return this.i64_const(0);
    this.need(address);
    this.get(this.localOf(address));
    const shift = (address & 7) * 8;
    if (bytes === 8) return this;
    if (shift !== 0) this.i64_const(shift).i64_shr_u();
    if (!signed) this.i64_const(mask(bytes)).i64_and();
    else if (bytes === 4) this.i64_extend32_s();
    else if (bytes === 2) this.i64_extend16_s();
    else this.i64_extend8_s();
    return this;
  }

  /** Pops an i64 into `bytes` of the state at an address; the rest of the local stays. */
  writeField(address: number, bytes: number): this {
    const local = this.localOf(address);
    const bit = this.bitOf(address);
    this.modified |= bit;
    if (bytes === 8) {
      this.set(local);
      return this.writeBack(address, bit);
    }
    // The rest of a register that is not in its local stays where it is.
    if (this.writeThrough) this.need(address);
    this.used |= bit;
    const shift = (address & 7) * 8;
    this.i64_const(mask(bytes)).i64_and();
    if (shift !== 0) this.i64_const(shift).i64_shl();
    this.get(local)
      .i64_const(~(mask(bytes) << BigInt(shift)))
      .i64_and()
      .i64_or()
      .set(local);
    return this.writeBack(address, bit);
  }

  private writeBack(address: number, bit: number): this {
    if (!this.writeThrough || bit === 0) return this;
    this.valid |= bit;
    this.storeRegister((address - GPR_START) >> 3);
    return this;
  }

  private load(offset: number, bytes: number, signed: boolean, inMemory: () => FunctionBuilder): this {
    if (offset !== ZERO && this.localOf(offset) < 0) {
      inMemory();
      return this;
    }
    this.drop();
    return this.readField(offset, bytes, signed);
  }

  private store(offset: number, bytes: number, inMemory: () => FunctionBuilder): this {
    if (this.localOf(offset) < 0) {
      inMemory();
      return this;
    }
    this.writeField(offset, bytes).drop();
    return this;
  }

  override i64_load = (offset = 0): this => this.load(offset, 8, false, () => plain.i64_load.call(this, offset));
  override i64_load32_u = (offset = 0): this =>
    this.load(offset, 4, false, () => plain.i64_load32_u.call(this, offset));
  override i64_load32_s = (offset = 0): this => this.load(offset, 4, true, () => plain.i64_load32_s.call(this, offset));
  override i64_load16_u = (offset = 0): this =>
    this.load(offset, 2, false, () => plain.i64_load16_u.call(this, offset));
  override i64_load16_s = (offset = 0): this => this.load(offset, 2, true, () => plain.i64_load16_s.call(this, offset));
  override i64_load8_u = (offset = 0): this => this.load(offset, 1, false, () => plain.i64_load8_u.call(this, offset));
  override i64_load8_s = (offset = 0): this => this.load(offset, 1, true, () => plain.i64_load8_s.call(this, offset));
  override i64_store = (offset = 0): this => this.store(offset, 8, () => plain.i64_store.call(this, offset));
  override i64_store32 = (offset = 0): this => this.store(offset, 4, () => plain.i64_store32.call(this, offset));
  override i64_store16 = (offset = 0): this => this.store(offset, 2, () => plain.i64_store16.call(this, offset));
  override i64_store8 = (offset = 0): this => this.store(offset, 1, () => plain.i64_store8.call(this, offset));

  override i32_load = (offset = 0): this => {
    if (offset === RMW_HOST) return this.drop().get(this.rmwHost) as this;
    return this.load32(offset, 4, () => plain.i32_load.call(this, offset));
  };
  override i32_load8_u = (offset = 0): this => this.load32(offset, 1, () => plain.i32_load8_u.call(this, offset));
  override i32_load16_u = (offset = 0): this => this.load32(offset, 2, () => plain.i32_load16_u.call(this, offset));
  override i32_store = (offset = 0): this => {
    if (offset === RMW_HOST) return this.set(this.rmwHost).drop() as this;
    return this.store32(offset, 4, () => plain.i32_store.call(this, offset));
  };
  override i32_store8 = (offset = 0): this => this.store32(offset, 1, () => plain.i32_store8.call(this, offset));
  override i32_store16 = (offset = 0): this => this.store32(offset, 2, () => plain.i32_store16.call(this, offset));

  private load32(offset: number, bytes: number, inMemory: () => FunctionBuilder): this {
    if (this.localOf(offset) < 0) {
      inMemory();
      return this;
    }
    this.drop();
    this.readField(offset, bytes, false).i32_wrap_i64();
    return this;
  }

  private store32(offset: number, bytes: number, inMemory: () => FunctionBuilder): this {
    if (this.localOf(offset) < 0) {
      inMemory();
      return this;
    }
    this.i64_extend_i32_u();
    this.writeField(offset, bytes).drop();
    return this;
  }

  /** Calls a function of the interpreter's module. */
  override call(functionIndex: number): this {
    return super.call(this.functionOf(functionIndex - this.helpers.first));
  }

  /** Registers are in their locals alone from here on; those that the code uses are loaded. */
  keepRegisters(used: number): void {
    for (let register = 0; register < 16; register++) {
      if ((used & (1 << register)) !== 0) this.loadRegister(register);
    }
    this.writeThrough = false;
    this.used = this.modified = 0;
  }

  /** Registers are written through again; the code has stored what it changed. Answers what it used. */
  releaseRegisters(): { used: number; written: number } {
    this.writeThrough = true;
    this.valid = 0;
    return { used: this.used | this.modified, written: this.modified };
  }

  /** Stores the locals of registers to the state block. */
  storeRegisters(registers: number): void {
    for (let register = 0; register < 16; register++) {
      if ((registers & (1 << register)) !== 0) this.storeRegister(register);
    }
  }

  /** The state block holds other values of these registers now. */
  reloadRegisters(registers: number): void {
    if (this.writeThrough) {
      this.valid &= ~registers;
      for (let i = 0; i < this.validOutside.length; i++) this.validOutside[i] &= ~registers;
      return;
    }
    this.used |= registers;
    this.modified |= registers;
    for (let register = 0; register < 16; register++) {
      if ((registers & (1 << register)) !== 0) this.loadRegister(register);
    }
  }

  /** Makes the state block hold registers that code outside looks for there. */
  showRegisters(registers: number): void {
    if (this.writeThrough) return;
    this.used |= registers;
    this.storeRegisters(registers);
  }

  private loadRegister(register: number): void {
    this.i32_const(0);
    plain.i64_load.call(this, GPR(register));
    this.set(this.register(register));
  }

  private storeRegister(register: number): void {
    this.i32_const(0).get(this.register(register));
    plain.i64_store.call(this, GPR(register));
  }

  loadTemporary(address: number): void {
    this.i32_const(0);
    plain.i64_load.call(this, address);
    this.set(this.localOf(address));
  }

  /** Stores a temporary's local to the state block. */
  storeTemporary(address: number): void {
    this.i32_const(0).get(this.localOf(address));
    plain.i64_store.call(this, address);
  }

  /** Puts a body behind this one; its locals and labels must be this one's. */
  appendBody(body: RegionCode): void {
    for (const hint of body.hints) this.hints.push({ offset: hint.offset + this.length, likely: hint.likely });
    this.append(body.bytes, body.length);
  }
}
