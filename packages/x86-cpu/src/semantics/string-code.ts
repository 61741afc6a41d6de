import { I32, I64, V128 } from "@xen-node/wasm-emit";
import { Code, Expression, type Local, type Operand } from "../softfloat/expression.ts";
import { DF, RCX, RDI, READ_BOUNDS, RSI, SPLIT_WRITE, SS, SYSTEM_FLAGS, TF, TLB_BANK, VECTOR } from "../state.ts";
import type { OperandSize, StringContext, Vector } from "./context.ts";
import { WRITE_ARRAY } from "./emission-context.ts";

export type Repeat = "" | "rep" | "repe" | "repne";

const LOADS = { 1: "i64_load8_u", 2: "i64_load16_u", 4: "i64_load32_u", 8: "i64_load" } as const;
const SIGNED_LOADS = { 1: "i64_load8_s", 2: "i64_load16_s", 4: "i64_load32_s", 8: "i64_load" } as const;
const STORES = { 1: "i64_store8", 2: "i64_store16", 4: "i64_store32", 8: "i64_store" } as const;

const PAGE = 4096;
const VECTOR_BYTES = 16;
/** Calls into the engine's own copying and filling pay from about here on. */
const LONG_COPY = 256;
const LONG_FILL = 1024;

/** What is raised where the source's segment refuses: a prefix may have made it SS. */
export const sourceVector =
  (c: StringContext): Vector =>
  () => {
    c.f.i32_const(VECTOR.SS).i32_const(VECTOR.GP);
    c.operandAddress(0);
    c.f.i32_const(READ_BOUNDS(SS)).i32_eq().select();
  };

/** One string operand of a chunk: its linear address going through, its lowest one, and where that is in machine memory. */
export interface StringOperand {
  readonly register: number;
  readonly access: "read" | "write";
  /** Segmented: its offset, which is checked, and the operand of the record whose address its bounds have. */
  readonly offset: Local | undefined;
  readonly bounds: 0 | 1;
  /** Address of the first element. */
  readonly address: Local;
  /** Address of the lowest byte: that of the first element going up, of the last one going down. */
  readonly lowest: Local;
  readonly host: Local;
}

/** What string instructions are emitted with. A chunk is `count` elements, all in one page of each operand. */
export class StringCode extends Code {
  readonly size: OperandSize;
  /** Chunks are one element: not repeated, or each element is checked against its segment. */
  readonly single: boolean;
  private readonly shift: number;
  /** i64: elements of the chunk. */
  readonly count: Local;
  /** i32: its bytes. */
  readonly bytes: Local;
  /** i32: DF and TF. */
  private readonly direction: Local;
  /** i64: all ones going down, else 0. */
  private readonly down: Local;

  constructor(
    readonly c: StringContext,
    readonly repeat: Repeat,
  ) {
    super(c.f);
    this.size = c.size;
    this.single = repeat === "" || c.segmented;
    this.shift = Math.log2(c.size);
    this.count = this.local(I64);
    this.bytes = this.local(I32);
    this.direction = this.let(this.load("i32_load", 0, SYSTEM_FLAGS).and(DF | TF));
    this.down = this.let(this.i32(0).sub(this.direction.and(DF).ne(0)).extendS());
  }

  /** A value that the context pushes. */
  pushed(type: typeof I32 | typeof I64, push: () => void): Expression {
    return new Expression(type, push);
  }

  register(register: number): Expression {
    return this.load(LOADS[this.c.addressSize], 0, register);
  }

  private setRegister(register: number, value: Expression): void {
    // Of SI, DI and CX alone the rest of the register stays.
    if (this.c.addressSize === 2) this.store("i64_store16", 0, value, register);
    else this.store("i64_store", 0, this.c.addressSize === 4 ? value.and(0xffffffff) : value, register);
  }

  get backwards(): Expression {
    return this.down.wrap();
  }

  element(host: Operand, signed = false): Expression {
    return this.load((signed ? SIGNED_LOADS : LOADS)[this.size], host);
  }

  putElement(host: Operand, value: Operand, offset = 0): void {
    this.store(STORES[this.size], host, value, offset);
  }

  source(): StringOperand {
    return this.operand(RSI, "read", 0, () => this.c.sourceBase());
  }

  destination(access: "read" | "write"): StringOperand {
    return this.operand(RDI, access, 1, () => this.c.destinationBase());
  }

  private operand(register: number, access: "read" | "write", bounds: 0 | 1, base: () => void): StringOperand {
    const segmented = this.c.segmented ? this.let(this.register(register)) : undefined;
    const linear = (segmented ?? this.register(register)).add(this.pushed(I64, base));
    const address = this.let(segmented === undefined ? linear : linear.and(0xffffffff));
    return { register, access, offset: segmented, bounds, address, lowest: this.local(I64), host: this.local(I32) };
  }

