/** Parts of a small ELF64 file made for a test. */
export interface ElfParts {
  machine?: number;
  entry?: bigint;
  segments?: { type: number; vaddr?: bigint; paddr?: bigint; content: Uint8Array; memorySize?: number }[];
  sections?: { name: string; type: number; content: Uint8Array; link?: number; entrySize?: number }[];
}

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTION_HEADER = 64;

/** Lays out: header, program headers, segments (8-aligned), sections, section names, section headers. */
export function makeElf({ machine = 62, entry = 0n, segments = [], sections = [] }: ElfParts): Uint8Array {
  const named = sections.length === 0 ? [] : [{ name: "", type: 0, content: new Uint8Array(0) }, ...sections];
  const nameTable = [".shstrtab", ...named.map(({ name }) => name)];
  const nameOffsets = new Map<string, number>();
  let names = "\0";
  for (const name of nameTable) {
    nameOffsets.set(name, name === "" ? 0 : names.length);
    names += name === "" ? "" : `${name}\0`;
  }
  const all: NonNullable<ElfParts["sections"]> =
    named.length === 0 ? [] : [...named, { name: ".shstrtab", type: 3, content: new TextEncoder().encode(names) }];
  const align = (value: number) => (value + 7) & ~7;
  let end = align(HEADER + segments.length * PROGRAM_HEADER);
  const place = (content: Uint8Array) => {
    const at = end;
    end = align(at + content.length);
    return at;
  };
  const segmentOffsets = segments.map(({ content }) => place(content));
  const sectionOffsets = all.map(({ content }) => place(content));
  const sectionTable = end;
  const bytes = new Uint8Array(end + all.length * SECTION_HEADER);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, entry, true);
  view.setBigUint64(32, BigInt(segments.length === 0 ? 0 : HEADER), true);
  view.setBigUint64(40, BigInt(all.length === 0 ? 0 : sectionTable), true);
  view.setUint16(52, HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, segments.length, true);
  view.setUint16(58, SECTION_HEADER, true);
  view.setUint16(60, all.length, true);
  view.setUint16(62, all.length === 0 ? 0 : all.length - 1, true);
  segments.forEach(({ type, vaddr = 0n, paddr = vaddr, content, memorySize = content.length }, index) => {
    const at = HEADER + index * PROGRAM_HEADER;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, 7, true);
    view.setBigUint64(at + 8, BigInt(segmentOffsets[index]), true);
    view.setBigUint64(at + 16, vaddr, true);
    view.setBigUint64(at + 24, paddr, true);
    view.setBigUint64(at + 32, BigInt(content.length), true);
    view.setBigUint64(at + 40, BigInt(memorySize), true);
    bytes.set(content, segmentOffsets[index]);
  });
  all.forEach(({ name, type, content, link = 0, entrySize = 0 }, index) => {
    const at = sectionTable + index * SECTION_HEADER;
    view.setUint32(at, nameOffsets.get(name) ?? 0, true);
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 24, BigInt(sectionOffsets[index]), true);
    view.setBigUint64(at + 32, BigInt(content.length), true);
    view.setUint32(at + 40, link, true);
    view.setBigUint64(at + 56, BigInt(entrySize), true);
    bytes.set(content, sectionOffsets[index]);
  });
  return bytes;
}

/** One ELF note named "Xen"; numbers become 8 bytes. */
export function xenNote(type: number, content: string | bigint | Uint8Array): Uint8Array {
  let desc: Uint8Array;
  if (typeof content === "string") {
    desc = new TextEncoder().encode(`${content}\0`);
  } else if (typeof content === "bigint") {
    desc = new Uint8Array(8);
    new DataView(desc.buffer).setBigUint64(0, BigInt.asUintN(64, content), true);
  } else {
    desc = content;
  }
  const note = new Uint8Array(16 + ((desc.length + 3) & ~3));
  const view = new DataView(note.buffer);
  view.setUint32(0, 4, true);
  view.setUint32(4, desc.length, true);
  view.setUint32(8, type, true);
  note.set([0x58, 0x65, 0x6e, 0], 12);
  note.set(desc, 16);
  return note;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Notes that make a kernel a Xen guest, and a few more. */
export function pvNotes(...more: Uint8Array[]): Uint8Array {
  return concat(xenNote(6, "linux"), xenNote(5, "xen-3.0"), xenNote(8, "generic"), ...more);
}

/** A small sound PV kernel. */
export function pvKernel(): Uint8Array {
  const base = 0xffffffff80000000n;
  return makeElf({
    entry: base + 0x1000n,
    segments: [
      { type: 1, vaddr: base + 0x1000n, paddr: 0x1000n, content: new Uint8Array(3000).fill(0x90) },
      { type: 4, content: pvNotes(xenNote(3, base), xenNote(4, 0n), xenNote(1, base + 0x1000n)) },
    ],
  });
}

/** Wraps a payload as the kernel build does. */
export function makeBzImage(
  payload: Uint8Array,
  { protocol = 0x20f, setupSectors = 2, length = payload.length } = {},
): Uint8Array {
  const start = (setupSectors + 1) * 512 + 0x40;
  const bytes = new Uint8Array(start + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0x1f1] = setupSectors;
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, protocol, true);
  view.setUint32(0x248, 0x40, true);
  view.setUint32(0x24c, length, true);
  bytes.set(payload, start);
  return bytes;
}

/** A stream followed by the unpacked size, as in every bzImage that is not gzip. */
export function withSize(stream: Uint8Array, size: number): Uint8Array {
  const trailer = new Uint8Array(4);
  new DataView(trailer.buffer).setUint32(0, size, true);
  return concat(stream, trailer);
}

/** A legacy LZ4 frame of one block that holds literals only. */
export function lz4Literals(content: Uint8Array): Uint8Array {
  const lengthBytes: number[] = [];
  let rest = content.length - 15;
  for (; rest >= 255; rest -= 255) {
    lengthBytes.push(255);
  }
  const block = concat(Uint8Array.of(0xf0, ...lengthBytes, rest), content);
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, 0x184c2102, true);
  new DataView(head.buffer).setUint32(4, block.length, true);
  return concat(head, block);
}
