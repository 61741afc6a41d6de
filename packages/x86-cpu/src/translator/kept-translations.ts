import { ByteWriter } from "@xen-node/wasm-emit";
import type { Translation } from "./compiler.ts";
import type { EngineCode, RegionImage } from "./region-image.ts";

const FORMAT = "xen-node translations 1";
/** A translation that so many machines in turn had no use for is not kept any longer. */
const MOST_IDLE = 8;

/** A translation's length, and the end, at most. */
const FRAME_BYTES = 6;

/** A translation, and how many machines in turn have had no use for it. */
export interface KeptTranslation {
  readonly translation: Translation;
  readonly idle: number;
}

/**
 * Writes translations for later machines: those in use first, and no more than fit.
 * @param memoryBytes size of the machine's memory: their code is good for this one alone
 * @param engine saves what the engine has made of them, too
 */
export function writeTranslations(
  kept: readonly KeptTranslation[],
  memoryBytes: number,
  maxBytes: number,
  engine: EngineCode | undefined,
): Uint8Array {
  const out = new ByteWriter(1 << 20).name(FORMAT).u32(memoryBytes);
  const ordered = kept.filter(({ idle }) => idle <= MOST_IDLE).sort((a, b) => a.idle - b.idle);
  for (const { translation, idle } of ordered) {
    const body = new ByteWriter(1 << 16);
    writeTranslation(body, translation, idle, engine);
    if (out.length + body.length + FRAME_BYTES > maxBytes) break;
    // No translation is empty: 0 is the end.
    out.u32(body.length).append(body.bytes, body.length);
  }
  return out.u32(0).toUint8Array();
}

/** What `writeTranslations` wrote; empty if it is of another format or for another size of memory. */
export function readTranslations(bytes: Uint8Array, memoryBytes: number): KeptTranslation[] {
  const reader = new Reader(bytes);
  const kept: KeptTranslation[] = [];
  if (reader.text() !== FORMAT || reader.u32() !== memoryBytes) return kept;
  while (reader.u32() !== 0) kept.push(readTranslation(reader));
  return kept;
}

function writeTranslation(
  out: ByteWriter,
  translation: Translation,
  idle: number,
  engine: EngineCode | undefined,
): void {
  const { image, start, mode, entries, ranges, threshold, instructions } = translation;
  out.u32(idle).s64(start).u32(mode).u32(threshold).u32(instructions).u32(entries.length);
  for (const place of entries) out.s64(place);
  out.u32(ranges.length);
  for (const { page, start: from, bytes } of ranges) writeBytes(out.s64(page).u32(from), bytes);
  writeBytes(out, image.wasm);
  writeBytes(out, image.data);
  const { run } = translation;
  // What came from a file and was not needed, or has been restored and not come by anew, is still what it was.
  const saved = image.module === undefined || run === undefined ? undefined : engine?.save(image.module, run);
  const native = saved ?? image.native;
  writeBytes(out, native ?? new Uint8Array());
}

function writeBytes(out: ByteWriter, bytes: Uint8Array): void {
  out.u32(bytes.length).append(bytes);
}

function readTranslation(reader: Reader): KeptTranslation {
  const idle = reader.u32();
  const start = reader.s64();
  const mode = reader.u32();
  const threshold = reader.u32();
  const instructions = reader.u32();
  const entries = Array.from({ length: reader.u32() }, () => reader.s64());
  const ranges = Array.from({ length: reader.u32() }, () => {
    const page = reader.s64();
    const from = reader.u32();
    const bytes = reader.bytes();
    return { page, start: from, end: from + bytes.length, bytes };
  });
  const image: RegionImage = { wasm: reader.bytes(), data: reader.bytes() };
  const native = reader.bytes();
  if (native.length > 0) image.native = native;
  const pages = [...new Set(ranges.map(({ page }) => page))];
  const translation = { image, run: undefined, start, mode, entries, ranges, pages, threshold, instructions };
  return { translation, idle };
}

/** Reads what ByteWriter wrote. */
class Reader {
  private at = 0;

  constructor(private readonly source: Uint8Array) {}

  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.next();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  /** Up to 53 bits. */
  s64(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.next();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - scale * 0x80;
    }
  }

  /** A part of the source itself: it is some megabytes, of which a machine needs only what it meets. */
  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.u32();
    if (this.at + length > this.source.length) throw new RangeError("kept translations are cut off");
    this.at += length;
    return this.source.subarray(this.at - length, this.at) as Uint8Array<ArrayBuffer>;
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  private next(): number {
    if (this.at >= this.source.length) throw new RangeError("kept translations are cut off");
    return this.source[this.at++];
  }
}