  /**
   * Emits a chunk: `work` with all operands translated. Nothing is done if a repeated instruction's rCX is 0; behind the
   * chunk the registers have moved on, and the instruction is repeated while there is a count left and `again` holds; if
   * not, it ends with `end`.
   */
  chunk(operands: readonly StringOperand[], work: () => void, again?: () => Expression, end = () => {}): void {
    if (this.repeat === "") {
      this.set(this.count, 1);
      this.set(this.bytes, this.size);
      this.translate(operands);
      work();
      this.advance(operands);
      end();
      return;
    }
    const left = this.let(this.register(RCX));
    this.if(left.ne(0), () => {
      if (this.single) this.set(this.count, 1);
      else {
        this.set(this.count, left);
        for (const { address } of operands) this.limit(address);
        // Below the page of a base, 32-bit addresses of 64-bit mode wrap in the middle of a page; destinations have no base.
        if (this.c.addressSize === 4 && operands[0].register === RSI) this.limit(this.let(this.register(RSI)));
        this.if(this.direction.and(TF), () => this.set(this.count, 1));
      }
      this.translate(operands);
      work();
      this.advance(operands);
      this.set(left, left.sub(this.count));
      this.setRegister(RCX, left);
      const more = left.ne(0);
      this.if(again === undefined ? more : more.and(again()), () => this.c.repeat());
      end();
    });
  }

  private advance(operands: readonly StringOperand[]): void {
    const amount = this.let(this.count.shl(this.shift).xor(this.down).sub(this.down));
    for (const { register } of operands) this.setRegister(register, this.register(register).add(amount));
  }

  /** Bounds the count by what lies in the page of an address; an element that crosses its border is done alone. */
  private limit(address: Local): void {
    const { count, size, shift } = this;
    const offset = this.let(address.and(PAGE - 1));
    const above = this.i64(PAGE).sub(offset).shrU(shift);
    const below = offset.shrU(shift).add(1);
    const room = this.let(this.direction.and(DF).select(below, above));
    if (size > 1) this.set(room, offset.gtU(PAGE - size).select(this.i64(1), room));
    this.set(count, count.ltU(room).select(count, room));
  }

  /**
   * Translates the operands of the chunk, in their order. Going down, a miss is answered with one element first: it has to
   * be the first element whose fault is reported, not the lowest.
   */
  private translate(operands: readonly StringOperand[]): void {
    const { count, bytes, shift, down } = this;
    if (this.c.segmented) {
      this.translateSegmented(operands);
      return;
    }
    if (this.repeat !== "") this.set(bytes, count.shl(shift).wrap());
    const span = this.repeat === "" ? undefined : this.let(count.sub(1).shl(shift).and(down));
    const hits = operands.map(({ address, lowest, host, access }) => {
      this.set(lowest, span === undefined ? address : address.sub(span));
      const array = access === "read" ? 0 : WRITE_ARRAY;
      const entry = this.let(lowest.shrU(8).wrap().and(0xfff0).add(this.state(TLB_BANK)));
      this.set(host, this.load("i32_load", entry, array + 8).add(lowest.wrap()));
      return this.let(this.load("i64_load", entry, array).xor(lowest).leU(this.i32(PAGE).sub(bytes).extendU()));
    });
    const done = this.f.block();
    const [first, ...others] = hits;
    others.reduce<Expression>((all, one) => all.and(one), first).push(this.f);
    this.f.br_if(done, true);
    if (span !== undefined) {
      this.if(down.wrap(), () => {
        this.set(count, 1);
        this.set(bytes, this.size);
        for (const { address, lowest } of operands) this.set(lowest, address);
      });
    }
    for (const operand of operands) this.translateOne(operand);
    this.f.end();
  }

  private translateOne({ lowest, host, access }: StringOperand): void {
    const { translateRead, translateWrite } = this.c.functions;
    lowest.push(this.f);
    this.bytes.push(this.f);
    this.c.recordPointer();
    this.f.call(access === "read" ? translateRead : translateWrite);
    this.f.tee(host.index).i32_eqz().if_();
    this.c.leaveFault();
    this.f.end();
  }

  /** An element of each operand: its segment is asked before its page, and the source before the destination. */
  private translateSegmented(operands: readonly StringOperand[]): void {
    const { c, f, size, bytes } = this;
    this.set(bytes, size);
    for (const operand of operands) {
      const { offset, bounds, lowest, address } = operand;
      c.within(
        offset!.index,
        () => f.i64_const(size - 1),
        () => c.operandAddress(bounds),
        bounds === 0 ? sourceVector(c) : VECTOR.GP,
      );
      this.set(lowest, address);
      this.translateOne(operand);
    }
  }

  /** To follow the stores of a chunk. */
  commit({ host }: StringOperand): void {
    this.if(host.eq(SPLIT_WRITE), () => {
      host.push(this.f);
      this.f.call(this.c.functions.commit);
    });
  }

