import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainMemory, Hypervisor } from "@xen-node/hypervisor-core";
import { expect, it } from "vitest";
import { writeCore } from "../src/core-dump/write-core.ts";

const PAGES = 300;

it("writes a core file that readelf reads, with every page where the list says", async () => {
  const hv = new Hypervisor({ memoryBytes: 128 * 2 ** 20, translator: false });
  const domain = hv.createDomain({ kind: "pv", maxPages: PAGES });
  const { frames, m2p, memory } = hv.mmu;
  for (let pfn = 0; pfn < PAGES; pfn++) {
    const mfn = frames.alloc(domain.domid);
    // Every third page number stands for no page.
    m2p.set(mfn, pfn * 3);
    memory.u32[frames.hostAddress(mfn) >>> 2] = pfn * 3 + 7;
  }
  const chunks: Uint8Array[] = [];
  await writeCore({ write: async (bytes) => void chunks.push(bytes.slice()) }, new DomainMemory(hv, domain));
  const core = Buffer.concat(chunks);
  const view = new DataView(core.buffer, core.byteOffset);
  const folder = await mkdtemp(join(tmpdir(), "core-"));
  try {
    const path = join(folder, "core");
    await writeFile(path, core);
    const readelf = (...args: string[]): string => execFileSync("readelf", [...args, "-W", path], { encoding: "utf8" });
    expect(readelf("-h")).toMatch(/Type: +CORE/);
    // readelf -n looks at segments alone in a core file, and Xen's has none.
    expect(readelf("-p", ".note.Xen")).toContain("xen-3.0-x86_64");
    const places = new Map(
      [...readelf("-S").matchAll(/(\.[\w.]+) +[A-Z]+ +0+ ([0-9a-f]+) ([0-9a-f]+)/g)].map(([, name, at, size]) => [
        name,
        { at: Number.parseInt(at, 16), size: Number.parseInt(size, 16) },
      ]),
    );
    expect(places.get(".xen_pages")).toMatchObject({ size: PAGES * 4096 });
    const { at: notes } = places.get(".note.Xen")!;
    // Four words of a note without contents, then those of the header's.
    expect(view.getUint32(notes + 16 + 8, true)).toBe(0x2000001);
    expect(view.getBigUint64(notes + 32, true)).toBe(0xf00febedn);
    expect(view.getBigUint64(notes + 48, true)).toBe(BigInt(PAGES));
    const { at: p2m } = places.get(".xen_p2m")!;
    const { at: pages } = places.get(".xen_pages")!;
    expect(pages % 4096).toBe(0);
    expect(core.length).toBe(pages + PAGES * 4096);
    for (let i = 0; i < PAGES; i++) {
      const pfn = Number(view.getBigUint64(p2m + 16 * i, true));
      expect(pfn).toBe(3 * i);
      expect(m2p.get(Number(view.getBigUint64(p2m + 16 * i + 8, true)))).toBe(pfn);
      expect(view.getUint32(pages + 4096 * i, true)).toBe(pfn + 7);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
