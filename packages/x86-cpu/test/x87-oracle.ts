import { format } from "../src/decode/index.ts";
import { PROGRAM_MEMORY } from "./float-module.ts";
import { IMAGE_BYTES, X87Machine } from "./x87-machine.ts";

/** Records of tools/x87-oracle.c. */
const RECORD = 472;
const MEMORY_BYTES = 112;
const IMAGES = new Set(["fnstenv", "fnsave"]);
const TRANSCENDENTAL = new Set(["f2xm1", "fyl2x", "fyl2xp1", "fptan", "fpatan", "fsin", "fcos", "fsincos"]);
/** FIP, FCS and FDP, FDS: they depend on where code and data were. FOP lies between them. */
const POINTERS: readonly (readonly [number, number])[] = [
  [12, 18],
  [20, 28],
];

const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const number = (bytes: Uint8Array, at: number) => hex(bytes.slice(at, at + 10).reverse());

function describeImage(image: Uint8Array): string {
  const view = new DataView(image.buffer, image.byteOffset);
  const top = (view.getUint16(4, true) >> 11) & 7;
  const tags = view.getUint16(8, true);
  const registers = Array.from({ length: 8 }, (_, i) => {
    const tag = (tags >> (2 * ((top + i) & 7))) & 3;
    return tag === 3 ? "-" : number(image, 28 + 10 * i);
  });
  const [control, status] = [0, 4].map((at) => view.getUint16(at, true).toString(16));
  return `cw ${control} sw ${status} tw ${tags.toString(16)} [${registers.join(" ")}]`;
}

export interface Difference {
  readonly instruction: string;
  readonly text: string;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((x, i) => x === b[i]);
}

/** Distance of two extended numbers in units in the last place, if it is small. */
function distance(a: Uint8Array, b: Uint8Array): number {
  const ordinal = (x: Uint8Array) => {
    const view = new DataView(x.buffer, x.byteOffset);
    const high = view.getUint16(8, true);
    const magnitude = BigInt(high & 0x7fff) * 2n ** 63n + (view.getBigUint64(0, true) & (2n ** 63n - 1n));
    return high & 0x8000 ? -magnitude : magnitude;
  };
  const difference = ordinal(a) - ordinal(b);
  return Number(difference < 0n ? -difference : difference);
}

/** Replays what a processor did on the x87 handlers. `tolerance` is what transcendental results may be off by. */
export function replayX87(data: Uint8Array, tolerance = 1): { cases: number; differences: Difference[] } {
  const machine = new X87Machine();
  const differences: Difference[] = [];
  const cases = data.length / RECORD;
  for (let i = 0; i < cases; i++) {
    const record = Uint8Array.from(data.subarray(i * RECORD, (i + 1) * RECORD));
    const view = new DataView(record.buffer);
    const code = record.subarray(0, view.getUint32(8, true));
    const flagsBefore = view.getUint32(12, true);
    const before = record.subarray(16, 16 + IMAGE_BYTES);
    const memoryBefore = record.subarray(124, 124 + MEMORY_BYTES);
    const flagsAfter = view.getUint32(236, true) & 0x8d5;
    const axAfter = view.getUint32(240, true);
    const after = record.slice(244, 244 + IMAGE_BYTES);
    const memoryAfter = record.slice(352, 352 + MEMORY_BYTES);

    machine.loadImage(before);
    machine.setFlags(flagsBefore);
    machine.ax = 0;
    machine.bytes.set(memoryBefore, PROGRAM_MEMORY);
    const mnemonic = machine.run(code);
    const memory = machine.bytes.slice(PROGRAM_MEMORY, PROGRAM_MEMORY + MEMORY_BYTES);
    const { entry, hasMem, opSize } = machine.insn;
    const assembly = format(machine.insn, 0);
    const name = `${entry.mnemonic} ${entry.pattern}`;
    const problem = (what: string, got: string, wanted: string) => {
      const operand = hasMem ? ` mem ${hex(memoryBefore.subarray(0, 10).slice().reverse())}` : "";
      const text = `${assembly} before ${describeImage(before)}${operand}\n   ${what} ${got}\n   not  ${wanted}`;
      differences.push({ instruction: name, text });
    };
    const flags = machine.flags;
    const ax = machine.ax;
    const image = machine.saveImage();
    for (const [from, to] of POINTERS) {
      image.fill(0, from, to);
      after.fill(0, from, to);
      if (IMAGES.has(entry.mnemonic)) {
        memory.fill(0, from >> (opSize === 2 ? 1 : 0), to >> (opSize === 2 ? 1 : 0));
        memoryAfter.fill(0, from >> (opSize === 2 ? 1 : 0), to >> (opSize === 2 ? 1 : 0));
      }
    }
    // AMD's processors lose FOP when the operating system switches tasks.
    if (after[18] === 0 && after[19] === 0) image.fill(0, 18, 20);
    if (TRANSCENDENTAL.has(String(mnemonic))) tolerate(image, after, tolerance);
    if (!sameBytes(image, after)) problem("gave", describeImage(image), describeImage(after));
    else if (!sameBytes(memory, memoryAfter)) problem("stored", hex(memory), hex(memoryAfter));
    else if (flags !== flagsAfter) problem("flags", flags.toString(16), flagsAfter.toString(16));
    else if (ax !== axAfter) problem("ax", ax.toString(16), axAfter.toString(16));
  }
  return { cases, differences };
}

/** Makes registers that are near enough equal, and C1 as well. */
function tolerate(image: Uint8Array, after: Uint8Array, tolerance: number): void {
  for (let at = 28; at < IMAGE_BYTES; at += 10) {
    if (distance(image.slice(at, at + 10), after.slice(at, at + 10)) <= tolerance) {
      image.copyWithin(at, at, at + 10);
      image.set(after.subarray(at, at + 10), at);
    }
  }
  image[5] &= ~2;
  after[5] &= ~2;
}
