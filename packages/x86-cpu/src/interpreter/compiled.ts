import { type VectorForm, vectorForms } from "../semantics/vector.ts";
import { builtImage } from "./built-image.ts";
import type { HelperTable } from "./region-helpers.ts";

export interface CompiledInterpreter {
  readonly module: WebAssembly.Module;
  /** Handler numbers by name, as they stand in records. */
  readonly handlers: ReadonlyMap<string, number>;
  readonly helpers: HelperTable;
  readonly vectors: ReadonlyMap<string, VectorForm>;
}

/** What an instance exports, over the machine's memory. */
export interface InterpreterExports extends WebAssembly.Exports {
  run(budget: number): number;
  interpret(record: number, budget: number): number;
  helpers: WebAssembly.Table;
  regions: WebAssembly.Table;
}

let compiled: CompiledInterpreter | undefined;

/** The interpreter, compiled once for all processors. */
export function compileInterpreter(): CompiledInterpreter {
  if (compiled === undefined) {
    const { bytes, handlerNames, helpers, vectorFunctions } = builtImage();
    compiled = {
      module: new WebAssembly.Module(bytes),
      handlers: new Map(handlerNames.map((name, number) => [name, number])),
      helpers,
      vectors: new Map(vectorForms(vectorFunctions).map((form) => [form.name, form])),
    };
  }
  return compiled;
}
