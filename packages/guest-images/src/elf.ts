import { asByteSource, type ByteSource } from "./byte-source.ts";
import { ImageError } from "./image-error.ts";

// Values of the ELF specification (System V ABI, chapter 4, and its AMD64 supplement).
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const EM_386 = 3;
export const EM_X86_64 = 62;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;

const HEADER_BYTES = 64;
const NARROW_HEADER_BYTES = 52;

const machineNames = new Map<number, string>([
  [2, "SPARC"],
  [EM_386, "32-bit x86"],
  [8, "MIPS"],
  [20, "32-bit PowerPC"],
  [21, "64-bit PowerPC"],
  [22, "S/390"],
  [40, "32-bit ARM"],
  [50, "IA-64"],
  [EM_X86_64, "x86-64"],
  [183, "AArch64"],
  [243, "RISC-V"],
  [258, "LoongArch"],
]);

export interface ElfSegment {
  readonly type: number;
  readonly flags: number;
  /** Offset of the bytes in the file. */
  readonly offset: number;
  /** Virtual address, sign-extended from 64 (or zero-extended from 32) bits. */
  readonly virtualAddress: number;
  /** Physical address as the linker wrote it; what it means to Xen depends on the image's notes. */
  readonly physicalAddress: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  /** Index of a related section (of a symbol table: its strings). */
  readonly link: number;
  readonly entrySize: number;
}

/** The headers of an ELF file; everything else is read from `source` when it is wanted. */
export interface ElfFile {
  readonly source: ByteSource;
  readonly elfClass: typeof ELFCLASS32 | typeof ELFCLASS64;
  readonly type: number;
  readonly machine: number;
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  /** Empty if the file has no section table, or if the table lies outside the file (a stripped or cut tail). */
  readonly sections: readonly ElfSection[];
}

