import {
  ELFCLASS64,
  type ElfFile,
  readAddress,
  readCString,
  SHT_STRTAB,
  SHT_SYMTAB,
  sectionBytes,
  viewOf,
} from "./elf.ts";
import { type SymbolEntry, SymbolTable } from "./symbol-table.ts";

const STT_OBJECT = 1;
const STT_FUNC = 2;
const STT_NOTYPE = 0;
const STB_LOCAL = 0;
const SHN_UNDEF = 0;
const SHN_LORESERVE = 0xff00;

/** Symbols of an ELF file's `.symtab`, or null if it was stripped. */
export function elfSymbols(elf: ElfFile): SymbolTable | null {
  const section = elf.sections.find((candidate) => candidate.type === SHT_SYMTAB);
  const strings = section === undefined ? undefined : elf.sections[section.link];
  if (section === undefined || strings === undefined || strings.type !== SHT_STRTAB) {
    return null;
  }
  const content = sectionBytes(elf, section);
  const names = sectionBytes(elf, strings);
  if (content === null || names === null) {
    return null;
  }
  const wide = elf.elfClass === ELFCLASS64;
  const entrySize = wide ? 24 : 16;
  const view = viewOf(content);
  const entries: (SymbolEntry & { rank: number })[] = [];
  for (let at = 0; at + entrySize <= content.length; at += entrySize) {
    const info = content[at + (wide ? 4 : 12)];
    const type = info & 0xf;
    const sectionIndex = view.getUint16(at + (wide ? 6 : 14), true);
    const named = view.getUint32(at, true);
    // Absolute and common symbols name no place in the kernel.
    if (named === 0 || sectionIndex === SHN_UNDEF || sectionIndex >= SHN_LORESERVE) {
      continue;
    }
    if (type !== STT_FUNC && type !== STT_OBJECT && type !== STT_NOTYPE) {
      continue;
    }
    entries.push({
      address: wide ? readAddress(view, at + 8) : view.getUint32(at + 4, true),
      name: readCString(names, named),
      // Of several names for one address show the one a person would call it by.
      rank: (type === STT_NOTYPE ? 2 : 0) + (info >> 4 === STB_LOCAL ? 1 : 0),
    });
  }
  if (entries.length === 0) {
    return null;
  }
  return SymbolTable.fromEntries(
    "symtab",
    entries.sort((a, b) => a.rank - b.rank),
  );
}
