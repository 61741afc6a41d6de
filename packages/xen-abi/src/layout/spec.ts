/** The two guest ABIs whose structures Xen reads and writes: 64-bit guests, and 32-bit (PAE) guests. */
export type Abi = "x86_64" | "x86_32";

interface ScalarShape {
  /** Bytes in each ABI. */
  readonly size: { readonly [A in Abi]: number };
  /**
   * Alignment in each ABI. The i386 psABI aligns 64-bit integers to 4 bytes, which is where most of the differences
   * between the two layouts come from.
   */
  readonly align: { readonly [A in Abi]: number };
  readonly signed: boolean;
}

const fixed = (size: number, signed: boolean): ScalarShape => ({
  size: { x86_64: size, x86_32: size },
  align: { x86_64: size, x86_32: Math.min(size, 4) },
  signed,
});

const word: ScalarShape = { size: { x86_64: 8, x86_32: 4 }, align: { x86_64: 8, x86_32: 4 }, signed: false };

/**
 * Kinds of integer in the public interface. `ulong` (`unsigned long`, `xen_ulong_t`), `pfn` (`xen_pfn_t`) and
 * `handle` (a guest pointer) are as wide as the guest's words.
 */
export const scalars = {
  u8: fixed(1, false),
  i8: fixed(1, true),
  char: fixed(1, false),
  u16: fixed(2, false),
  i16: fixed(2, true),
  u32: fixed(4, false),
  i32: fixed(4, true),
  u64: fixed(8, false),
  i64: fixed(8, true),
  ulong: word,
  pfn: word,
  handle: word,
} as const satisfies Record<string, ScalarShape>;

export type Scalar = keyof typeof scalars;

// `any`-free stand-ins for "whatever fields": the precise types are inferred at each definition.
export type FieldSpec = Scalar | ArraySpec | StructSpec;
export interface Fields {
  readonly [name: string]: FieldSpec;
}

/** A fixed-length array; a count can differ between the ABIs (event bitmaps have as many words as a word has bits). */
export interface ArraySpec<E extends Scalar | StructSpec = Scalar | StructSpec> {
  readonly element: E;
  readonly count: number | { readonly [A in Abi]: number };
}

/** A structure or union as the header declares it, before an ABI gives it sizes. */
export interface StructSpec<F64 extends Fields = Fields, F32 extends Fields = Fields> {
  /** Tag in the header; null for an unnamed member. */
  readonly tag: string | null;
  readonly kind: "struct" | "union";
  readonly fields: { readonly x86_64: F64; readonly x86_32: F32 };
  /** Trailing fields that Xen 4.17's headers don't have yet. */
  readonly newer: readonly string[];
}

/** A structure whose declaration is the same for both ABIs. */
export function struct<const F extends Fields>(tag: string | null, fields: F, newer: readonly string[] = []) {
  return { tag, kind: "struct", fields: { x86_64: fields, x86_32: fields }, newer } as const satisfies StructSpec<F, F>;
}

/** A union whose declaration is the same for both ABIs. */
export function union<const F extends Fields>(tag: string | null, fields: F) {
  return { tag, kind: "union", fields: { x86_64: fields, x86_32: fields }, newer: [] } as const satisfies StructSpec<
    F,
    F
  >;
}

/** A structure that the header declares differently for 32-bit guests. */
export function structPerAbi<const F64 extends Fields, const F32 extends Fields>(
  tag: string,
  fields: { readonly x86_64: F64; readonly x86_32: F32 },
) {
  return { tag, kind: "struct", fields, newer: [] } as const satisfies StructSpec<F64, F32>;
}

export function array<const E extends Scalar | StructSpec>(element: E, count: ArraySpec["count"]): ArraySpec<E> {
  return { element, count };
}

type ElementOf<T> = T extends ArraySpec<infer E> ? E : T;
type FieldsIn<T, A extends Abi> = T extends { readonly fields: { readonly [K in A]: infer F } } ? F : never;

/** Every name that reaches into fields `F`: "time", "time.version", ... (array members: of element 0). */
export type PathIn<F, A extends Abi> = {
  [K in keyof F & string]:
    | K
    | ([FieldsIn<ElementOf<F[K]>, A>] extends [never] ? never : `${K}.${PathIn<FieldsIn<ElementOf<F[K]>, A>, A>}`);
}[keyof F & string];

export type PathOf<S extends StructSpec, A extends Abi> = PathIn<S["fields"][A], A>;
