import type { VectorFunctions } from "../semantics/vector-context.ts";
import type { HelperTable } from "./region-helpers.ts";

/** The interpreter, and what else there is to know of it that comes of its generation. */
export interface InterpreterImage {
  /**
   * A WebAssembly module that imports a memory, of whatever size. Exports: `run(budget)` goes on at RIP on whatever tier
   * there is code of, `interpret(record, budget)` in the interpreter alone; both return the rest of the budget, and
   * EXIT_REASON says why they stopped.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By handler number, as it stands in records. */
  readonly handlerNames: readonly string[];
  /** Functions that translated code calls, as entries of the exported table `helpers`. */
  readonly helpers: HelperTable;
  /** Indices of what vector instructions call, on either tier. */
  readonly vectorFunctions: VectorFunctions;
}

/** An image as text that is JavaScript too: the module in base64. */
export function packImage(image: InterpreterImage): string {
  let binary = "";
  for (const byte of image.bytes) binary += String.fromCharCode(byte);
  return JSON.stringify({ ...image, bytes: btoa(binary) });
}

/** The image that `packImage` made text of. */
export function unpackImage(packed: Omit<InterpreterImage, "bytes"> & { readonly bytes: string }): InterpreterImage {
  const binary = atob(packed.bytes);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return { ...packed, bytes };
}
