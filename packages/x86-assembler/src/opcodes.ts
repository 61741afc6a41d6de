// Intel SDM, volume 2, appendix A.

/** Conditions in the order of their encoding, under one of their names each. */
export const CONDITIONS = [
  "o",
  "no",
  "b",
  "ae",
  "e",
  "ne",
  "be",
  "a",
  "s",
  "ns",
  "p",
  "np",
  "l",
  "ge",
  "le",
  "g",
] as const;

/** When a jump is taken or a byte set: `b` and `a` compare unsigned numbers, `l` and `g` signed ones. */
export type Condition = (typeof CONDITIONS)[number];

/** Operations of the forms 00 to 3d and of group 1, in the order of their encoding. */
export const ARITHMETIC = { add: 0, or: 1, adc: 2, sbb: 3, and: 4, sub: 5, xor: 6, cmp: 7 } as const;

/** Group 2. */
export const SHIFTS = { rol: 0, ror: 1, shl: 4, shr: 5, sar: 7 } as const;

/** Group 3. */
export const UNARY = { not: 2, neg: 3, mul: 4, imul: 5, div: 6, idiv: 7 } as const;

/** Group 8: the bit tests. */
export const BIT_TESTS = { bt: 4, bts: 5, btr: 6, btc: 7 } as const;

/** Instructions without operands. */
export const PLAIN = {
  ret: [0xc3],
  syscall: [0x0f, 0x05],
  cpuid: [0x0f, 0xa2],
  rdtsc: [0x0f, 0x31],
  ud2: [0x0f, 0x0b],
  int3: [0xcc],
  pause: [0xf3, 0x90],
  nop: [0x90],
  cld: [0xfc],
  hlt: [0xf4],
  cli: [0xfa],
  sti: [0xfb],
  repMovsb: [0xf3, 0xa4],
  repMovsq: [0xf3, 0x48, 0xa5],
  repStosb: [0xf3, 0xaa],
  repStosq: [0xf3, 0x48, 0xab],
  lock: [0xf0],
} as const;
