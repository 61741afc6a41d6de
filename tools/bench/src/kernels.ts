/** A kernel of guest/kernels.c. */
export interface Kernel {
  readonly name: string;
  /** Its number in `run_kernel`. */
  readonly id: number;
  /** Repetitions of one timed round: some 50 to 100 million instructions. */
  readonly repetitions: number;
}

export const KERNELS: readonly Kernel[] = [
  { name: "sieve", id: 0, repetitions: 4 },
  { name: "fnv", id: 1, repetitions: 12 },
  { name: "mix64", id: 2, repetitions: 3 },
  { name: "fib", id: 3, repetitions: 20 },
  { name: "copy", id: 4, repetitions: 150 },
  { name: "chase", id: 5, repetitions: 15 },
  { name: "sort", id: 6, repetitions: 16 },
  { name: "bytecode", id: 7, repetitions: 60 },
  { name: "hash", id: 8, repetitions: 50 },
];
