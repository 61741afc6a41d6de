import {
  CONTEXT_START,
  CR2,
  FCW,
  FSW,
  FTW,
  GPR,
  MXCSR,
  RIP,
  SEG_BASE,
  SEG_SELECTOR,
  SYSTEM_FLAGS,
  XMM,
} from "@xen-node/x86-cpu";

/** A processor at an exit: the context with RFLAGS in the place of the system flags. */
export interface ProcessorState {
  readonly exit: number;
  readonly retired: number;
  readonly context: Uint8Array;
}

const GPR_NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const SEGMENT_NAMES = "es cs ss ds fs gs".split(" ");

interface Field {
  readonly name: string;
  readonly address: number;
  readonly bytes: 4 | 8;
}

const FIELDS: readonly Field[] = [
  { name: "rip", address: RIP, bytes: 8 },
  ...GPR_NAMES.map((name, i): Field => ({ name, address: GPR(i), bytes: 8 })),
  { name: "rflags", address: SYSTEM_FLAGS, bytes: 4 },
  { name: "cr2", address: CR2, bytes: 8 },
  ...SEGMENT_NAMES.flatMap((name, i): Field[] => [
    { name, address: SEG_SELECTOR(i), bytes: 4 },
    { name: `${name} base`, address: SEG_BASE(i), bytes: 8 },
  ]),
  { name: "mxcsr", address: MXCSR, bytes: 4 },
  { name: "fcw", address: FCW, bytes: 4 },
  { name: "fsw", address: FSW, bytes: 4 },
  { name: "ftw", address: FTW, bytes: 4 },
  ...Array.from({ length: 16 }, (_, i): Field[] => [
    { name: `xmm${i} low`, address: XMM(i), bytes: 8 },
    { name: `xmm${i} high`, address: XMM(i) + 8, bytes: 8 },
  ]).flat(),
];

function value(context: Uint8Array, { address, bytes }: Field): string {
  const view = new DataView(context.buffer, context.byteOffset);
  const at = address - CONTEXT_START;
  return (bytes === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true))).toString(16);
}

/** Both states beside each other where they differ; undefined if they do not. */
export function describeDifference(translated: ProcessorState, interpreted: ProcessorState): string | undefined {
  const same =
    translated.exit === interpreted.exit &&
    translated.retired === interpreted.retired &&
    translated.context.every((byte, i) => byte === interpreted.context[i]);
  if (same) return undefined;
  const rows = [
    ["", "translated", "interpreted"],
    ["exit", String(translated.exit), String(interpreted.exit)],
    ["instructions", String(translated.retired), String(interpreted.retired)],
    ...FIELDS.map((field) => [field.name, value(translated.context, field), value(interpreted.context, field)]),
  ];
  return rows
    .filter(([name, a, b], i) => i < 4 || a !== b || GPR_NAMES.includes(name))
    .map(([name, a, b]) => `${a === b ? " " : "*"} ${name.padEnd(12)} ${a.padStart(20)} ${b.padStart(20)}`)
    .join("\n");
}
