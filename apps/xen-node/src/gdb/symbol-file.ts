import { writeFile } from "node:fs/promises";
import { type ElfFile, EM_X86_64, kernelSymbols, PT_LOAD, type SymbolTable } from "@xen-node/guest-images";
import { readGuestFiles } from "@xen-node/toolstack";
import { UserError } from "../user-error.ts";

// Values of the ELF specification (System V ABI, chapter 4).
const ET_EXEC = 2;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const SHT_NOBITS = 8;
const SHF_WRITE = 1;
const SHF_ALLOC = 2;
const SHF_EXECINSTR = 4;
const PF_X = 1;
const PF_W = 2;
const STB_GLOBAL = 1;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const SHN_ABS = 0xfff1;

const HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;

/** A part of the kernel's address space. */
interface Region {
  name: string;
  flags: number;
  address: number;
  size: number;
}

/** Names one after the other, each ended by a NUL. */
class StringTable {
  private readonly parts: Buffer[] = [Buffer.alloc(1)];
  size = 1;

  /** Offset of the name. */
  add(name: string): number {
    const at = this.size;
    const bytes = Buffer.from(`${name}\0`, "latin1");
    this.parts.push(bytes);
    this.size += bytes.length;
    return at;
  }

  toBytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}

/** The kernel's sections, else its segments: whether a symbol is code depends on where it lies. */
function regionsOf(elf: ElfFile): Region[] {
  const sections = elf.sections.filter(
    ({ flags, size, address }) => (flags & SHF_ALLOC) !== 0 && size > 0 && address !== 0,
  );
  const regions =
    sections.length > 0
      ? sections.map(({ name, flags, address, size }) => ({
          name,
          flags: flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR),
          address,
          size,
        }))
      : elf.segments
          .filter(({ type, memorySize }) => type === PT_LOAD && memorySize > 0)
          .map(({ flags, virtualAddress, memorySize }, index) => ({
            name: `.load${index}`,
            flags: SHF_ALLOC | ((flags & PF_W) !== 0 ? SHF_WRITE : 0) | ((flags & PF_X) !== 0 ? SHF_EXECINSTR : 0),
            address: virtualAddress,
            size: memorySize,
          }));
  return regions.sort((a, b) => a.address - b.address);
}

/** Index of the region that an address lies in, or -1. */
function regionAt(regions: readonly Region[], address: number): number {
  return regions.findIndex((region) => address >= region.address && address < region.address + region.size);
}

/**
 * An ELF file that holds a kernel's symbols and none of its bytes, for debuggers.
 * @param elf the kernel
 * @param symbols its symbols
 */
export function symbolFile(elf: ElfFile, symbols: SymbolTable): Uint8Array {
  const regions = regionsOf(elf);
  const names = new StringTable();
  const sectionNames = new StringTable();
  const table = symbolTable(regions, symbols, names);
  const sectionCount = 1 + regions.length + 3;
  const tableAt = HEADER_BYTES + sectionCount * SECTION_HEADER_BYTES;
  const namesAt = tableAt + table.length;
  const sectionNamesAt = namesAt + names.size;

  const head = Buffer.alloc(tableAt);
  const put64 = (at: number, value: number): void => {
    head.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
  };
  let sections = 0;
  const section = (
    name: string,
    type: number,
    flags: number,
    address: number,
    offset: number,
    size: number,
    { link = 0, info = 0, entrySize = 0 } = {},
  ): void => {
    const at = HEADER_BYTES + sections++ * SECTION_HEADER_BYTES;
    head.writeUInt32LE(name === "" ? 0 : sectionNames.add(name), at);
    head.writeUInt32LE(type, at + 4);
    put64(at + 8, flags);
    put64(at + 16, address);
    put64(at + 24, offset);
    put64(at + 32, size);
    head.writeUInt32LE(link, at + 40);
    head.writeUInt32LE(info, at + 44);
    put64(at + 48, 1);
    put64(at + 56, entrySize);
  };
  section("", 0, 0, 0, 0, 0);
  for (const { name, flags, address, size } of regions) section(name, SHT_NOBITS, flags, address, tableAt, size);
  const link = regions.length + 2;
  // The one local symbol is the empty one.
  section(".symtab", SHT_SYMTAB, 0, 0, tableAt, table.length, { link, info: 1, entrySize: SYMBOL_BYTES });
  section(".strtab", SHT_STRTAB, 0, 0, namesAt, names.size);
  const ownName = sectionNames.add(".shstrtab");
  section("", SHT_STRTAB, 0, 0, sectionNamesAt, sectionNames.size);
  head.writeUInt32LE(ownName, HEADER_BYTES + (sections - 1) * SECTION_HEADER_BYTES);

  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(ET_EXEC, 16);
  head.writeUInt16LE(EM_X86_64, 18);
  head.writeUInt32LE(1, 20);
  put64(24, elf.entry);
  put64(40, HEADER_BYTES);
  head.writeUInt16LE(HEADER_BYTES, 52);
  head.writeUInt16LE(SECTION_HEADER_BYTES, 58);
  head.writeUInt16LE(sections, 60);
  head.writeUInt16LE(sections - 1, 62);
  return Buffer.concat([head, table, names.toBytes(), sectionNames.toBytes()]);
}

function symbolTable(regions: readonly Region[], symbols: SymbolTable, names: StringTable): Buffer {
  const entries = [...symbols.entries()];
  const table = Buffer.alloc((1 + entries.length) * SYMBOL_BYTES);
  let end = Number.NaN;
  for (let index = entries.length - 1; index >= 0; index--) {
    const { address, name } = entries[index];
    if (entries[index + 1] !== undefined && entries[index + 1].address !== address) end = entries[index + 1].address;
    const at = (1 + index) * SYMBOL_BYTES;
    const region = regionAt(regions, address);
    const { flags, address: start, size } = regions[region] ?? { flags: 0, address, size: 0 };
    const type = (flags & SHF_EXECINSTR) !== 0 ? STT_FUNC : STT_OBJECT;
    const length = Math.min(Number.isNaN(end) ? Number.POSITIVE_INFINITY : end, start + size) - address;
    table.writeUInt32LE(names.add(name), at);
    table[at + 4] = (STB_GLOBAL << 4) | type;
    table.writeUInt16LE(region < 0 ? SHN_ABS : 1 + region, at + 6);
    table.writeBigUInt64LE(BigInt.asUintN(64, BigInt(address)), at + 8);
    table.writeBigUInt64LE(BigInt(Math.max(0, length)), at + 16);
  }
  return table;
}

/**
 * Writes the symbols of a kernel file as an ELF file for gdb.
 * @returns how many they are
 * @throws UserError or ConfigError, one sentence
 */
export async function writeSymbolFile(kernelPath: string, path: string): Promise<number> {
  const { kernel } = await readGuestFiles({ kernel: kernelPath });
  const symbols = kernelSymbols(kernel.elf);
  if (symbols === null)
    throw new UserError(`${kernelPath} has no symbols: neither a symbol table nor Linux's kallsyms.`);
  try {
    await writeFile(path, symbolFile(kernel.elf, symbols));
  } catch (error) {
    throw new UserError(`${path} cannot be written: ${(error as Error).message}.`);
  }
  return symbols.size;
}
