import {
  XEN_ELFNOTE_ENTRY,
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_PADDR_OFFSET,
  XEN_ELFNOTE_VIRT_BASE,
  XEN_ELFNOTE_XEN_VERSION,
} from "@xen-node/xen-abi";

/** A kernel's one segment, which can be read, written and executed. */
export interface KernelSegment {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly memoryBytes: number;
  readonly entry: number;
}

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SEGMENT_AT = 4096;

const ET_EXEC = 2;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const READ = 4;
const READ_WRITE_EXECUTE = 7;

/** An ELF file of one segment and the notes by which Xen knows a PV kernel (xen/include/public/elfnote.h). */
export function writeElf({ address, bytes, memoryBytes, entry }: KernelSegment): Uint8Array {
  const notes = kernelNotes(address, entry);
  const notesAt = HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;
  const file = new Uint8Array(SEGMENT_AT + bytes.length);
  const view = new DataView(file.buffer);
  // Class 64, little-endian, version 1.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 2, true);

  const programHeader = (index: number, type: number, flags: number, words: number[]): void => {
    const at = HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    for (const [i, word] of words.entries()) view.setBigUint64(at + 8 + i * 8, BigInt(word), true);
  };
  // Offset in the file, virtual and physical address, bytes in the file and in memory, alignment.
  programHeader(0, PT_LOAD, READ_WRITE_EXECUTE, [SEGMENT_AT, address, address, bytes.length, memoryBytes, 4096]);
  programHeader(1, PT_NOTE, READ, [notesAt, 0, 0, notes.length, notes.length, 4]);
  file.set(notes, notesAt);
  file.set(bytes, SEGMENT_AT);
  return file;
}

function kernelNotes(virtBase: number, entry: number): Uint8Array {
  return Uint8Array.from([
    ...note(XEN_ELFNOTE_XEN_VERSION, text("xen-3.0")),
    ...note(XEN_ELFNOTE_GUEST_OS, text("xen-node-demo")),
    ...note(XEN_ELFNOTE_LOADER, text("generic")),
    ...note(XEN_ELFNOTE_VIRT_BASE, address(virtBase)),
    // Physical addresses in the file are those of the mapping, so that page frame 0 is at VIRT_BASE.
    ...note(XEN_ELFNOTE_PADDR_OFFSET, address(virtBase)),
    ...note(XEN_ELFNOTE_ENTRY, address(entry)),
  ]);
}

const text = (value: string): number[] => [...new TextEncoder().encode(`${value}\0`)];
const address = (value: number): number[] => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];
const u32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];

function note(type: number, content: number[]): number[] {
  const padding = new Array<number>((4 - (content.length % 4)) % 4).fill(0);
  return [...u32(4), ...u32(content.length), ...u32(type), ...text("Xen"), ...content, ...padding];
}
