export { asByteSource, type ByteSource, openByteSource } from "./byte-source.ts";
export { type BzImagePayload, isBzImage, readBzImage } from "./bzimage.ts";
export { crc32 } from "./checksum.ts";
export { type Compression, detectCompression, MAX_UNPACKED_BYTES, unpack } from "./compression.ts";
export {
  ELFCLASS32,
  ELFCLASS64,
  type ElfFile,
  type ElfSection,
  type ElfSegment,
  EM_386,
  EM_X86_64,
  isElf,
  machineName,
  PT_LOAD,
  PT_NOTE,
  readElf,
  sectionBytes,
} from "./elf.ts";
export { elfSymbols } from "./elf-symbols.ts";
export { featureBits, featureName } from "./feature-names.ts";
export { ImageError, type ImageErrorCode } from "./image-error.ts";
export { kallsymsSymbols } from "./kallsyms.ts";
export {
  type KernelImage,
  type KernelReadOptions,
  loadKernelImage,
  readKernelImage,
  type UnpackedKernels,
} from "./kernel-image.ts";
export { kernelSymbols } from "./kernel-symbols.ts";
export { type NearestSymbol, type SymbolEntry, type SymbolSource, SymbolTable } from "./symbol-table.ts";
export { systemMapSymbols } from "./system-map.ts";
export { type NoteSource, readXenNotes, type XenNotes } from "./xen-notes.ts";
