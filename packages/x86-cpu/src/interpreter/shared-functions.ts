import { type FunctionBuilder, I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { FlagKind, type SharedFunctions } from "../semantics/context.ts";
import { WRITE_ARRAY } from "../semantics/emission-context.ts";
import { emitMultiplyHigh } from "../semantics/multiply-high.ts";
import { CALL_EA, FLAG_A, FLAG_B, FLAG_KIND, FLAG_R, SPLIT_WRITE, TLB_BANK } from "../state.ts";

/** JavaScript functions that generated code calls. */
export interface Imports extends WebAssembly.ModuleImports {
  /** (size, record) → host address or 0: the address in CALL_EA missed the soft TLB for reading. */
  missRead(size: number, record: number): number;
  missWrite(size: number, record: number): number;
  /** The address in CALL_EA is not aligned to 16 bytes as its instruction demands. */
  misaligned(record: number): void;
  /** The split buffer of a page-crossing write is complete. */
  commitSplit(): void;
  /** Executes the record's instruction in TypeScript → next record or 0. */
  system(record: number): number;
  /** (jump record or 0) → the block at RIP, or 0 after a fault. */
  lookup(jump: number): number;
  /** As missWrite, from translated code: 0 also where only the interpreter can do the store. */
  missWriteRegion(size: number, record: number): number;
  /** RIP is where the interpreter was met → 1 to leave the run with EXIT_REASON as it is. */
  sample(): number;
  /** The block at RIP has been interpreted from the hub COUNTED_ENTRIES times more. */
  interpretedOften(): void;
  timeStamp(): number;
  /** (budget, RFLAGS) → what is left of the budget; negative: see `CpuOptions.systemCall`. */
  systemCall(count: number, rflags: number): number;
  /** (budget) → what is left of it: the hub has an exit, which is over if EXIT_REASON is 0 afterwards. */
  exit(count: number): number;
}

export type ImportIndices = Record<
  | "missRead"
  | "missWrite"
  | "misaligned"
  | "commitSplit"
  | "system"
  | "lookup"
  | "missWriteRegion"
  | "sample"
  | "interpretedOften"
  | "timeStamp"
  | "systemCall"
  | "exit",
  number
>;

export function declareImports(module: ModuleBuilder): ImportIndices {
  const pair = module.type([I32, I32], [I32]);
  const unary = module.type([I32], [I32]);
  return {
    missRead: module.importFunction("cpu", "missRead", pair),
    missWrite: module.importFunction("cpu", "missWrite", pair),
    misaligned: module.importFunction("cpu", "misaligned", module.type([I32], [])),
    commitSplit: module.importFunction("cpu", "commitSplit", module.type([], [])),
    system: module.importFunction("cpu", "system", unary),
    lookup: module.importFunction("cpu", "lookup", unary),
    missWriteRegion: module.importFunction("cpu", "missWriteRegion", pair),
    sample: module.importFunction("cpu", "sample", module.type([], [I32])),
    interpretedOften: module.importFunction("cpu", "interpretedOften", module.type([], [])),
    timeStamp: module.importFunction("cpu", "timeStamp", module.type([], [I32])),
    systemCall: module.importFunction("cpu", "systemCall", pair),
    exit: module.importFunction("cpu", "exit", unary),
  };
}

const field = (f: FunctionBuilder, address: number) => f.i32_const(0).i64_load(address);

/** Emits `if (kind == wanted) return value`. */
function whenKind(f: FunctionBuilder, kind: number, wanted: readonly FlagKind[], value: () => void): void {
  wanted.forEach((k, i) => {
    f.get(kind).i32_const(k).i32_eq();
    if (i > 0) f.i32_or();
  });
  f.if_();
  value();
  f.return_().end();
}

function emitCarry(f: FunctionBuilder, productOverflow: number): void {
  const kind = f.local(I32);
  f.i32_const(0).i32_load(FLAG_KIND).set(kind);
  whenKind(f, kind, [FlagKind.PRODUCT], () => f.call(productOverflow));
  whenKind(f, kind, [FlagKind.SUB], () => field(field(f, FLAG_A), FLAG_B).i64_lt_u());
  whenKind(f, kind, [FlagKind.RESULT, FlagKind.INC, FlagKind.DEC], () =>
    field(f, FLAG_B).i32_wrap_i64().i32_const(1).i32_and(),
  );
  whenKind(f, kind, [FlagKind.ADD], () => field(field(f, FLAG_R), FLAG_A).i64_lt_u());
  whenKind(f, kind, [FlagKind.ADD_CARRY], () => {
    field(field(f, FLAG_A), FLAG_B).i64_and();
    field(field(f, FLAG_A), FLAG_B).i64_or();
    field(f, FLAG_R).i64_const(-1).i64_xor().i64_and().i64_or().i64_const(63).i64_shr_u().i32_wrap_i64();
  });
  whenKind(f, kind, [FlagKind.SUB_BORROW], () => {
    field(f, FLAG_A).i64_const(-1).i64_xor();
    field(f, FLAG_B).i64_and();
    field(f, FLAG_A).i64_const(-1).i64_xor();
    field(f, FLAG_B).i64_or();
    field(f, FLAG_R).i64_and().i64_or().i64_const(63).i64_shr_u().i32_wrap_i64();
  });
  field(f, FLAG_A).i32_wrap_i64().i32_const(1).i32_and();
}

function emitOverflow(f: FunctionBuilder, productOverflow: number): void {
  const kind = f.local(I32);
  const sign = () => f.i64_and().i64_const(63).i64_shr_u().i32_wrap_i64();
  f.i32_const(0).i32_load(FLAG_KIND).set(kind);
  whenKind(f, kind, [FlagKind.PRODUCT], () => f.call(productOverflow));
  whenKind(f, kind, [FlagKind.SUB, FlagKind.SUB_BORROW], () => {
    field(field(f, FLAG_A), FLAG_B).i64_xor();
    field(field(f, FLAG_A), FLAG_R).i64_xor();
    sign();
  });
  whenKind(f, kind, [FlagKind.RESULT], () =>
    field(f, FLAG_B).i32_wrap_i64().i32_const(1).i32_shr_u().i32_const(1).i32_and(),
  );
  whenKind(f, kind, [FlagKind.ADD, FlagKind.ADD_CARRY], () => {
    field(field(f, FLAG_A), FLAG_R).i64_xor();
    field(field(f, FLAG_B), FLAG_R).i64_xor();
    sign();
  });
  whenKind(f, kind, [FlagKind.INC], () => {
    field(field(f, FLAG_A).i64_const(-1).i64_xor(), FLAG_R);
    sign();
  });
  whenKind(f, kind, [FlagKind.DEC], () => {
    field(field(f, FLAG_A), FLAG_R).i64_const(-1).i64_xor();
    sign();
  });
  field(f, FLAG_A).i32_wrap_i64().i32_const(11).i32_shr_u().i32_const(1).i32_and();
}

function emitArithmeticFlags(f: FunctionBuilder, carry: number, overflow: number): void {
  const kind = f.local(I32);
  const flags = f.local(I32);
  f.i32_const(0).i32_load(FLAG_KIND).tee(kind).i32_eqz().if_();
  field(f, FLAG_A).i32_wrap_i64().i32_const(0x8d5).i32_and().return_().end();
  f.call(carry).call(overflow).i32_const(11).i32_shl().i32_or();
  field(f, FLAG_R).i64_eqz().i32_const(6).i32_shl().i32_or();
  field(f, FLAG_R).i64_const(63).i64_shr_u().i32_wrap_i64().i32_const(7).i32_shl().i32_or();
  field(f, FLAG_R).i32_wrap_i64().i32_const(0xff).i32_and().i32_popcnt().i32_const(1).i32_and().i32_eqz();
  f.i32_const(2).i32_shl().i32_or().set(flags);
  f.get(kind).i32_const(FlagKind.RESULT).i32_eq().get(kind).i32_const(FlagKind.PRODUCT).i32_eq().i32_or();
  f.if_().get(flags).return_().end();
  // The carry into bit 4 is a ^ b ^ r. INC and DEC keep CF in b, and the 1 they add has no bit 4 either.
  f.get(flags);
  field(f, FLAG_A);
  field(f, FLAG_B).i64_xor();
  field(f, FLAG_R).i64_xor();
  f.i32_wrap_i64().i32_const(0x10).i32_and().i32_or();
}

/** (condition) → 0 or 1, from the flags word. */
function emitCondition(f: FunctionBuilder, arithmeticFlags: number): void {
  const flags = f.local(I32);
  const bit = (shift: number) => f.get(flags).i32_const(shift).i32_shr_u();
  f.call(arithmeticFlags).set(flags);
  const end = f.block(I32);
  const labels = Array.from({ length: 8 }, () => f.block()).reverse();
  f.get(0).i32_const(1).i32_shr_u().br_table(labels, labels[7]);
  const cases: (() => void)[] = [
    () => bit(11),
    () => bit(0),
    () => bit(6),
    () => {
      bit(0);
      bit(6).i32_or();
    },
    () => bit(7),
    () => bit(2),
    () => {
      bit(7);
      bit(11).i32_xor();
    },
    () => {
      bit(7);
      bit(11).i32_xor();
      bit(6).i32_or();
    },
  ];
  for (const value of cases) {
    f.end();
    value();
    f.br(end);
  }
  f.unreachable().end().get(0).i32_xor().i32_const(1).i32_and();
}

/** SF != OF: for a comparison simply a < b. */
function emitLess(f: FunctionBuilder, overflow: number): void {
  f.i32_const(0).i32_load(FLAG_KIND).i32_const(FlagKind.SUB).i32_eq().if_();
  field(field(f, FLAG_A), FLAG_B).i64_lt_s().return_().end();
  f.i32_const(0).i32_load(FLAG_KIND).i32_eqz().if_(I32);
  field(f, FLAG_A).i32_wrap_i64().i32_const(7).i32_shr_u().i32_const(1).i32_and();
  f.else_();
  field(f, FLAG_R).i64_const(63).i64_shr_u().i32_wrap_i64();
  f.end().call(overflow).i32_xor();
}

/** (ea, size, record) → host address, through the bank in TLB_BANK. */
function emitTranslate(f: FunctionBuilder, array: number, miss: number): void {
  const [ea, size, record] = [0, 1, 2];
  const entry = f.local(I32);
  f.get(ea).i64_const(8).i64_shr_u().i32_wrap_i64().i32_const(0xfff0).i32_and();
  f.i32_const(0).i32_load(TLB_BANK).i32_add().tee(entry).i64_load(array).get(ea).i64_xor();
  f.i32_const(4096).get(size).i32_sub().i64_extend_i32_u().i64_le_u().if_();
  f.get(entry)
    .i32_load(array + 8)
    .get(ea)
    .i32_wrap_i64()
    .i32_add()
    .return_()
    .end();
  f.i32_const(0).get(ea).i64_store(CALL_EA).get(size).get(record).call(miss);
}

/** As translate, but an address that is not a multiple of 16 raises #GP(0). */
function emitTranslateAligned(f: FunctionBuilder, translate: number, misaligned: number): void {
  f.get(0).i64_const(15).i64_and().i64_eqz().if_();
  f.get(0).get(1).get(2).call(translate).return_().end();
  f.i32_const(0).get(0).i64_store(CALL_EA).get(2).call(misaligned).i32_const(0);
}

/** CF and OF after a signed multiplication: the product is not the sign extension of its low part. */
function emitProductOverflow(f: FunctionBuilder): void {
  const [a, b, middle, cross] = [f.local(I64), f.local(I64), f.local(I64), f.local(I64)];
  field(f, FLAG_A).set(a);
  field(f, FLAG_B).set(b);
  f.get(a).get(b).i64_mul();
  field(f, FLAG_R).i64_ne();
  emitMultiplyHigh(f, a, b, middle, cross);
  f.get(a).i64_const(63).i64_shr_s().get(b).i64_and().i64_sub();
  f.get(b).i64_const(63).i64_shr_s().get(a).i64_and().i64_sub();
  field(f, FLAG_R).i64_const(63).i64_shr_s().i64_ne().i32_or();
}

/** Adds the functions that handlers share; all are independent of the tier. */
export function emitSharedFunctions(module: ModuleBuilder, imports: ImportIndices): SharedFunctions {
  const add = (type: number, assemble: (f: FunctionBuilder) => void): number => {
    const { index, body } = module.function(type);
    assemble(body);
    return index;
  };
  const flag = module.type([], [I32]);
  const translation = module.type([I64, I32, I32], [I32]);
  const productOverflow = add(flag, emitProductOverflow);
  const carry = add(flag, (f) => emitCarry(f, productOverflow));
  const overflow = add(flag, (f) => emitOverflow(f, productOverflow));
  const arithmeticFlags = add(flag, (f) => emitArithmeticFlags(f, carry, overflow));
  const translateRead = add(translation, (f) => emitTranslate(f, 0, imports.missRead));
  const translateWrite = add(translation, (f) => emitTranslate(f, WRITE_ARRAY, imports.missWrite));
  return {
    carry,
    overflow,
    arithmeticFlags,
    less: add(flag, (f) => emitLess(f, overflow)),
    condition: add(module.type([I32], [I32]), (f) => emitCondition(f, arithmeticFlags)),
    translateRead,
    translateWrite,
    translateReadAligned: add(translation, (f) => emitTranslateAligned(f, translateRead, imports.misaligned)),
    translateWriteAligned: add(translation, (f) => emitTranslateAligned(f, translateWrite, imports.misaligned)),
    commit: add(module.type([I32], []), (f) =>
      f.get(0).i32_const(SPLIT_WRITE).i32_eq().if_().call(imports.commitSplit).end(),
    ),
    timeStamp: add(flag, (f) => f.call(imports.timeStamp)),
    multiplyHighUnsigned: add(module.type([I64, I64], [I64]), (f) =>
      emitMultiplyHigh(f, 0, 1, f.local(I64), f.local(I64)),
    ),
  };
}
