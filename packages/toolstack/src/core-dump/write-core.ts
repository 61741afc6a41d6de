import type { DomainMemory } from "@xen-node/hypervisor-core";
import type { ByteOutput } from "@xen-node/migration-stream";
import { coreNotes, joined } from "./core-notes.ts";

// docs/misc/dump-core-format.txt of Xen: an ELF core file with sections and without segments.

const ELF_HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const ET_CORE = 4;
const EM_X86_64 = 62;
const SHT_PROGBITS = 1;
const SHT_STRTAB = 3;
const SHT_NOTE = 7;
const PAGE_BYTES = 4096;
const P2M_ENTRY_BYTES = 16;
const BATCH = 256;

interface Section {
  name: string;
  type: number;
  align: number;
  entryBytes: number;
  bytes: number;
}

/**
 * Writes a paused domain as `xl dump-core` does. Others run on between two pieces.
 *
 * @throws what the output throws
 */
export async function writeCore(out: ByteOutput, memory: DomainMemory): Promise<void> {
  const { pages } = memory;
  const contexts = memory.contexts();
  const sharedInfo = memory.sharedInfo();
  const notes = coreNotes({ vcpus: contexts.length, pages: pages.length });
  const contextBytes = contexts[0]?.length ?? 0;
  const sections: Section[] = [
    { name: ".note.Xen", type: SHT_NOTE, align: 4, entryBytes: 0, bytes: notes.length },
    progbits(".xen_prstatus", 8, contextBytes, contextBytes * contexts.length),
    progbits(".xen_shared_info", 8, PAGE_BYTES, sharedInfo.length),
    progbits(".xen_p2m", 8, P2M_ENTRY_BYTES, P2M_ENTRY_BYTES * pages.length),
    progbits(".xen_pages", PAGE_BYTES, PAGE_BYTES, PAGE_BYTES * pages.length),
  ];
  const names = joined(
    ...["", ".shstrtab", ...sections.map(({ name }) => name)].map((name) => new TextEncoder().encode(`${name}\0`)),
  );
  sections.unshift({ name: ".shstrtab", type: SHT_STRTAB, align: 1, entryBytes: 0, bytes: names.length });
  const places = place(sections);

  let written = 0;
  const write = async (bytes: Uint8Array, at = written): Promise<void> => {
    if (at > written) await out.write(new Uint8Array(at - written));
    await out.write(bytes);
    written = at + bytes.length;
  };
  await write(elfHeader(sections.length + 1));
  await write(
    joined(
      new Uint8Array(SECTION_HEADER_BYTES),
      ...sections.map((section, i) => sectionHeader(section, places[i], names)),
    ),
  );
  for (const [i, content] of [names, notes, joined(...contexts), sharedInfo, p2mTable(memory)].entries())
    await write(content, places[i]);
  await write(new Uint8Array(0), places[sections.length - 1]);
  const batch = new Uint8Array(BATCH * PAGE_BYTES);
  for (let next = 0; next < pages.length; next += BATCH) {
    const some = pages.slice(next, next + BATCH);
    for (const [i, { mfn }] of some.entries()) memory.readPage(mfn, batch, i * PAGE_BYTES);
    await write(batch.subarray(0, some.length * PAGE_BYTES));
  }
}

const progbits = (name: string, align: number, entryBytes: number, bytes: number): Section => ({
  name,
  type: SHT_PROGBITS,
  align,
  entryBytes,
  bytes,
});

/** Where each section's contents begin. */
function place(sections: readonly Section[]): number[] {
  let end = ELF_HEADER_BYTES + SECTION_HEADER_BYTES * (sections.length + 1);
  return sections.map(({ align, bytes }) => {
    const at = Math.ceil(end / align) * align;
    end = at + bytes;
    return at;
  });
}

function elfHeader(sections: number): Uint8Array {
  const bytes = new Uint8Array(ELF_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  // Magic; 64 bits, little-endian, version 1.
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, ET_CORE, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, 1, true);
  view.setUint32(40, ELF_HEADER_BYTES, true);
  view.setUint16(52, ELF_HEADER_BYTES, true);
  view.setUint16(58, SECTION_HEADER_BYTES, true);
  view.setUint16(60, sections, true);
  // .shstrtab is the first after the empty one.
  view.setUint16(62, 1, true);
  return bytes;
}

function sectionHeader(section: Section, place: number, names: Uint8Array): Uint8Array {
  const header = new Uint8Array(SECTION_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, new TextDecoder().decode(names).indexOf(`\0${section.name}\0`) + 1, true);
  view.setUint32(4, section.type, true);
  view.setBigUint64(24, BigInt(place), true);
  view.setBigUint64(32, BigInt(section.bytes), true);
  view.setBigUint64(48, BigInt(section.align), true);
  view.setBigUint64(56, BigInt(section.entryBytes), true);
  return header;
}

/** struct xen_dumpcore_p2m for each page: pfn, then frame. */
function p2mTable({ pages }: DomainMemory): Uint8Array {
  const table = new Uint8Array(P2M_ENTRY_BYTES * pages.length);
  const view = new DataView(table.buffer);
  for (const [i, { pfn, mfn }] of pages.entries()) {
    view.setBigUint64(P2M_ENTRY_BYTES * i, BigInt(pfn), true);
    view.setBigUint64(P2M_ENTRY_BYTES * i + 8, BigInt(mfn), true);
  }
  return table;
}
