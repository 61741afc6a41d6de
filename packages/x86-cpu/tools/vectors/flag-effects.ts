import type { Instruction } from "../../src/decode/index.ts";
import { AF, ARITHMETIC_FLAGS, CF, OF, PF, SF, ZF } from "../../src/state.ts";
import { undefinedResults } from "./undefined.ts";

/** Flags that each condition code looks at, by tttn without its lowest bit. */
const conditionFlags = [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, SF | OF | ZF];

const readers: Readonly<Record<string, number>> = {
  adc: CF,
  sbb: CF,
  rcl: CF,
  rcr: CF,
  cmc: CF,
  salc: CF,
  lahf: CF | PF | AF | ZF | SF,
  pushf: ARITHMETIC_FLAGS,
  daa: CF | AF,
  das: CF | AF,
  aaa: AF,
  aas: AF,
  loope: ZF,
  loopne: ZF,
};

/** Flags that an instruction looks at. */
export function flagsRead(insn: Instruction): number {
  const { condition, mnemonic } = insn.entry;
  if (condition >= 0) return conditionFlags[condition >> 1];
  return readers[mnemonic] ?? 0;
}

const ALL = ARITHMETIC_FLAGS;
const writers: Readonly<Record<string, number>> = {
  add: ALL,
  adc: ALL,
  sub: ALL,
  sbb: ALL,
  cmp: ALL,
  neg: ALL,
  xadd: ALL,
  cmpxchg: ALL,
  popcnt: ALL,
  and: ALL & ~AF,
  or: ALL & ~AF,
  xor: ALL & ~AF,
  test: ALL & ~AF,
  inc: ALL & ~CF,
  dec: ALL & ~CF,
  imul: CF | OF,
  mul: CF | OF,
  sahf: ALL & ~OF,
  clc: CF,
  stc: CF,
  cmpxchg8b: ZF,
};

/** The flags that are undefined after an instruction, given those that were before. */
export function undefinedAfter(insn: Instruction, count: number, before: number): number {
  const written = writers[insn.entry.mnemonic] ?? 0;
  return (before & ~written) | undefinedResults(insn, count).flags;
}
