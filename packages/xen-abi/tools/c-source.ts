import * as constants from "../src/constants/index.ts";
import type { Abi, Fields, StructSpec } from "../src/layout/spec.ts";
import { specs } from "../src/structs/structs.ts";

/** Public headers whose facts this package holds, in the order in which they can be included. */
const headers = [
  "xen.h",
  "errno.h",
  "event_channel.h",
  "grant_table.h",
  "sched.h",
  "physdev.h",
  "memory.h",
  "vcpu.h",
  "callback.h",
  "version.h",
  "features.h",
  "elfnote.h",
  "nmi.h",
  "platform.h",
  "arch-x86/cpuid.h",
  "arch-x86/hvm/start_info.h",
  "hvm/e820.h",
  "hvm/params.h",
  "hvm/hvm_op.h",
  "io/ring.h",
  "io/blkif.h",
  "io/netif.h",
  "io/console.h",
  "io/xenbus.h",
  "io/xs_wire.h",
  "io/protocols.h",
];

const sizeOfMember = (struct: string, member: string) => `sizeof(((${struct} *)0)->${member})`;

/** Constants that the headers spell differently. */
const expressions: { readonly [name: string]: string } = {
  XENCONS_IN_SIZE: sizeOfMember("struct xencons_interface", "in"),
  XENCONS_OUT_SIZE: sizeOfMember("struct xencons_interface", "out"),
};

const expressionOf = (name: string) => expressions[name] ?? (/^E[0-9A-Z]+$/.test(name) ? `XEN_${name}` : name);

export const numberNames = Object.entries(constants)
  .filter(([, value]) => typeof value === "number")
  .map(([name]) => name);

export const textNames = Object.entries(constants)
  .filter(([, value]) => typeof value === "string" || Array.isArray(value))
  .map(([name]) => name);

/** One fact to ask the compiler for. `key` comes back with the answer. */
export interface Question {
  readonly key: string;
  readonly expression: string;
}

function* members(fields: Fields, abi: Abi, path: string, expression: string): Generator<Question> {
  for (const [name, field] of Object.entries(fields)) {
    const isArray = typeof field === "object" && "element" in field;
    const element = isArray ? field.element : field;
    const at = expression + name;
    yield { key: path + name, expression: at };
    if (typeof element === "string") continue;
    yield* members(element.fields[abi], abi, `${path}${name}.`, `${at}${isArray ? "[0]" : ""}.`);
  }
}

/** Size, alignment, and each field's offset and size of every structure. Keys: "start_info size", "start_info @flags". */
export function structQuestions(abi: Abi): Question[] {
  const questions: Question[] = [];
  for (const spec of Object.values<StructSpec>(specs)) {
    const type = `${spec.kind} ${spec.tag}`;
    questions.push({ key: `${spec.tag} size`, expression: `sizeof(${type})` });
    questions.push({ key: `${spec.tag} align`, expression: `_Alignof(${type})` });
    for (const { key, expression } of members(spec.fields[abi], abi, "", "")) {
      questions.push({ key: `${spec.tag} @${key}`, expression: `offsetof(${type}, ${expression})` });
      // A flexible array has an offset, but no size.
      const size = key === "buf" && spec.tag === "xen_build_id" ? "0" : sizeOfMember(type, expression);
      questions.push({ key: `${spec.tag} #${key}`, expression: size });
    }
  }
  return questions;
}

export function constantQuestions(names: readonly string[]): Question[] {
  return names.map((name) => ({ key: name, expression: expressionOf(name) }));
}

const prelude = ["#include <stddef.h>", "#include <stdint.h>", "#define __XEN_TOOLS__ 1"].concat(
  headers.map((header) => `#include <xen/${header}>`),
);

/** Lines before the first question in `numberSource`. */
export const FIRST_QUESTION_LINE = prelude.length + 1;

/**
 * A translation unit, one question a line, that leaves "@@ key $value $isNegative" in the assembler output. It never has to
 * run, so a compiler without a 32-bit C library can answer for 32-bit guests.
 */
export function numberSource(questions: readonly Question[]): string {
  const lines = questions.map(
    ({ key, expression }) =>
      `__asm__ volatile ("\\n@@ ${key} %0 %1" :: "i" ((intptr_t)(${expression})), "i" ((${expression}) < 0));`,
  );
  return [...prelude, "void facts(void) {", ...lines, "}", ""].join("\n");
}

/** Text whose preprocessed form has a line `"NAME" : <expansion>` for each text constant. */
export function textSource(): string {
  return [...prelude, ...textNames.map((name) => `"${name}" : ${name}`), ""].join("\n");
}
