import { type FunctionBuilder, type FunctionType, I32, I64, type ModuleBuilder } from "@xen-node/wasm-emit";
import { R_HANDLER } from "../records.ts";
import type { SharedFunctions } from "../semantics/context.ts";
import { CALL_EA } from "../state.ts";
import type { ImportIndices } from "./shared-functions.ts";

/** The functions of the interpreter's module that translated code reaches, through the exported table `helpers`. */
export interface HelperTable {
  /** Function index of the table's first entry; the others follow. */
  readonly first: number;
  /** By function index minus `first`. */
  readonly signatures: readonly FunctionType[];
  /** The shared functions as translated code is to call them: it has probed the soft TLB itself. */
  readonly functions: SharedFunctions;
  /** (record) → next record, the record itself, or 0: executes a handler that is a function of its own. */
  readonly callHandler: number;
}

export interface RegionHelpers {
  readonly table: HelperTable;
  /** To be called when it is known how many handlers the main loop keeps to itself. */
  emitCallHandler(hotHandlers: number): void;
  export(module: ModuleBuilder): void;
}

/** Adds what translated code needs besides the shared functions; all functions so far become helpers. */
export function emitRegionHelpers(
  module: ModuleBuilder,
  imports: ImportIndices,
  functions: SharedFunctions,
  handlerType: number,
): RegionHelpers {
  const translation = module.type([I64, I32, I32], [I32]);
  const add = (type: number, assemble: (f: FunctionBuilder) => void): number => {
    const { index, body } = module.function(type);
    assemble(body);
    return index;
  };
  const miss = (imported: number) => (f: FunctionBuilder) =>
    f.i32_const(0).get(0).i64_store(CALL_EA).get(1).get(2).call(imported);
  const aligned = (translate: number) => (f: FunctionBuilder) => {
    f.get(0).i64_const(15).i64_and().i64_eqz().if_();
    f.get(0).get(1).get(2).call(translate).return_().end();
    f.i32_const(0).get(0).i64_store(CALL_EA).get(2).call(imports.misaligned).i32_const(0);
  };
  const first = Object.keys(imports).length;
  const translateRead = add(translation, miss(imports.missRead));
  const translateWrite = add(translation, miss(imports.missWriteRegion));
  const regionFunctions: SharedFunctions = {
    ...functions,
    translateRead,
    translateWrite,
    translateReadAligned: add(translation, aligned(translateRead)),
    translateWriteAligned: add(translation, aligned(translateWrite)),
  };
  const callHandler = module.function(handlerType);
  const end = module.functionCount;
  const signatures = Array.from({ length: end - first }, (_, i) => module.signature(first + i));
  return {
    table: { first, signatures, functions: regionFunctions, callHandler: callHandler.index },
    emitCallHandler(hotHandlers) {
      callHandler.body
        .get(0)
        .get(0)
        .i32_load16_u(R_HANDLER)
        .i32_const(hotHandlers)
        .i32_sub()
        .call_indirect(handlerType);
    },
    export(target) {
      const table = target.table(end - first);
      const entries = Array.from({ length: end - first }, (_, i) => first + i);
      target.element(table, 0, entries);
      target.exportTable("helpers", table);
    },
  };
}