  /** Copies `bytes` bytes whose elements are all loaded before they are overwritten. */
  copyBlock(from: Local, to: Local): void {
    const { f, bytes } = this;
    // Sixteen bytes at a time go up, whatever the direction flag says: the engine's copying minds the overlap.
    this.if(
      bytes.geU(LONG_COPY).or(this.backwards),
      () => {
        this.push(to, from, bytes);
        f.memory_copy();
      },
      () => {
        const source = this.let(from);
        const target = this.let(to);
        const rest = this.let(bytes);
        this.while(rest.geU(VECTOR_BYTES), () => {
          this.push(target, source);
          f.v128_load().v128_store();
          this.step([source, target], VECTOR_BYTES);
          this.set(rest, rest.sub(VECTOR_BYTES));
        });
        this.tail(rest, (part) => {
          this.store(STORES[part], target, this.load(LOADS[part], source));
          this.step([source, target], part);
        });
      },
    );
  }

  /** Emits for each power of two from 8 down to the element size: does it if that many bytes are part of the rest. */
  private tail(rest: Local, emit: (part: OperandSize) => void): void {
    for (const part of [8, 4, 2, 1] as const) if (part >= this.size) this.if(rest.and(part), () => emit(part));
  }

  private step(pointers: readonly Local[], by: number): void {
    for (const pointer of pointers) this.set(pointer, pointer.add(by));
  }

  /** Copies element by element, from the first on: what overlaps may repeat a pattern. */
  copyElements(from: Local, to: Local): void {
    const span = this.bytes.sub(this.size);
    const offset = this.let(this.backwards.and(span));
    const step = this.let(this.backwards.select(this.i32(-this.size), this.i32(this.size)));
    const rest = this.let(this.bytes);
    this.while(rest, () => {
      this.putElement(to.add(offset), this.element(from.add(offset)));
      this.set(offset, offset.add(step));
      this.set(rest, rest.sub(this.size));
    });
  }

  /**
   * Passes over the sixteen bytes at a time that do not decide a repeated comparison, of a with memory at y or memory at x
   * with memory at y. At least one element is left: the flags come from it.
   */
  skipVectors(x: Local, isElement: boolean, y: Local, pending: Local): void {
    const { f, size } = this;
    const lanes = VECTOR_BYTES / size;
    const done = f.block();
    this.backwards.push(f);
    f.br_if(done);
    const again = f.loop();
    pending.leU(lanes).push(f);
    f.br_if(done);
    x.push(f);
    if (!isElement) f.v128_load();
    else if (size === 1) f.i32_wrap_i64().i8x16_splat();
    else if (size === 2) f.i32_wrap_i64().i16x8_splat();
    else if (size === 4) f.i32_wrap_i64().i32x4_splat();
    else f.i64x2_splat();
    y.push(f);
    f.v128_load();
    const name = { 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" } as const;
    f[`${name[size]}_eq`]();
    if (this.repeat === "repe") f[`${name[size]}_all_true`]().i32_eqz();
    else f.v128_any_true();
    f.br_if(done);
    this.step(isElement ? [y] : [x, y], VECTOR_BYTES);
    this.set(pending, pending.sub(lanes));
    f.br(again).end().end();
  }

  /** Fills `bytes` bytes with the element. */
  fill(to: Local, value: Local): void {
    const { f, bytes, size } = this;
    const pattern = this.let(this.replicated(value));
    const whole = this.f.block();
    const long = bytes.geU(LONG_FILL);
    const uniform = size === 1 ? long : long.and(pattern.eq(pattern.and(0xff).mul(0x0101010101010101n)));
    this.if(uniform, () => {
      this.push(to, pattern.wrap(), bytes);
      f.memory_fill().br(whole);
    });
    const vector = f.local(V128);
    pattern.push(f);
    f.i64x2_splat().set(vector);
    const target = this.let(to);
    const rest = this.let(bytes);
    for (const unroll of [4, 1]) {
      this.while(rest.geU(unroll * VECTOR_BYTES), () => {
        for (let i = 0; i < unroll; i++) {
          target.push(f);
          f.get(vector).v128_store(i * VECTOR_BYTES);
        }
        this.step([target], unroll * VECTOR_BYTES);
        this.set(rest, rest.sub(unroll * VECTOR_BYTES));
      });
    }
    this.tail(rest, (part) => {
      this.store(STORES[part], target, pattern);
      this.step([target], part);
    });
    f.end();
  }

  /** The element in all places of an i64. */
  private replicated(value: Local): Expression {
    if (this.size === 8) return value;
    const ones = { 1: 0x0101010101010101n, 2: 0x0001000100010001n, 4: 0x0000000100000001n }[this.size];
    return value.and((1n << BigInt(8 * this.size)) - 1n).mul(ones);
  }
}
