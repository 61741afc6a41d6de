import { type FunctionBuilder, I32, V128, type ValueType } from "@xen-node/wasm-emit";
import { type OpcodeEntry, OperandWidth } from "../decode/index.ts";
import type { SoftFloat } from "../softfloat/index.ts";
import { FSW, FTW, TLB_BANK, VECTOR } from "../state.ts";
import { type EmissionContext, type Frame, WRITE_ARRAY } from "./emission-context.ts";
import { usesMmx, type VectorKind } from "./vector-operands.ts";

/** Wasm functions that vector handlers share. */
export interface VectorFunctions {
  readonly soft: SoftFloat;
  /** () → (): takes rounding, masks and denormal treatment from MXCSR for the soft-float functions and clears their flags. */
  readonly begin: number;
  /** () → i32: adds the flags to MXCSR; the vector of an unmasked exception (#XM or #UD), or 0. */
  readonly finish: number;
  /** (a: i32, b: i32, lengthA: i32, lengthB: i32, control: i32) → i32: IntRes2 of the string comparisons. */
  readonly compareStrings: number;
  /** (address: i32, control: i32) → i32: elements before the first that is zero. */
  readonly stringLength: number;
  /** (bits: i32) → i32: RCPSS and RSQRTSS. */
  readonly reciprocal: number;
  readonly reciprocalRoot: number;
}

/** Emits an instruction against abstract operands: 0 is the destination, 1 the source. */
export type VectorSemantics = (c: VectorContext) => void;

/** 16-byte memory operands that need no alignment. */
const unaligned = new Set(["movups", "movupd", "movdqu", "lddqu", "pcmpestrm", "pcmpestri", "pcmpistrm", "pcmpistri"]);

/** Raises an x87 exception that is pending. */
export function emitPendingX87(c: Pick<EmissionContext, "f" | "raise">): void {
  c.f.i32_const(0).i32_load16_u(FSW).i32_const(0x80).i32_and().if_();
  c.raise(VECTOR.MF);
  c.f.end();
}

/** The top of x87's stack becomes 0, and all registers valid. */
export function emitMmxTransition(f: FunctionBuilder): void {
  f.i32_const(0).i32_const(0).i32_load16_u(FSW).i32_const(~0x3800).i32_and().i32_store16(FSW);
  f.i32_const(0).i32_const(0).i32_store16(FTW);
}

/** What one vector instruction is emitted against: registers and memory alike are addresses in machine memory. */
export class VectorContext {
  readonly f: FunctionBuilder;
  private readonly frame: Frame;
  private readonly addresses: number[] = [];
  private readonly needsCommit: boolean;

  constructor(
    /** The integer side: effective address, flags, exceptions. */
    readonly core: EmissionContext,
    readonly functions: VectorFunctions,
    private readonly entry: OpcodeEntry,
    /** Kinds of the operands that have one. */
    readonly kinds: readonly VectorKind[],
    /** Width of general registers, 4 or 8. */
    readonly generalSize: 4 | 8,
  ) {
    this.f = core.f;
    this.frame = core.frame;
    this.needsCommit = kinds[0] === "m" && entry.mnemonic !== "ldmxcsr";
    this.prologue();
  }

  /** The instruction works on MMX registers. */
  get mmx(): boolean {
    return this.kinds.includes("p");
  }

  private prologue(): void {
    const { f, kinds } = this;
    // Before any memory access.
    if (this.usesX87) emitPendingX87(this.core);
    for (const operand of [0, 1] as const) {
      if (kinds[operand] === undefined || kinds[operand] === "i") continue;
      const address = this.local(I32);
      this.addresses[operand] = address;
      if (kinds[operand] === "m") this.translate(operand);
      else {
        if (kinds[operand] === "r") this.core.spillOperand(operand);
        this.core.operandAddress(operand);
      }
      f.set(address);
    }
    // Once the operand is there, but also if a SIMD exception follows.
    if (this.usesX87) emitMmxTransition(f);
  }

  /** The x87 registers turn into MMX registers, with all of them valid. */
  private get usesX87(): boolean {
    return usesMmx(this.entry, this.kinds.join(""));
  }

  /** Must follow the semantics. */
  end(): void {
    if (this.kinds[0] === "r") this.core.reloadOperand(0);
    if (this.needsCommit) this.core.commit(this.addresses[0]);
  }

  /** Bytes of a memory operand. */
  private memoryBytes(operand: 0 | 1): number {
    const width = this.entry.operands[operand].memoryWidth;
    return width === OperandWidth.Y ? this.generalSize : width;
  }

