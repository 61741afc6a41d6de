import { Flow } from "../../src/decode/opcode-entry.ts";
import { basedStringCases } from "./based-strings.ts";
import type { Background, VectorCase } from "./case-format.ts";
import { allForms, type Form, type Group } from "./forms.ts";
import { Generator } from "./generate.ts";
import { prefixCases, takesAnyPrefix } from "./prefixes.ts";
import type { Random } from "./random.ts";
import { fitsSequence, SequenceGenerator } from "./sequences.ts";
import { wildCases } from "./wild-bytes.ts";

/** Something to make cases of: an instruction form, sequences of several instructions, or changed bytes. */
export interface Job {
  readonly name: string;
  readonly group: Group | "sequence" | "bytes";
  readonly compatibility: boolean;
  /** Cases compared with those of a form. */
  readonly weight: number;
  make(random: Random, count: number, background: Background, emit: (c: VectorCase) => void): void;
}

const COMPARISONS = ["cmp", "test"];
const PRODUCERS = [
  "add",
  "sub",
  "cmp",
  "neg",
  "inc",
  "dec",
  "adc",
  "sbb",
  "and",
  "or",
  "xor",
  "test",
  "shl",
  "shr",
  "sar",
  "imul",
  "bt",
];

function readsFlags({ row }: Form): boolean {
  const { mnemonic, condition } = row.entry;
  return condition >= 0 || ["adc", "sbb", "rcl", "rcr", "lahf", "pushf", "cmc", "inc", "dec"].includes(mnemonic);
}

function sequenceJobs(forms: readonly Form[]): Job[] {
  const jobs: Job[] = [];
  for (const compatibility of [false, true]) {
    const pool = forms.filter(
      (form) => form.group === "integer" && form.compatibility === compatibility && fitsSequence(form),
    );
    const jumps = forms.filter(
      (form) =>
        form.compatibility === compatibility &&
        form.row.entry.flow === Flow.CONDITIONAL &&
        form.row.entry.family === "jcc",
    );
    const mode = compatibility ? " compat" : "";
    const add = (
      name: string,
      weight: number,
      length: number,
      first: readonly Form[],
      then: readonly Form[],
      last: readonly Form[],
    ) =>
      jobs.push({
        name: name + mode,
        group: "sequence",
        compatibility,
        weight,
        make: (random, count, _background, emit) =>
          new SequenceGenerator(random, then, first, last).cases(length, count, emit),
      });
    // The interpreter does these in one dispatch.
    for (const form of pool.filter(({ row }) => COMPARISONS.includes(row.entry.mnemonic))) {
      add(`${form.name} + jcc`, 3, 0, [form], pool, jumps);
    }
    const producers = pool.filter(({ row }) => PRODUCERS.includes(row.entry.mnemonic));
    add("flags set + jcc", 20, 0, producers, pool, jumps);
    add("flags set + flags read", 40, 2, producers, pool.filter(readsFlags), []);
    for (const length of [2, 3, 5, 8, 12]) add(`sequence of ${length}`, 20, length, [], pool, []);
    const prefixed = pool.filter(takesAnyPrefix);
    jobs.push({
      name: `any prefixes${mode}`,
      group: "sequence",
      compatibility,
      weight: 40,
      make: (random, count, _background, emit) => prefixCases(random, prefixed, count, emit),
    });
    add("sequence of 4 + jcc", 20, 4, [], pool, jumps);
  }
  return jobs;
}

/** Every form, then sequences and changed bytes. */
export function allJobs(): Job[] {
  const forms = allForms();
  const single = forms.map(
    (form): Job => ({
      name: form.name,
      group: form.group,
      compatibility: form.compatibility,
      weight: 1,
      make: (random, count, background, emit) => new Generator(random).cases(form, count, background, emit),
    }),
  );
  const wild = [false, true].map(
    (compatibility): Job => ({
      name: `changed bytes${compatibility ? " compat" : ""}`,
      group: "bytes",
      compatibility,
      weight: 200,
      make: (random, count, background, emit) =>
        wildCases(
          random,
          forms.filter((form) => form.compatibility === compatibility),
          count,
          background,
          emit,
        ),
    }),
  );
  const based: Job = {
    name: "strings with a base of ES compat",
    group: "sequence",
    compatibility: true,
    weight: 40,
    make: basedStringCases,
  };
  return [...single, ...sequenceJobs(forms), ...wild, based];
}
