import type { ElfFile } from "./elf.ts";
import { elfSymbols } from "./elf-symbols.ts";
import { kallsymsSymbols } from "./kallsyms.ts";
import type { SymbolTable } from "./symbol-table.ts";

/** A kernel's symbols: from its `.symtab`, else from the table that Linux embeds in itself, else null. */
export function kernelSymbols(elf: ElfFile): SymbolTable | null {
  return elfSymbols(elf) ?? kallsymsSymbols(elf);
}