  /** Pushes the host address of a memory operand, or raises its fault. */
  private translate(operand: 0 | 1): void {
    const { f, frame } = this;
    const { ea, entry, host } = frame.own;
    const bytes = this.memoryBytes(operand);
    const { translateRead, translateReadAligned, translateWrite, translateWriteAligned } = frame.functions;
    const aligned = bytes === 16 && !unaligned.has(this.entry.mnemonic);
    const writes = operand === 0 && this.needsCommit;
    const array = writes ? WRITE_ARRAY : 0;
    this.core.effectiveAddress();
    f.tee(ea).i64_const(8).i64_shr_u().i32_wrap_i64().i32_const(0xfff0).i32_and();
    if (frame.bank >= 0) f.get(frame.bank);
    else f.i32_const(0).i32_load(TLB_BANK);
    f.i32_add().tee(entry).i64_load(array).get(ea).i64_xor();
    // An aligned operand crosses no page: its low four bits are 0 as the tag's are, the rest of the page offset is free.
    if (aligned) f.i64_const(~0xff0).i64_and().i64_eqz();
    else f.i64_const(4096 - bytes).i64_le_u();
    f.if_(I32, true)
      .get(entry)
      .i32_load(array + 8)
      .get(ea)
      .i32_wrap_i64()
      .i32_add();
    f.else_().get(ea).i32_const(bytes);
    this.core.recordPointer();
    if (writes) f.call(aligned ? translateWriteAligned : translateWrite);
    else f.call(aligned ? translateReadAligned : translateRead);
    f.tee(host).i32_eqz().if_();
    frame.leave();
    f.end().get(host).end();
  }

  local(type: ValueType): number {
    return this.f.local(type);
  }

  /** Pops a vector into a fresh local. */
  let(): number {
    const local = this.f.local(V128);
    this.f.set(local);
    return local;
  }

  /** Pops an i32 into a fresh local. */
  letI32(): number {
    const local = this.f.local(I32);
    this.f.set(local);
    return local;
  }

  /** Pushes the host address of an operand. */
  address(operand: 0 | 1): void {
    this.f.get(this.addresses[operand]);
  }

  /** Pushes an operand as a vector; MMX registers and short memory operands fill its low bytes, the rest is 0. */
  vector(operand: 0 | 1): void {
    const { f } = this;
    this.address(operand);
    const bytes = this.operandBytes(operand);
    if (bytes === 16) f.v128_load();
    else if (bytes === 8) f.v128_load64_zero();
    else if (bytes === 4) f.v128_load32_zero();
    else f.i32_load16_u().i32x4_splat();
  }

  private operandBytes(operand: 0 | 1): number {
    switch (this.kinds[operand]) {
      case "x":
        return 16;
      case "p":
        return 8;
      case "m":
        return this.memoryBytes(operand);
      default:
        return this.generalSize;
    }
  }

  /** Pushes a general register or memory operand of the general width as i64, zero-extended. */
  general(operand: 0 | 1): void {
    this.address(operand);
    if (this.generalSize === 8) this.f.i64_load();
    else this.f.i64_load32_u();
  }

  /** Stores what `value` pushes (a vector) to the destination: its low bytes if the destination is shorter. */
  store(value: () => void): void {
    const { f } = this;
    const bytes = this.operandBytes(0);
    this.address(0);
    value();
    if (bytes === 16) f.v128_store();
    else if (bytes === 8) f.i64x2_extract_lane(0).i64_store();
    else f.i32x4_extract_lane(0).i32_store();
    this.finishMmx();
  }

  /** Stores an i64 that `value` pushes to the low half of the destination. */
  storeLow64(value: () => void): void {
    this.address(0);
    value();
    this.f.i64_store();
    this.finishMmx();
  }

  /** Stores an i32 that `value` pushes to the low quarter of the destination. */
  storeLow32(value: () => void): void {
    this.address(0);
    value();
    this.f.i32_store();
    this.finishMmx();
  }

  /** Bits 64-79 of a physical register become ones when its MMX part is written. */
  finishMmx(): void {
    if (this.kinds[0] !== "p") return;
    this.address(0);
    this.f.i32_const(0xffff).i32_store16(8);
  }

  /** Pushes the immediate, or its first 4 bytes if the lowering made more of it. */
  immediate(): void {
    this.core.immediate32();
  }

  /** Pushes where the 8 bytes lie that the lowering made of the immediate. */
  immediateAddress(): void {
    this.core.immediateAddress();
  }

  /** Pushes the effective address; pops it and pushes the host address of `bytes` to write there. */
  translateDestination(bytes: number): void {
    const { f, frame } = this;
    this.core.effectiveAddress();
    f.i32_const(bytes);
    this.core.recordPointer();
    f.call(frame.functions.translateWrite).tee(frame.own.host).i32_eqz().if_();
    frame.leave();
    f.end().get(frame.own.host);
  }

  commit(): void {
    this.f.call(this.frame.functions.commit);
  }

  /** Leaves after the exception whose vector is in an i32 local, without error code. */
  raiseLocal(vector: number): void {
    const { f } = this;
    f.get(vector).i32_const(VECTOR.XM).i32_eq().if_();
    this.core.raise(VECTOR.XM);
    f.end();
    this.core.raise(VECTOR.UD);
  }
}
