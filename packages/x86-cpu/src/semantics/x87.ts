import type { ModuleBuilder } from "@xen-node/wasm-emit";
import type { CalledHandler } from "../interpreter/context.ts";
import type { SharedFunctions } from "./context.ts";
import { arithmeticHandlersX87 } from "./x87-arithmetic.ts";
import { compareHandlers } from "./x87-compare.ts";
import { controlHandlers } from "./x87-control.ts";
import { emitMachine } from "./x87-machine.ts";
import { transcendentalHandlers } from "./x87-transcendental.ts";
import { transferHandlers } from "./x87-transfer.ts";

/** The handlers of all x87 instructions and EMMS. */
export function x87Forms(module: ModuleBuilder, functions: SharedFunctions): CalledHandler[] {
  const machine = emitMachine(module, functions);
  return [
    ...arithmeticHandlersX87(machine),
    ...compareHandlers(machine),
    ...transferHandlers(machine),
    ...controlHandlers(machine),
    ...transcendentalHandlers(module, functions, machine),
  ];
}