/** English name of an ELF machine number. */
export function machineName(machine: number): string {
  return machineNames.get(machine) ?? `machine type ${machine}`;
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** A DataView over a byte array. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** 64-bit address as a signed number: exact for every canonical 48-bit address. */
export function readAddress(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

/** 64-bit size or file offset as an unsigned number; anything above 2^53 loses low bits, which no bound check minds. */
function readSize(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

/**
 * Reads the ELF, program and section headers.
 * @throws ImageError `not-a-kernel` (no ELF magic), `architecture` (big-endian), `truncated` (headers or the bytes of a
 * loadable segment lie beyond the end of the file), `corrupt`
 */
export function readElf(image: Uint8Array | ByteSource): ElfFile {
  const source = asByteSource(image);
  const header = source.bytes(0, Math.min(source.size, HEADER_BYTES));
  if (!isElf(header)) {
    throw new ImageError("not-a-kernel", "the file does not start with the ELF magic number");
  }
  const elfClass = header[4];
  if (header.length < (elfClass === ELFCLASS64 ? HEADER_BYTES : NARROW_HEADER_BYTES)) {
    throw new ImageError("truncated", `the ELF file ends inside its header, after ${header.length} bytes`);
  }
  if (elfClass !== ELFCLASS32 && elfClass !== ELFCLASS64) {
    throw new ImageError("corrupt", `the ELF header names class ${elfClass}, which is neither 32-bit nor 64-bit`);
  }
  if (header[5] !== ELFDATA2LSB) {
    throw new ImageError("architecture", "the kernel is built for a big-endian machine, not for x86-64");
  }
  const view = viewOf(header);
  const wide = elfClass === ELFCLASS64;
  return {
    source,
    elfClass,
    type: view.getUint16(16, true),
    machine: view.getUint16(18, true),
    entry: wide ? readAddress(view, 24) : view.getUint32(24, true),
    segments: readSegments(source, view, wide),
    sections: readSections(source, view, wide),
  };
}

function readSegments(source: ByteSource, header: DataView, wide: boolean): ElfSegment[] {
  const tableOffset = wide ? readSize(header, 32) : header.getUint32(28, true);
  const entrySize = header.getUint16(wide ? 54 : 42, true);
  const count = header.getUint16(wide ? 56 : 44, true);
  if (count > 0 && entrySize < (wide ? 56 : 32)) {
    throw new ImageError("corrupt", `the ELF header gives program headers of ${entrySize} bytes, which is too small`);
  }
  if (tableOffset + count * entrySize > source.size) {
    throw new ImageError("truncated", "the ELF file ends before its program headers");
  }
  const view = viewOf(source.bytes(tableOffset, count * entrySize));
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * entrySize;
    const segment: ElfSegment = wide
      ? {
          type: view.getUint32(at, true),
          flags: view.getUint32(at + 4, true),
          offset: readSize(view, at + 8),
          virtualAddress: readAddress(view, at + 16),
          physicalAddress: readAddress(view, at + 24),
          fileSize: readSize(view, at + 32),
          memorySize: readSize(view, at + 40),
        }
      : {
          type: view.getUint32(at, true),
          flags: view.getUint32(at + 24, true),
          offset: view.getUint32(at + 4, true),
          virtualAddress: view.getUint32(at + 8, true),
          physicalAddress: view.getUint32(at + 12, true),
          fileSize: view.getUint32(at + 16, true),
          memorySize: view.getUint32(at + 20, true),
        };
    if (segment.type === PT_LOAD || segment.type === PT_NOTE) {
      if (segment.offset + segment.fileSize > source.size) {
        const end = segment.offset + segment.fileSize;
        throw new ImageError(
          "truncated",
          `the ELF file has ${source.size} bytes, but its segment ${index} reaches to byte ${end}`,
        );
      }
    }
    if (segment.type === PT_LOAD && segment.memorySize < segment.fileSize) {
      throw new ImageError("corrupt", `segment ${index} of the ELF file is larger in the file than in memory`);
    }
    segments.push(segment);
  }
  return segments;
}

function readSections(source: ByteSource, header: DataView, wide: boolean): ElfSection[] {
  const tableOffset = wide ? readSize(header, 40) : header.getUint32(32, true);
  const entrySize = header.getUint16(wide ? 58 : 46, true);
  const count = header.getUint16(wide ? 60 : 48, true);
  const namesIndex = header.getUint16(wide ? 62 : 50, true);
  // No loader needs sections, so a missing or cut table is not an error: the kernel still runs.
  if (count === 0 || entrySize < (wide ? 64 : 40) || tableOffset + count * entrySize > source.size) {
    return [];
  }
  const view = viewOf(source.bytes(tableOffset, count * entrySize));
  const field = (index: number, wideOffset: number, narrowOffset: number) =>
    wide ? readSize(view, index * entrySize + wideOffset) : view.getUint32(index * entrySize + narrowOffset, true);
  const namesStart = namesIndex < count ? Math.min(field(namesIndex, 24, 16), source.size) : source.size;
  const namesSize = namesIndex < count ? Math.min(field(namesIndex, 32, 20), source.size - namesStart) : 0;
  const names = source.bytes(namesStart, namesSize);
  const sections: ElfSection[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * entrySize;
    sections.push({
      name: readCString(names, view.getUint32(at, true)),
      type: view.getUint32(at + 4, true),
      flags: field(index, 8, 8),
      address: wide ? readAddress(view, at + 16) : view.getUint32(at + 12, true),
      offset: field(index, 24, 16),
      size: field(index, 32, 20),
      link: view.getUint32(at + (wide ? 40 : 24), true),
      entrySize: field(index, 56, 36),
    });
  }
  return sections;
}

/** Bytes up to the next NUL (or `end`, or the end of the array) as Latin-1 text. */
export function readCString(bytes: Uint8Array, start: number, end = bytes.length): string {
  let text = "";
  for (let at = start; at < end && at < bytes.length && bytes[at] !== 0; at++) {
    text += String.fromCharCode(bytes[at]);
  }
  return text;
}

/** The bytes of a section, or null if it has none in the file or they lie beyond its end. */
export function sectionBytes(elf: ElfFile, section: ElfSection): Uint8Array | null {
  if (section.type === SHT_NOBITS || section.offset + section.size > elf.source.size) {
    return null;
  }
  return elf.source.bytes(section.offset, section.size);
}
