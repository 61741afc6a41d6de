import type { CompiledInterpreter } from "../interpreter/compiled.ts";
import { type ContextFactory, formHandlers, withoutFusion } from "../interpreter/handlers.ts";

/** Registers that a called handler reads or writes and writes, as bits, and whether it has to do with flags. */
export interface HandlerEffects {
  readonly registers: number;
  readonly writes: number;
  readonly flags: boolean;
}

const RAX = 1 << 0;
const RCX = 1 << 1;
const RSI = 1 << 6;
const RDI = 1 << 7;
const STRING = /^(segmented\.)?(rep|repe|repne)?(movs|stos|lods|cmps|scas)\d+\./;
/** What changes the mode or the flow in ways that a region does not follow. */
const INTERPRETED = /^(segmented\.)?(popf|system|fault|next|miss|stale|region)/;
const X87_FLAGS = /^x87\.(fu?comi|fcmov)/;

/** How the translator does what a handler's name stands for. */
export class InstructionSet {
  private readonly names: readonly string[];
  private readonly inlined = new Map<string, (make: ContextFactory) => void>();

  constructor(private readonly interpreter: CompiledInterpreter) {
    this.names = [...interpreter.handlers.keys()].map(withoutFusion);
    for (const { name, emit } of formHandlers) {
      if (!STRING.test(name) && !INTERPRETED.test(name)) this.inlined.set(name, emit);
    }
    for (const [name, form] of interpreter.vectors) {
      this.inlined.set(name, (make) => form.emit(make(8, "rr", false, false)));
    }
  }

  /** Name of the instruction that a record's handler does. */
  nameOf(handler: number): string {
    return this.names[handler];
  }

  /** Emits an instruction; undefined if its handler is called instead. */
  inline(name: string): ((make: ContextFactory) => void) | undefined {
    return this.inlined.get(name);
  }

  /** What to keep in the state block for a handler that is called; undefined where only the interpreter will do. */
  called(name: string): HandlerEffects | undefined {
    if (STRING.test(name)) {
      return { registers: RAX | RCX | RSI | RDI, writes: RAX | RCX | RSI | RDI, flags: /cmps|scas/.test(name) };
    }
    if (name.startsWith("x87."))
      return { registers: 0, writes: name.startsWith("x87.fnstsw.ax") ? RAX : 0, flags: X87_FLAGS.test(name) };
    return undefined;
  }

  get callHandler(): number {
    return this.interpreter.helpers.callHandler;
  }
}
