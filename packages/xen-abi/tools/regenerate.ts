/**
 * Writes test/data/offsets.json and test/data/constants.json: sizes, offsets and values that the C compiler computes
 * from Xen's public headers for everything that this package claims.
 *
 * Usage: npm run regenerate [-- --headers DIR]    (DIR holds xen/xen.h; default: the compiler's include path)
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import type { Abi } from "../src/layout/spec.ts";
import type { Question } from "./c-source.ts";
import {
  constantQuestions,
  FIRST_QUESTION_LINE,
  numberNames,
  numberSource,
  structQuestions,
  textSource,
} from "./c-source.ts";

const option = process.argv.indexOf("--headers");
const includes = option < 0 ? [] : ["-I", process.argv[option + 1]];
const machine: { readonly [A in Abi]: string } = { x86_64: "-m64", x86_32: "-m32" };

function gcc(source: string, ...args: string[]) {
  // Free-standing: the compiler's own <stdint.h> serves, no C library is needed.
  return spawnSync("gcc", ["-ffreestanding", "-std=gnu11", "-w", ...includes, ...args, "-x", "c", "-", "-o", "-"], {
    input: source,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
}

function requireHeaders(): void {
  if (gcc("#include <xen/xen.h>\n", "-E").status === 0) return;
  console.error(
    "gcc and Xen's public headers are needed: install them (on Debian: gcc, libxen-dev) and run this again.",
  );
  process.exit(1);
}

/** Asks the compiler; questions about things that the headers don't have stay unanswered. */
function answers(questions: readonly Question[], abi: Abi): Map<string, bigint> {
  let asked = [...questions];
  for (;;) {
    const result = gcc(numberSource(asked), machine[abi], "-S");
    if (result.status === 0) {
      const found = new Map<string, bigint>();
      const width = abi === "x86_64" ? 64n : 32n;
      for (const [, key, value, negative] of result.stdout.matchAll(/^@@ (.+) \$(-?\d+) \$([01])$/gm)) {
        // Values come as signed words, whatever their type.
        found.set(key, BigInt(value) < 0n && negative === "0" ? BigInt(value) + (1n << width) : BigInt(value));
      }
      return found;
    }
    const errors = [...result.stderr.matchAll(/^<stdin>:(\d+):\d+: error: (.*)$/gm)];
    const unknown = errors.filter(([, , text]) => /undeclared|has no member|undefined type|incomplete type/.test(text));
    if (unknown.length < errors.length) throw new Error(`the compiler refused a question:\n${result.stderr}`);
    const bad = new Set(unknown.map((match) => Number(match[1])));
    const left = asked.filter((_, i) => !bad.has(FIRST_QUESTION_LINE + 1 + i));
    if (left.length === asked.length) throw new Error(`the compiler refused the headers:\n${result.stderr}`);
    asked = left;
  }
}

interface StructTable {
  size?: number;
  align?: number;
  /** [offset, size] by path. */
  fields: { [path: string]: [number, number] };
}

function structTable(abi: Abi): { [tag: string]: StructTable } {
  const found = answers(structQuestions(abi), abi);
  const table: { [tag: string]: StructTable } = {};
  for (const [key, value] of found) {
    const [tag, what] = key.split(" ");
    const entry = (table[tag] ??= { fields: {} });
    if (what === "size" || what === "align") entry[what] = Number(value);
    else if (what.startsWith("@")) {
      entry.fields[what.slice(1)] = [Number(value), Number(found.get(`${tag} #${what.slice(1)}`))];
    }
  }
  return table;
}

function texts(): { [name: string]: string } {
  const result = gcc(textSource(), machine.x86_64, "-E", "-P");
  if (result.status !== 0) throw new Error(`the preprocessor refused the headers:\n${result.stderr}`);
  return Object.fromEntries([...result.stdout.matchAll(/^"(\w+)" : "(.*)"$/gm)].map((match) => [match[1], match[2]]));
}

function numbers(): { [name: string]: number | string } {
  const found = answers(constantQuestions(numberNames), "x86_64");
  const missing = numberNames.filter((name) => !found.has(name));
  for (const [name, value] of answers(constantQuestions(missing), "x86_32")) found.set(name, value);
  return Object.fromEntries(
    [...found].map(([name, value]) => [name, Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()]),
  );
}

/** JSON with one line for each entry of the named objects, so that a change shows as one line. */
function lines(tables: { [name: string]: object }): string {
  const parts = Object.entries(tables).map(([name, table]) => {
    const entries = Object.entries(table).map(([key, value]) => `    ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
    return `  ${JSON.stringify(name)}: {\n${entries.join(",\n")}\n  }`;
  });
  return `{\n${parts.join(",\n")}\n}\n`;
}

requireHeaders();
writeFileSync("test/data/offsets.json", lines({ x86_64: structTable("x86_64"), x86_32: structTable("x86_32") }));
writeFileSync("test/data/constants.json", lines({ numbers: numbers(), texts: texts() }));
