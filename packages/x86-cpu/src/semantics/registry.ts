import type { Context, OperandSize } from "./context.ts";

/**
 * Kinds of the two operands, destination first: r = register (or a temporary), m = memory, i = immediate, n = none.
 * Forms without a memory kind are still complete: the lowering reads memory operands into a temporary first.
 * String instructions have no operands to name; theirs tell the size of addresses (n = 64 bits, r = 32, w = 16).
 */
export type OperandKinds = "n" | "r" | "m" | "rr" | "ri" | "rm" | "mr" | "mi" | "w";

/** One instruction form: a name, what it is instantiated for, and the function that emits it. */
export interface Form {
  readonly name: string;
  readonly sizes: readonly OperandSize[];
  readonly kinds: readonly OperandKinds[];
  /** Sizes and kinds that the interpreter keeps in its main loop; the others are called. */
  readonly hot: (size: OperandSize, kinds: OperandKinds) => boolean;
  /** A memory destination is only read (CMP, TEST). */
  readonly readsOnly?: boolean;
  /** Its stack and string operands are checked against compatibility mode's segments. */
  readonly segmented?: boolean;
  readonly emit: (c: Context) => void;
}

export const ALL_SIZES: readonly OperandSize[] = [1, 2, 4, 8];
export const WIDE_SIZES: readonly OperandSize[] = [2, 4, 8];
export const never = (): boolean => false;
export const always = (): boolean => true;
/** 16-bit forms are rare. */
export const usual = (size: OperandSize): boolean => size !== 2;

/** Name of the handler of a form at a size for operand kinds: "add64.rm". */
export function handlerName(name: string, size: OperandSize, kinds: OperandKinds): string {
  return `${name}${size * 8}.${kinds}`;
}

/** Name of a form or transfer in its kind for CodeMode.SEGMENTED. */
export const segmentedName = (name: string): string => `segmented.${name}`;

/** A form in that kind, for code of 32 bits with 32-bit addresses. */
export const segmentedForm = (form: Form): Form => ({
  ...form,
  name: segmentedName(form.name),
  sizes: form.sizes.filter((size) => size < 8),
  hot: never,
  segmented: true,
});
