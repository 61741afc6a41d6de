import type { FlagKind, LowOperation, OperandSize } from "../semantics/context.ts";
import { EmissionContext, storeSized, WRITE_ARRAY } from "../semantics/emission-context.ts";
import type { OperandKinds } from "../semantics/registry.ts";
import { ALLOWED_RECORD, DATA_RECORD, GPR, PAGE_VA, STACK_RECORD, ZERO } from "../state.ts";
import type { BlockEmitter } from "./block-emitter.ts";
import { isAllowed, isStackAddress, type RecordFields } from "./region-record.ts";
import type { RegionCode } from "./state-locals.ts";

/** An instruction's operands as its record names them, known while code is emitted; registers are locals. */
export class TranslatorContext extends EmissionContext {
  readonly code: RegionCode;
  /** What is written next is the result of a 32-bit operation. */
  private zeroExtended = false;

  constructor(
    protected readonly block: BlockEmitter,
    protected readonly record: RecordFields,
    size: OperandSize,
    kinds: OperandKinds,
    readsOnly = false,
    segmented = false,
  ) {
    super(block.frame, size, kinds, readsOnly, segmented);
    this.code = block.f;
  }

  private address(operand: 0 | 1): number {
    return operand === 0 ? this.record.dst : this.record.src;
  }

  operandAddress(operand: 0 | 1): void {
    this.f.i32_const(this.address(operand));
  }

  protected readRegister(operand: 0 | 1, size: OperandSize, signed: boolean): void {
    const address = this.address(operand);
    if (address === ZERO || this.code.localOf(address) >= 0) this.code.readField(address, size, signed);
    else {
      // A segment selector.
      this.f.i32_const(0);
      if (size === 2 && signed) this.f.i64_load16_s(address);
      else if (size === 2) this.f.i64_load16_u(address);
      else this.f.i64_load(address);
    }
  }

  override readLow(operand: 0 | 1): void {
    const kind = this.kinds[operand] ?? "r";
    const address = this.address(operand);
    // AH to BH lie above other bits; all else can be had without extension.
    if (kind === "r" && (address & 7) === 0 && this.code.localOf(address) >= 0) this.code.readField(address, 8, false);
    else this.read(operand);
  }

  /** 32-bit operations of the engine's own leave the upper half 0, so that a register needs no masking. */
  override low(operation: LowOperation): void {
    const { f } = this;
    if (this.size !== 4) {
      super.low(operation);
      return;
    }
    const { entry } = this.frame.own;
    f.i32_wrap_i64().set(entry).i32_wrap_i64().get(entry);
    f[`i32_${operation}`]().i64_extend_i32_u();
    this.zeroExtended = true;
  }

  protected writeRegister(operand: 0 | 1): void {
    const { f, size } = this;
    const address = this.address(operand);
    if (size === 4) {
      if (!this.zeroExtended) f.i64_const(0xffffffff).i64_and();
      this.zeroExtended = false;
      this.code.writeField(address, 8);
    } else this.code.writeField(address, size);
  }

  loadDestination64(): void {
    this.code.readField(this.record.dst, 8, false);
  }

  storeDestination64(): void {
    this.code.writeField(this.record.dst, 8);
  }

  spillOperand(operand: 0 | 1): void {
    this.block.spill(this.address(operand));
  }

  reloadOperand(operand: 0 | 1): void {
    this.block.reload(this.address(operand));
  }

  immediate(): void {
    const { immLo, immHi } = this.record;
    if (immHi === immLo >> 31) this.f.i64_const(immLo);
    else this.f.i64_const((BigInt(immHi) << 32n) | BigInt(immLo >>> 0));
  }

  override get immediateByte(): number {
    return this.record.immLo & 0xff;
  }

  immediate32(): void {
    this.f.i32_const(this.record.immLo);
  }

  immediateAddress(): void {
    this.block.pushImmediate(this.record);
  }

  effectiveAddress(): void {
    const { f } = this;
    const { base, index, scale, segment, disp } = this.record;
    let pushed = false;
    const add = (push: () => void): void => {
      push();
      if (pushed) f.i64_add();
      pushed = true;
    };
    if (base === PAGE_VA) add(() => this.block.pushAddress(this.block.pageOf(this.record) + disp));
    else {
      if (base !== ZERO) add(() => this.code.readField(base, 8, false));
      if (index !== ZERO)
        add(() => {
          this.code.readField(index, 8, false);
          if (scale !== 0) f.i64_const(scale).i64_shl();
        });
      if (disp !== 0 || !pushed) add(() => f.i64_const(disp));
    }
    if (segment !== ZERO) add(() => f.i32_const(0).i64_load(segment));
  }

  nextRip(): void {
    this.block.pushAddress(this.block.pageOf(this.record) + this.record.next);
  }

  recordPointer(): void {
    const { record } = this;
    this.f.i32_const(isAllowed(record) ? ALLOWED_RECORD : isStackAddress(record) ? STACK_RECORD : DATA_RECORD);
  }

  sourceBase(): void {
    this.loadState(this.record.segment);
  }

  destinationBase(): void {
    this.loadState(this.record.base);
  }

  protected instructionLength(): void {
    this.f.i32_const(this.record.length);
  }

  setFlags(kind: FlagKind, r: number, a?: number, b?: number): void {
    this.block.flags.set(kind, this.size, r, a, b);
  }

  setFlagsLow(kind: FlagKind, r: number, a?: number, b?: number): void {
    this.block.flags.set(kind, this.size, r, a, b);
  }

  setExplicitFlags(): void {
    this.block.flags.setExplicit();
  }

  changeCarry(): void {
    this.block.flags.changeCarry(this.frame.own.entry);
  }

  override stateChanged(address: number): void {
    this.block.reload(address);
  }

  override branchFlags(): void {
    this.block.flags.giveUp();
  }

  override mergeFlags(): void {
    this.block.flags.mergeBranch();
  }

  carry(): void {
    this.block.flags.carry();
  }

  condition(code: number): void {
    this.block.flags.condition(code);
  }

  arithmeticFlags(): void {
    this.block.flags.arithmeticFlags();
  }

  /** Stores that need more than memory leave the region before they happen, so nothing is left to do behind one. */
  override commit(): void {}

  protected override storeAtAddress(size: OperandSize): void {
    const { f } = this;
    const { value, host } = this.frame.own;
    this.translateWrite(size);
    f.drop().get(host).get(value);
    storeSized(f, size);
  }

  override translateWrite(size: number): void {
    this.translate(size, WRITE_ARRAY, this.functions.translateWrite);
  }

  repeat(): void {
    throw new Error("string instructions are not emitted in regions");
  }
}

/** Whether a state address names a general register, or part of one. */
export const isGeneral = (address: number): boolean => address >= GPR(0) && address < GPR(16);
