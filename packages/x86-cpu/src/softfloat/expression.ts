import {
  type FunctionBuilder,
  I32,
  I64,
  type Label,
  type ModuleBuilder,
  type memoryOpcodes,
  type plainOpcodes,
} from "@xen-node/wasm-emit";

/**
 * Integer expressions over the assembler, so that multi-word arithmetic can be written and read as formulas. An expression
 * emits its code anew wherever it is used: `Code.let` gives it a local.
 */
export type IntegerType = typeof I32 | typeof I64;
export type Operand = Expression | number | bigint;

type PlainName = keyof typeof plainOpcodes;
type MemoryName = keyof typeof memoryOpcodes;

export class Expression {
  constructor(
    readonly type: IntegerType,
    /** Emits code that pushes the value. */
    readonly push: (f: FunctionBuilder) => void,
  ) {}

  private opcode(operation: string): PlainName {
    return `${this.type === I32 ? "i32" : "i64"}_${operation}` as PlainName;
  }

  private binary(operation: string, operand: Operand, type: IntegerType = this.type): Expression {
    const other = constant(this.type, operand);
    const name = this.opcode(operation);
    return new Expression(type, (f) => {
      this.push(f);
      other.push(f);
      f[name]();
    });
  }

  private unary(name: PlainName, type: IntegerType): Expression {
    return new Expression(type, (f) => {
      this.push(f);
      f[name]();
    });
  }

  add(other: Operand): Expression {
    return this.binary("add", other);
  }
  sub(other: Operand): Expression {
    return this.binary("sub", other);
  }
  mul(other: Operand): Expression {
    return this.binary("mul", other);
  }
  divU(other: Operand): Expression {
    return this.binary("div_u", other);
  }
  remU(other: Operand): Expression {
    return this.binary("rem_u", other);
  }
  and(other: Operand): Expression {
    return this.binary("and", other);
  }
  or(other: Operand): Expression {
    return this.binary("or", other);
  }
  xor(other: Operand): Expression {
    return this.binary("xor", other);
  }
  shl(count: Operand): Expression {
    return this.binary("shl", this.sameWidth(count));
  }
  shrU(count: Operand): Expression {
    return this.binary("shr_u", this.sameWidth(count));
  }
  shrS(count: Operand): Expression {
    return this.binary("shr_s", this.sameWidth(count));
  }
  /** Shift counts may be i32 whatever is shifted. */
  private sameWidth(count: Operand): Operand {
    return count instanceof Expression && count.type !== this.type ? count.extendU() : count;
  }

  eq(other: Operand): Expression {
    return this.binary("eq", other, I32);
  }
  ne(other: Operand): Expression {
    return this.binary("ne", other, I32);
  }
  ltU(other: Operand): Expression {
    return this.binary("lt_u", other, I32);
  }
  leU(other: Operand): Expression {
    return this.binary("le_u", other, I32);
  }
  gtU(other: Operand): Expression {
    return this.binary("gt_u", other, I32);
  }
  geU(other: Operand): Expression {
    return this.binary("ge_u", other, I32);
  }
  ltS(other: Operand): Expression {
    return this.binary("lt_s", other, I32);
  }
  leS(other: Operand): Expression {
    return this.binary("le_s", other, I32);
  }
  gtS(other: Operand): Expression {
    return this.binary("gt_s", other, I32);
  }
  geS(other: Operand): Expression {
    return this.binary("ge_s", other, I32);
  }
  eqz(): Expression {
    return this.unary(this.opcode("eqz"), I32);
  }
  clz(): Expression {
    return this.unary(this.opcode("clz"), this.type);
  }
  /** Low half of an i64. */
  wrap(): Expression {
    return this.type === I32 ? this : this.unary("i32_wrap_i64", I32);
  }
  extendU(): Expression {
    return this.type === I64 ? this : this.unary("i64_extend_i32_u", I64);
  }
  extendS(): Expression {
    return this.type === I64 ? this : this.unary("i64_extend_i32_s", I64);
  }
  neg(): Expression {
    return constant(this.type, 0).sub(this);
  }
  /** this ? a : b; both are evaluated. */
  select(a: Operand, b: Operand): Expression {
    const type = a instanceof Expression ? a.type : b instanceof Expression ? b.type : I64;
    return new Expression(type, (f) => {
      constant(type, a).push(f);
      constant(type, b).push(f);
      this.push(f);
      f.select();
    });
  }
}

