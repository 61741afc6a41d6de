import { FunctionBuilder, I32, I64 } from "@xen-node/wasm-emit";
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
 * constant, is dropped. Calls go through the table of helpers.
 */
export class RegionCode extends FunctionBuilder {
  /** Registers that were read or written, and those that were written, as bits. */
  used = 0;
  modified = 0;
  private readonly fields = new Map<number, number>();
  private readonly rmwHost: number;

  constructor(
    parameterCount: number,
    private readonly helpers: HelperTable,
    /** Index in the region's own module of a signature. */
    private readonly typeOf: (helper: number) => number,
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

  private note(address: number, written: boolean): void {
    if (address < GPR_START || address >= GPR_END) return;
    const bit = 1 << ((address - GPR_START) >> 3);
    this.used |= bit;
    if (written) this.modified |= bit;
  }

  /** Pushes `bytes` of the state at an address as i64. */
  readField(address: number, bytes: number, signed: boolean): this {
    if (address === ZERO) return this.i64_const(0);
    this.note(address, false);
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
    this.note(address, true);
    if (bytes === 8) return this.set(local);
    const shift = (address & 7) * 8;
    this.i64_const(mask(bytes)).i64_and();
    if (shift !== 0) this.i64_const(shift).i64_shl();
    this.get(local)
      .i64_const(~(mask(bytes) << BigInt(shift)))
      .i64_and()
      .i64_or();
    return this.set(local);
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
    const helper = functionIndex - this.helpers.first;
    return this.i32_const(helper).call_indirect(this.typeOf(helper), 0);
  }

  /** Loads the registers of the state block that the body uses: for the function's start. */
  loadRegisters(used: number): void {
    for (let register = 0; register < 16; register++) {
      if ((used & (1 << register)) !== 0) this.loadRegister(register);
    }
  }

  loadRegister(register: number): void {
    this.i32_const(0);
    plain.i64_load.call(this, GPR(register));
    this.set(this.register(register));
  }

  /** Stores a register's local to the state block. */
  storeRegister(register: number): void {
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
