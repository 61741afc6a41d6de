import { describe, expect, it } from "vitest";
import { DISK_MODULES, NETWORK_MODULES, readModules } from "../../src/fetch/kept-modules.ts";
import { type KernelModule, loadOrder, moduleOfPath, readModule } from "../../src/fetch/kernel-modules.ts";
import { moduleFiles, moduleIndexes } from "../../src/fetch/module-index.ts";
import { debianGuest, noRealGuests } from "../support/real-guests.ts";

function module(name: string, more: Partial<KernelModule> = {}): KernelModule {
  const path = `kernel/${name.replaceAll("_", "-")}.ko`;
  return { name, path, data: new Uint8Array(1), depends: [], before: [], aliases: [], ...more };
}

const names = (modules: KernelModule[]): string[] => modules.map(({ name }) => name);

describe("the order in which modules are loaded", () => {
  it("has what a module needs before it, each once", () => {
    const modules = [
      module("top", { depends: ["left", "right"] }),
      module("left", { depends: ["bottom"] }),
      module("right", { depends: ["bottom"] }),
      module("bottom"),
      module("stranger"),
    ];
    expect(names(loadOrder(modules, ["top", "bottom"]))).toEqual(["bottom", "left", "right", "top"]);
  });

  it("has all that a soft dependency's alias stands for, and goes on without what is not there", () => {
    const modules = [
      module("fs", { before: ["crypto-crc32c", "nothing"] }),
      module("crc_generic", { aliases: ["crypto-crc32c"] }),
      module("crc_fast", { aliases: ["crypto-crc32c"], depends: ["base"] }),
      module("base"),
    ];
    expect(names(loadOrder(modules, ["fs"]))).toEqual(["crc_generic", "base", "crc_fast", "fs"]);
  });

  it("tells what is missing, and ends when soft dependencies go in circles", () => {
    const missing: string[] = [];
    const modules = [module("a", { before: ["b"], depends: ["gone"] }), module("b", { before: ["a"] })];
    expect(names(loadOrder(modules, ["a", "no-where"], (name) => missing.push(name)))).toEqual(["b", "a"]);
    expect(missing).toEqual(["gone", "no_where"]);
  });
});

describe("a module", () => {
  it("is named by its file", () => {
    expect(moduleOfPath("kernel/fs/ext4/ext4.ko")).toBe("ext4");
    expect(moduleOfPath("kernel/drivers/block/xen-blkfront.ko.xz")).toBe("xen_blkfront");
    expect(moduleOfPath("modules.dep")).toBeUndefined();
  });

  it("that is none is refused", async () => {
    await expect(readModule("kernel/a.ko", new Uint8Array(100))).rejects.toThrow();
  });
});

describe("what modprobe reads", () => {
  const modules = [
    module("fs", { depends: ["journal"], before: ["crypto-sum"], aliases: ["fs-fs", "fs-[0-9]-x"] }),
    module("journal", { depends: ["sum_16"] }),
    module("sum_16"),
  ];
  const indexes = moduleIndexes(modules, "kernel/net/unix/unix.ko\n");
  const text = (name: string): string => new TextDecoder("latin1").decode(indexes.get(name));

  it("is text", () => {
    expect(text("modules.dep")).toBe(
      "kernel/fs.ko: kernel/journal.ko kernel/sum-16.ko\nkernel/journal.ko: kernel/sum-16.ko\nkernel/sum-16.ko:\n",
    );
    expect(text("modules.alias")).toBe("alias fs_fs fs\nalias fs_[0-9]_x fs\n");
    expect(text("modules.softdep")).toBe("softdep fs pre: crypto-sum\n");
  });

  it("is a trie", () => {
    expect(lookUp(indexes.get("modules.dep.bin"), "journal")).toEqual(["kernel/journal.ko: kernel/sum-16.ko"]);
    expect(lookUp(indexes.get("modules.dep.bin"), "journa")).toEqual([]);
    expect(lookUp(indexes.get("modules.alias.bin"), "fs_fs")).toEqual(["fs"]);
    expect(lookUp(indexes.get("modules.builtin.bin"), "unix")).toEqual([""]);
    expect(lookUp(indexes.get("modules.symbols.bin"), "x")).toEqual([]);
  });

  it("lies in one folder with the modules", () => {
    const files = moduleFiles("6.1-x", modules, "").map(({ name }) => name);
    expect(files).toContain("lib/modules/6.1-x/kernel/sum-16.ko");
    expect(files).toContain("lib/modules/6.1-x/modules.dep.bin");
  });
});

/** Values of a key in kmod's index, read apart from the writer. */
function lookUp(index: Uint8Array | undefined, key: string): string[] {
  const view = Buffer.from(index ?? []);
  expect(view.readUInt32BE(0)).toBe(0xb007f457);
  let rest = key;
  for (let node = view.readUInt32BE(8); node !== 0; ) {
    let at = node & 0x0fffffff;
    const cString = (): string => {
      const end = view.indexOf(0, at);
      const text = view.toString("latin1", at, end);
      at = end + 1;
      return text;
    };
    if ((node & 0x80000000) !== 0) {
      const prefix = cString();
      if (!rest.startsWith(prefix)) return [];
      rest = rest.slice(prefix.length);
    }
    let next = 0;
    if ((node & 0x20000000) !== 0) {
      const [first, last] = [view[at], view[at + 1]];
      const byte = rest.length > 0 ? rest.charCodeAt(0) : -1;
      if (byte >= first && byte <= last) next = view.readUInt32BE(at + 2 + 4 * (byte - first));
      at += 2 + 4 * (last - first + 1);
    }
    if (rest === "") {
      if ((node & 0x40000000) === 0) return [];
      const count = view.readUInt32BE(at);
      at += 4;
      return Array.from({ length: count }, () => {
        at += 4;
        return cString();
      });
    }
    rest = rest.slice(1);
    node = next;
  }
  return [];
}

describe.skipIf(noRealGuests)("Debian's kernel", () => {
  it("has the modules for disks, their file systems and networks", { timeout: 300_000 }, async () => {
    const { modules, builtin } = await readModules((await debianGuest()).modules);
    const missing: string[] = [];
    const disk = names(loadOrder(modules, DISK_MODULES, (name) => missing.push(name)));
    const network = names(loadOrder(modules, NETWORK_MODULES, (name) => missing.push(name)));
    expect(missing).toEqual([]);
    expect(disk).toContain("xen_blkfront");
    expect(network).toEqual(["xen_netfront"]);
    for (const needed of ["crc32c_generic", "jbd2", "mbcache", "crc16"]) {
      expect(disk.indexOf(needed), needed).toBeGreaterThanOrEqual(0);
      expect(disk.indexOf(needed), needed).toBeLessThan(disk.indexOf("ext4"));
    }
    expect(disk.indexOf("crc32c_generic")).toBeLessThan(disk.indexOf("jbd2"));
    expect(names(modules).filter((name) => name.startsWith("virtio"))).toEqual([]);
    expect(builtin).toContain("xenbus");
  });
});
