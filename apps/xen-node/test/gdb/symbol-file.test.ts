import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asByteSource, type ElfFile, elfSymbols, readElf, SymbolTable } from "@xen-node/guest-images";
import { describe, expect, it } from "vitest";
import { symbolFile, writeSymbolFile } from "../../src/gdb/symbol-file.ts";
import { grubImage, noRealGuests } from "../support/real-guests.ts";
import { noGdb, runGdb } from "./gdb-client.ts";

const TEXT = -0x7f000000;
const DATA = -0x7e000000;

const kernel = (sections: ElfFile["sections"]): ElfFile => ({
  source: asByteSource(new Uint8Array()),
  elfClass: 2,
  type: 2,
  machine: 62,
  entry: 0x1000000,
  segments: [
    { type: 1, flags: 5, offset: 0, virtualAddress: TEXT, physicalAddress: 0, fileSize: 0, memorySize: 0x1000 },
    { type: 1, flags: 6, offset: 0, virtualAddress: DATA, physicalAddress: 0, fileSize: 0, memorySize: 0x1000 },
  ],
  sections,
});
const section = (name: string, flags: number, address: number) => ({
  name,
  type: 1,
  flags,
  address,
  offset: 0,
  size: 0x1000,
  link: 0,
  entrySize: 0,
});
const symbols = SymbolTable.fromEntries(
  "kallsyms",
  [
    { address: TEXT, name: "_text" },
    { address: TEXT + 0x10, name: "do_work" },
    { address: DATA + 8, name: "jiffies" },
    { address: DATA + 0x1000, name: "_end" },
  ],
  DATA + 0x1000,
);

describe("a file of symbols", () => {
  const kernels = {
    sections: kernel([section(".text", 6, TEXT), section(".data", 3, DATA), section(".comment", 0, 0)]),
    segments: kernel([]),
  };

  it.each(Object.entries(kernels))("holds a kernel's symbols by its %s", (_, elf) => {
    const bytes = symbolFile(elf, symbols);
    const read = elfSymbols(readElf(bytes));
    expect(read?.lookup("do_work")).toBe(TEXT + 0x10);
    expect(read?.lookup("jiffies")).toBe(DATA + 8);
    expect(read?.describe(TEXT + 0x14)).toBe("do_work+0x4");
  });

  it.skipIf(noGdb)("tells gdb code from data", async () => {
    const folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
    const path = join(folder, "kernel.sym");
    await writeFile(path, symbolFile(kernels.sections, symbols));
    const text = await runGdb(["print do_work", "print &jiffies", "info symbol 0xffffffff82000009"], {
      program: [path],
    });
    await rm(folder, { recursive: true });
    expect(text).toMatch(/\{<text variable, no debug info>\} 0xffffffff81000010 <do_work>/);
    expect(text).toMatch(/\(<data variable, no debug info> \*\) 0xffffffff82000008 <jiffies>/);
    expect(text).toMatch(/jiffies \+ 1 in section \.data/);
    expect(text).not.toMatch(/warning/i);
  });

  it.skipIf(noRealGuests)("cannot be made of a kernel without symbols", async () => {
    await expect(writeSymbolFile(await grubImage(), "unused")).rejects.toThrow(/has no symbols: .*kallsyms\.$/);
    await expect(writeSymbolFile("/nowhere", "unused")).rejects.toThrow(/cannot be read: there is no such file\.$/);
  });
});