/** A number as an expression; numbers are taken as 32 or 64 bits as the type wants. */
export function constant(type: IntegerType, value: Operand): Expression {
  if (value instanceof Expression) {
    if (value.type !== type) throw new TypeError("operands of one operation must have one type");
    return value;
  }
  return new Expression(type, (f) => {
    if (type === I32) f.i32_const(Number(value));
    else f.i64_const(value);
  });
}

export class Local extends Expression {
  constructor(
    type: IntegerType,
    readonly index: number,
  ) {
    super(type, (f) => f.get(index));
  }
}

/** A wasm function with its signature. */
export interface Routine {
  readonly index: number;
  readonly parameters: readonly IntegerType[];
  readonly results: readonly IntegerType[];
}

/** Emits statements into one function body. */
export class Code {
  constructor(readonly f: FunctionBuilder) {}

  local(type: IntegerType): Local {
    return new Local(type, this.f.local(type));
  }

  let(value: Expression): Local {
    const local = this.local(value.type);
    this.set(local, value);
    return local;
  }

  set(local: Local, value: Operand): void {
    constant(local.type, value).push(this.f);
    this.f.set(local.index);
  }

  if(condition: Expression, then: () => void, otherwise?: () => void): void {
    condition.push(this.f);
    this.f.if_();
    then();
    if (otherwise) {
      this.f.else_();
      otherwise();
    }
    this.f.end();
  }

  while(condition: Expression, body: () => void): void {
    const again = this.f.loop();
    this.if(condition, () => {
      body();
      this.f.br(again);
    });
    this.f.end();
  }

  /** A block that `leave` gets out of. */
  block(body: (leave: () => void) => void): void {
    const label: Label = this.f.block();
    body(() => this.f.br(label));
    this.f.end();
  }

  push(...values: Expression[]): void {
    for (const value of values) value.push(this.f);
  }

  return(...values: Expression[]): void {
    this.push(...values);
    this.f.return_();
  }

  /** Calls a routine; its results come in locals. */
  call(routine: Routine, ...args: Operand[]): Local[] {
    if (args.length !== routine.parameters.length) throw new TypeError("wrong number of arguments");
    routine.parameters.forEach((type, i) => {
      constant(type, args[i]).push(this.f);
    });
    this.f.call(routine.index);
    const results = routine.results.map((type) => this.local(type));
    for (const { index } of results.toReversed()) this.f.set(index);
    return results;
  }

  /** The one result of a routine. */
  value(routine: Routine, ...args: Operand[]): Local {
    return this.call(routine, ...args)[0];
  }

  /** Calls a routine in tail position: its results are this function's. */
  returnCall(routine: Routine, ...args: Operand[]): void {
    routine.parameters.forEach((type, i) => {
      constant(type, args[i]).push(this.f);
    });
    this.f.call(routine.index).return_();
  }

  load(name: MemoryName & `${string}load${string}`, address: Operand, offset = 0): Expression {
    return new Expression(name.startsWith("i64") ? I64 : I32, (f) => {
      constant(I32, address).push(f);
      f[name](offset);
    });
  }

  store(name: MemoryName & `${string}store${string}`, address: Operand, value: Operand, offset = 0): void {
    constant(I32, address).push(this.f);
    constant(name.startsWith("i64") ? I64 : I32, value).push(this.f);
    this.f[name](offset);
  }

  /** A 32-bit state field. */
  state(address: number): Expression {
    return this.load("i32_load", 0, address);
  }

  setState(address: number, value: Operand): void {
    this.store("i32_store", 0, value, address);
  }

  i32(value: number): Expression {
    return constant(I32, value);
  }

  i64(value: number | bigint): Expression {
    return constant(I64, value);
  }
}

/** Adds a function to the module; `assemble` leaves its results on the stack at the end. */
export function routine(
  module: ModuleBuilder,
  parameters: readonly IntegerType[],
  results: readonly IntegerType[],
  assemble: (code: Code, parameters: readonly Local[]) => void,
): Routine {
  const { index, body } = module.function(module.type(parameters, results));
  assemble(
    new Code(body),
    parameters.map((type, i) => new Local(type, i)),
  );
  return { index, parameters, results };
}
