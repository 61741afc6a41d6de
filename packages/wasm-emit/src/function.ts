import { ByteWriter } from "./bytes.ts";
import {
  laneOpcodes,
  memoryOpcodes,
  plainOpcodes,
  saturatingOpcodes,
  vectorMemoryOpcodes,
  vectorOpcodes,
} from "./opcodes.ts";

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export const FUNCREF = 0x70;
export const VOID = 0x40;
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128;
export type BlockType = ValueType | typeof VOID;

/** A structured-control label: the nesting depth at which its block was opened. */
export type Label = number & { readonly label?: never };

type Plain = { [K in keyof typeof plainOpcodes]: () => FunctionBuilder };
type Memory = { [K in keyof typeof memoryOpcodes]: (offset?: number) => FunctionBuilder };
type VectorMemory = { [K in keyof typeof vectorMemoryOpcodes]: (offset?: number) => FunctionBuilder };
type Lane = { [K in keyof typeof laneOpcodes]: (lane: number) => FunctionBuilder };
type Vector = { [K in keyof typeof vectorOpcodes]: () => FunctionBuilder };
type Saturating = { [K in keyof typeof saturatingOpcodes]: () => FunctionBuilder };

/** Every opcode as a chainable method: `f.get(a).get(b).i64_add().set(c)`. */
export interface FunctionBuilder extends Plain, Memory, VectorMemory, Lane, Vector, Saturating {}

/** Assembles one function body, instruction by instruction, straight into bytes. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the opcode methods are put on the prototype below, from the tables.
export class FunctionBuilder extends ByteWriter {
  readonly locals: ValueType[] = [];
  /** Branch hints: byte offsets in the body of `if` and `br_if` instructions, and whether they are likely taken. */
  readonly hints: { offset: number; likely: boolean }[] = [];
  private depth = 0;

  constructor(readonly parameterCount: number) {
    super(1024);
  }

  /** Declares a local and returns its index. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.parameterCount + this.locals.length - 1;
  }

  get(local: number): this {
    return this.byte(0x20).u32(local);
  }
  set(local: number): this {
    return this.byte(0x21).u32(local);
  }
  tee(local: number): this {
    return this.byte(0x22).u32(local);
  }
  globalGet(index: number): this {
    return this.byte(0x23).u32(index);
  }
  globalSet(index: number): this {
    return this.byte(0x24).u32(index);
  }
  i32_const(value: number): this {
    return this.byte(0x41).s32(value);
  }
  i64_const(value: number | bigint): this {
    return this.byte(0x42).s64(value);
  }
  f32_const(value: number): this {
    return this.byte(0x43).f32(value);
  }
  f64_const(value: number): this {
    return this.byte(0x44).f64(value);
  }
  /** Sixteen bytes, lowest address first. */
  v128_const(bytes: ArrayLike<number>): this {
    this.byte(0xfd).u32(12);
    for (let i = 0; i < 16; i++) this.byte(bytes[i]);
    return this;
  }
  i8x16_shuffle(lanes: ArrayLike<number>): this {
    this.byte(0xfd).u32(13);
    for (let i = 0; i < 16; i++) this.byte(lanes[i]);
    return this;
  }

  block(type: BlockType = VOID): Label {
    this.byte(0x02).byte(type);
    return ++this.depth;
  }
  loop(type: BlockType = VOID): Label {
    this.byte(0x03).byte(type);
    return ++this.depth;
  }
  /**
   * Opens an if; unlike `block` and `loop` it chains, as hardly anybody branches to its end.
   * @param likely a hint for the engine (WebAssembly branch hinting proposal), which may ignore it
   */
  if_(type: BlockType = VOID, likely?: boolean): this {
    if (likely !== undefined) this.hints.push({ offset: this.length, likely });
    this.depth++;
    return this.byte(0x04).byte(type);
  }
  end(): this {
    this.depth--;
    return this.byte(0x0b);
  }
  br(label: Label): this {
    return this.byte(0x0c).u32(this.depth - label);
  }
  br_if(label: Label, likely?: boolean): this {
    if (likely !== undefined) this.hints.push({ offset: this.length, likely });
    return this.byte(0x0d).u32(this.depth - label);
  }
  br_table(labels: readonly Label[], fallback: Label): this {
    this.byte(0x0e).u32(labels.length);
    for (const label of labels) this.u32(this.depth - label);
    return this.u32(this.depth - fallback);
  }
  call(functionIndex: number): this {
    return this.byte(0x10).u32(functionIndex);
  }
  call_indirect(typeIndex: number, table = 0): this {
    return this.byte(0x11).u32(typeIndex).u32(table);
  }
  memory_copy(): this {
    return this.byte(0xfc).u32(10).byte(0).byte(0);
  }
  memory_fill(): this {
    return this.byte(0xfc).u32(11).byte(0);
  }
}

type Methods = Record<string, (this: FunctionBuilder, immediate?: number) => FunctionBuilder>;
const prototype = FunctionBuilder.prototype as unknown as Methods;

for (const [name, opcode] of Object.entries(plainOpcodes)) {
  prototype[name] = function () {
    return this.byte(opcode);
  };
}
for (const [name, opcode] of Object.entries(memoryOpcodes)) {
  prototype[name] = function (offset = 0) {
    return this.byte(opcode).byte(0).u32(offset);
  };
}
for (const [name, opcode] of Object.entries(vectorMemoryOpcodes)) {
  prototype[name] = function (offset = 0) {
    return this.byte(0xfd).u32(opcode).byte(0).u32(offset);
  };
}
for (const [name, opcode] of Object.entries(laneOpcodes)) {
  prototype[name] = function (lane = 0) {
    return this.byte(0xfd).u32(opcode).byte(lane);
  };
}
for (const [name, opcode] of Object.entries(vectorOpcodes)) {
  prototype[name] = function () {
    return this.byte(0xfd).u32(opcode);
  };
}
for (const [name, opcode] of Object.entries(saturatingOpcodes)) {
  prototype[name] = function () {
    return this.byte(0xfc).u32(opcode);
  };
}
