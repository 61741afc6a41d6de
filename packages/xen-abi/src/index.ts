export * from "./constants/index.ts";
export type { FieldLayout, Layouts } from "./layout/layout.ts";
export { layOut, StructLayout } from "./layout/layout.ts";
export type { Abi, ArraySpec, FieldSpec, Fields, PathOf, Scalar, StructSpec } from "./layout/spec.ts";
export { array, scalars, struct, structPerAbi, union } from "./layout/spec.ts";
export { ringEntries } from "./ring-size.ts";
export type { Specs } from "./structs/structs.ts";
export { specs, structs, structs32, structsOf } from "./structs/structs.ts";
