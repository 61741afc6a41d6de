import type { FunctionBuilder } from "@xen-node/wasm-emit";

/** Pushes the high half of the unsigned product of locals a and b, from four products of halves. */
export function emitMultiplyHigh(f: FunctionBuilder, a: number, b: number, middle: number, cross: number): void {
  const low = (x: number) => f.get(x).i64_const(0xffffffff).i64_and();
  const high = (x: number) => f.get(x).i64_const(32).i64_shr_u();
  low(a);
  low(b);
  f.i64_mul().i64_const(32).i64_shr_u();
  high(a);
  low(b);
  f.i64_mul().i64_add().set(middle);
  low(a);
  high(b);
  f.i64_mul();
  low(middle);
  f.i64_add().set(cross);
  high(a);
  high(b);
  f.i64_mul();
  high(middle);
  f.i64_add();
  high(cross);
  f.i64_add();
}
