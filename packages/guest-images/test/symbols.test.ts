import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  elfSymbols,
  kallsymsSymbols,
  kernelSymbols,
  openByteSource,
  readElf,
  SymbolTable,
  systemMapSymbols,
} from "../src/index.ts";
import { makeElf } from "./elf-maker.ts";
import { elfWithKallsyms, type KallsymsForm } from "./kallsyms-maker.ts";

const base = 0xffffffff81000000n;

function manySymbols(perCpu: boolean): { address: bigint; name: string; type: string }[] {
  const kernel = Array.from({ length: 700 }, (_, index) => ({
    address: base + BigInt(index * 0x40),
    name: index % 2 ? `sys_call${index}` : `do_work${index}`,
    type: index % 2 ? "T" : "t",
  }));
  kernel[3].name = "x".repeat(200);
  kernel[5] = { ...kernel[5], address: kernel[4].address };
  kernel.push({ address: base + 0x100000n, name: "_end", type: "B" });
  return perCpu
    ? [{ address: 0n, name: "per_cpu_start", type: "A" }, { address: 0x30n, name: "cpu_number", type: "A" }, ...kernel]
    : kernel;
}

describe("kallsymsSymbols", () => {
  it.each<[KallsymsForm, boolean]>([
    ["6.1", true],
    ["6.4", false],
    ["absolute", true],
  ])("reads the %s form", (form, perCpu) => {
    const table = kallsymsSymbols(readElf(elfWithKallsyms(manySymbols(perCpu), form)));
    expect(table).not.toBeNull();
    expect(table?.source).toBe("kallsyms");
    expect(table?.size).toBe(701);
    const start = Number(BigInt.asIntN(64, base));
    expect(table?.nearest(start)).toEqual({ name: "do_work0", offset: 0 });
    expect(table?.nearest(start + 0x43)).toEqual({ name: "sys_call1", offset: 3 });
    expect(table?.nearest(start + 3 * 0x40)?.name).toBe("x".repeat(200));
    // Of two names for one address the first is shown.
    expect(table?.nearest(start + 4 * 0x40 + 1)).toEqual({ name: "do_work4", offset: 1 });
    expect(table?.lookup("sys_call699")).toBe(start + 699 * 0x40);
    expect(table?.lookup("cpu_number")).toBeNull();
    expect(table?.nearest(0x30)).toBeNull();
    expect(table?.nearest(start - 1)).toBeNull();
    expect(table?.nearest(start + 0x100000)).toBeNull();
    expect(table?.describe(start + 0x41)).toBe("sys_call1+0x1");
    const entries = [...(table?.entries() ?? [])];
    expect(entries).toHaveLength(701);
    expect(entries[1]).toEqual({ address: start + 0x40, name: "sys_call1" });
  });

  it("reads from a file, in which a segment may begin anywhere", async () => {
    const bytes = elfWithKallsyms(manySymbols(true), "6.1");
    const view = new DataView(bytes.buffer);
    // The first program header's offset and size in the file.
    view.setUint32(64 + 8, view.getUint32(64 + 8, true) + 3, true);
    view.setUint32(64 + 32, view.getUint32(64 + 32, true) - 3, true);
    const folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
    try {
      const path = join(folder, "vmlinux");
      await writeFile(path, bytes);
      const table = kernelSymbols(readElf(await openByteSource(path)));
      expect(table?.size).toBe(701);
      expect([...(table?.entries() ?? [])]).toEqual([...(kernelSymbols(readElf(bytes))?.entries() ?? [])]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("finds nothing in a kernel without a table", () => {
    const content = new TextEncoder().encode("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00".repeat(20));
    expect(kallsymsSymbols(readElf(makeElf({ segments: [{ type: 1, content }] })))).toBeNull();
    expect(kernelSymbols(readElf(makeElf({})))).toBeNull();
  });
});

describe("elfSymbols", () => {
  it("prefers functions over labels, and leaves out absolute and undefined symbols", () => {
    const names = "\0label\0function\0absolute\0undefined\0";
    const symbols = [
      { name: names.indexOf("label"), info: 0x10, section: 1, value: 0x1000n },
      { name: names.indexOf("function"), info: 0x12, section: 1, value: 0x1000n },
      { name: names.indexOf("absolute"), info: 0x10, section: 0xfff1, value: 0x2000n },
      { name: names.indexOf("undefined"), info: 0x10, section: 0, value: 0n },
    ];
    const content = new Uint8Array(symbols.length * 24);
    const view = new DataView(content.buffer);
    symbols.forEach(({ name, info, section, value }, index) => {
      view.setUint32(index * 24, name, true);
      view.setUint8(index * 24 + 4, info);
      view.setUint16(index * 24 + 6, section, true);
      view.setBigUint64(index * 24 + 8, value, true);
    });
    const elf = readElf(
      makeElf({
        sections: [
          { name: ".symtab", type: 2, content, link: 2, entrySize: 24 },
          { name: ".strtab", type: 3, content: new TextEncoder().encode(names) },
        ],
      }),
    );
    const table = elfSymbols(elf);
    expect(table?.size).toBe(2);
    expect(table?.nearest(0x1234)).toEqual({ name: "function", offset: 0x234 });
    expect(table?.lookup("label")).toBe(0x1000);
    expect(table?.lookup("absolute")).toBeNull();
    expect(kernelSymbols(elf)?.source).toBe("symtab");
  });
});

describe("systemMapSymbols", () => {
  it("reads a map", () => {
    const table = systemMapSymbols(
      "0000000000000000 A fixed_percpu_data\nffffffff81000000 T startup_64\nffffffff81000100 t helper\nffffffff82000000 B _end\n",
    );
    expect(table?.size).toBe(3);
    expect(table?.nearest(-0x7f000000 + 0x123)).toEqual({ name: "helper", offset: 0x23 });
    expect(table?.lookup("startup_64")).toBe(-0x7f000000);
  });

  it("takes the stub that distributions ship for no map", () => {
    expect(systemMapSymbols("ffffffffffffffff B The real System.map is in another package\n")).toBeNull();
  });
});

describe("SymbolTable", () => {
  it("accepts entries in any order and knows its end", () => {
    const table = SymbolTable.fromEntries(
      "System.map",
      [
        { address: 20, name: "b" },
        { address: 10, name: "a" },
      ],
      30,
    );
    expect([9, 10, 19, 20, 29, 30, Number.NaN].map((va) => table.describe(va))).toEqual([
      null,
      "a",
      "a+0x9",
      "b",
      "b+0x9",
      null,
      null,
    ]);
  });
});
