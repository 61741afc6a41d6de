import { ByteWriter } from "./bytes.ts";
import { FUNCREF, FunctionBuilder, type ValueType } from "./function.ts";

export interface FunctionType {
  parameters: readonly ValueType[];
  results: readonly ValueType[];
}

/** Assembles a whole module. Imported functions must be declared before the first function is added. */
export class ModuleBuilder {
  private readonly types: FunctionType[] = [];
  private readonly imports: ByteWriter[] = [];
  private importedFunctions = 0;
  private readonly importedTypes: number[] = [];
  private importedTables = 0;
  private importedGlobals = 0;
  private readonly functions: { type: number; body: FunctionBuilder }[] = [];
  private readonly exports: { name: string; kind: number; index: number }[] = [];
  private readonly tables: number[] = [];
  private readonly elements: { table: number; offset: number; functions: readonly number[] }[] = [];

  /** Index of a function type; equal types share one index. */
  type(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = (t: FunctionType) => `${t.parameters.join()}>${t.results.join()}`;
    const wanted = { parameters, results };
    const found = this.types.findIndex((t) => key(t) === key(wanted));
    return found >= 0 ? found : this.types.push(wanted) - 1;
  }

  /** Imports a memory with its limits in 64 KiB pages. */
  importMemory(module: string, name: string, minimum: number, maximum: number): void {
    this.imports.push(new ByteWriter().name(module).name(name).byte(2).byte(1).u32(minimum).u32(maximum));
  }

  importFunction(module: string, name: string, type: number): number {
    if (this.functions.length > 0) throw new RangeError(`import ${name} must come before the module's own functions`);
    this.imports.push(new ByteWriter().name(module).name(name).byte(0).u32(type));
    this.importedTypes.push(type);
    return this.importedFunctions++;
  }

  /** Imports a table of at least `minimum` function references; before the first table of the module's own. */
  importTable(module: string, name: string, minimum: number): number {
    if (this.tables.length > 0) throw new RangeError(`import ${name} must come before the module's own tables`);
    this.imports.push(new ByteWriter().name(module).name(name).byte(1).byte(FUNCREF).byte(0).u32(minimum));
    return this.importedTables++;
  }

  /** Imports a global that never changes and returns its index. */
  importGlobal(module: string, name: string, type: ValueType): number {
    this.imports.push(new ByteWriter().name(module).name(name).byte(3).byte(type).byte(0));
    return this.importedGlobals++;
  }

  /** Declares a table of function references and returns its index. */
  table(size: number): number {
    return this.importedTables + this.tables.push(size) - 1;
  }

  /** How many functions there are so far, imported ones included. */
  get functionCount(): number {
    return this.importedFunctions + this.functions.length;
  }

  /** Parameters and results of a function. */
  signature(index: number): FunctionType {
    const own = index - this.importedFunctions;
    return this.types[own < 0 ? this.importedTypes[index] : this.functions[own].type];
  }

  /** Adds a function whose body may be assembled later, through the returned builder. */
  function(type: number): { index: number; body: FunctionBuilder } {
    const body = new FunctionBuilder(this.types[type].parameters.length);
    this.functions.push({ type, body });
    return { index: this.importedFunctions + this.functions.length - 1, body };
  }

  /** Adds a function whose body is assembled already, with the type's number of parameters. */
  functionFrom(type: number, body: FunctionBuilder): { index: number } {
    this.functions.push({ type, body });
    return { index: this.importedFunctions + this.functions.length - 1 };
  }

  exportFunction(name: string, index: number): void {
    this.exports.push({ name, kind: 0, index });
  }

  exportTable(name: string, index: number): void {
    this.exports.push({ name, kind: 1, index });
  }

  /** Puts functions into a table from `offset` on, at instantiation. */
  element(table: number, offset: number, functions: readonly number[]): void {
    this.elements.push({ table, offset, functions });
  }

  /** The custom section of the branch hinting proposal; offsets count from the start of the locals' declarations. */
  private branchHints(): ByteWriter | undefined {
    const hinted = this.functions
      .map(({ body }, i) => ({ body, index: this.importedFunctions + i }))
      .filter(({ body }) => body.hints.length > 0);
    if (hinted.length === 0) return undefined;
    const out = new ByteWriter(1024).name("metadata.code.branch_hint").u32(hinted.length);
    for (const { body, index } of hinted) {
      const start = localRuns(body.locals).length;
      out.u32(index).u32(body.hints.length);
      for (const { offset, likely } of body.hints)
        out
          .u32(start + offset)
          .byte(1)
          .byte(likely ? 1 : 0);
    }
    return out;
  }

  toUint8Array(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter(8192).append(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    const section = (id: number, count: number, fill: (content: ByteWriter) => void) => {
      if (count === 0) return;
      const content = new ByteWriter(1024).u32(count);
      fill(content);
      out.byte(id).u32(content.length).append(content.bytes, content.length);
    };
    section(1, this.types.length, (s) => {
      for (const { parameters, results } of this.types) {
        s.byte(0x60).u32(parameters.length);
        for (const type of parameters) s.byte(type);
        s.u32(results.length);
        for (const type of results) s.byte(type);
      }
    });
    section(2, this.imports.length, (s) => {
      for (const entry of this.imports) s.append(entry.bytes, entry.length);
    });
    section(3, this.functions.length, (s) => {
      for (const { type } of this.functions) s.u32(type);
    });
    section(4, this.tables.length, (s) => {
      for (const size of this.tables) s.byte(FUNCREF).byte(1).u32(size).u32(size);
    });
    section(7, this.exports.length, (s) => {
      for (const { name, kind, index } of this.exports) s.name(name).byte(kind).u32(index);
    });
    section(9, this.elements.length, (s) => {
      for (const { table, offset, functions } of this.elements) {
        s.byte(2).u32(table).byte(0x41).s32(offset).byte(0x0b).byte(0).u32(functions.length);
        for (const index of functions) s.u32(index);
      }
    });
    const hints = this.branchHints();
    if (hints) out.byte(0).u32(hints.length).append(hints.bytes, hints.length);
    section(10, this.functions.length, (s) => {
      for (const { body } of this.functions) {
        const locals = localRuns(body.locals);
        s.u32(locals.length + body.length + 1).append(locals.bytes, locals.length);
        s.append(body.bytes, body.length).byte(0x0b);
      }
    });
    return out.toUint8Array();
  }
}

/** Locals are declared in runs of equal type. */
function localRuns(locals: readonly ValueType[]): ByteWriter {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  const out = new ByteWriter(16).u32(runs.length);
  for (const { type, count } of runs) out.u32(count).byte(type);
  return out;
}
