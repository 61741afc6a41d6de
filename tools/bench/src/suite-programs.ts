import { MissingPeer } from "./missing-peer.ts";

/** What a program is about; the tables of `npm run bench` follow it. */
export type Group = "compute" | "system" | "task" | "boot";

/** A program of guest/suite, or the boot of its guest. */
export interface SuiteProgram {
  readonly name: string;
  readonly group: Group;
  /** How much work one round is, in a unit of the program's own: such that QEMU's TCG takes 0.3 to 1 s, whole tasks longer. */
  readonly count: number;
}

const COMPUTE: Readonly<Record<string, number>> = {
  int32: 50_000,
  int64: 50_000,
  fnv: 3000,
  crc: 1200,
  fib: 1500,
  indirect: 15_000,
  bytecode: 200,
  quicksort: 100,
  qsort: 30,
  matrix: 15,
  scalars: 12_000,
  longdouble: 3000,
  "memcpy-64": 8_000_000,
  "memcpy-4k": 250_000,
  "memcpy-1m": 1000,
  "memset-64": 10_000_000,
  "memset-4k": 900_000,
  "memset-1m": 3000,
  chase: 3000,
  strlen: 20_000,
  strcmp: 30_000,
  strchr: 20_000,
  memchr: 300_000,
  printf: 200_000,
};

const SYSTEM: Readonly<Record<string, number>> = {
  syscall: 800_000,
  fork: 500,
  exec: 100,
  pipe: 7000,
  faults: 40,
  signal: 50_000,
};

const TASKS: Readonly<Record<string, number>> = {
  gzip: 10,
  sha256sum: 10,
  awk: 50,
  sort: 50,
  shell: 2000,
};

const inGroup = (group: Group, counts: Readonly<Record<string, number>>): SuiteProgram[] =>
  Object.entries(counts).map(([name, count]) => ({ name, group, count }));

/** From the start of the peer's process to userspace, without a program. */
export const BOOT: SuiteProgram = { name: "boot", group: "boot", count: 1 };

/** All that `npm run bench` measures, in the order in which it does so. */
export const SUITE_PROGRAMS: readonly SuiteProgram[] = [
  ...inGroup("compute", COMPUTE),
  ...inGroup("system", SYSTEM),
  ...inGroup("task", TASKS),
  BOOT,
];

/**
 * The programs that a list of their names and groups names, separated by commas; in the suite's order.
 * @throws MissingPeer for a name that there is not
 */
export function programsNamed(list: string): SuiteProgram[] {
  const names = list.split(",").map((name) => name.trim());
  const fits = (program: SuiteProgram, name: string): boolean => program.name === name || program.group === name;
  const unknown = names.find((name) => !SUITE_PROGRAMS.some((program) => fits(program, name)));
  if (unknown !== undefined) {
    const known = [...new Set(SUITE_PROGRAMS.map(({ group }) => group)), ...SUITE_PROGRAMS.map(({ name }) => name)];
    throw new MissingPeer(`--only takes names out of ${[...new Set(known)].join(", ")}; "${unknown}" is none of them.`);
  }
  return SUITE_PROGRAMS.filter((program) => names.some((name) => fits(program, name)));
}
