import { describe, expect, it } from "vitest";
import { readElf, readXenNotes } from "../src/index.ts";
import { concat, makeElf, pvNotes, xenNote } from "./elf-maker.ts";

const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);

describe("readXenNotes", () => {
  it("reads every kind of note", () => {
    const content = concat(
      pvNotes(),
      xenNote(1, 0xffffffff81000000n),
      xenNote(2, 0xffffffff81001000n),
      xenNote(3, 0xffffffff80000000n),
      xenNote(4, 0x1000n),
      xenNote(7, "6.1"),
      xenNote(9, "yes"),
      xenNote(10, "!writable_page_tables|pae_pgdir_above_4gb|unknown_but_optional"),
      xenNote(11, "yes"),
      xenNote(12, 0xffff800000000000n),
      xenNote(13, new Uint8Array(BigUint64Array.of(1n, 1n).buffer)),
      xenNote(14, u32(1)),
      xenNote(15, 0x8000000000n),
      xenNote(16, u32(1)),
      xenNote(18, u32(0x1000850)),
      xenNote(77, "from the future"),
    );
    const notes = readXenNotes(readElf(makeElf({ segments: [{ type: 4, content, memorySize: 0 }] })));
    expect(notes).toEqual({
      source: "PT_NOTE",
      entry: -0x7f000000,
      hypercallPage: -0x7efff000,
      virtBase: -0x80000000,
      paddrOffset: 0x1000,
      xenVersion: "xen-3.0",
      guestOs: "linux",
      guestVersion: "6.1",
      loader: "generic",
      paeMode: "yes",
      requiredFeatures: 1,
      supportedFeatures: 0x10,
      bsdSymtab: true,
      hvStartLow: -(2 ** 47),
      l1MfnValid: [{ mask: 1n, value: 1n }],
      suspendCancel: true,
      initP2m: 0x8000000000,
      modStartPfn: true,
      phys32Entry: 0x1000850,
    });
  });

  it("reads a last note that says it is longer than its text, as GRUB's for 32-bit domains does", () => {
    const content = concat(pvNotes(), xenNote(9, "yes"));
    new DataView(content.buffer).setUint32(content.length - 16, 12, true);
    const notes = readXenNotes(readElf(makeElf({ segments: [{ type: 4, content, memorySize: 0 }] })));
    expect(notes?.paeMode).toBe("yes");
  });

  it("does not count as required what the kernel's own mask supports", () => {
    const content = pvNotes(xenNote(10, "!writable_page_tables"), xenNote(17, u32(0x8801)));
    const notes = readXenNotes(readElf(makeElf({ segments: [{ type: 4, content }] })));
    expect(notes).toMatchObject({ requiredFeatures: 0, supportedFeatures: 0x8801 });
  });

  it("takes note sections when no segment has Xen notes, and segments first when both have", () => {
    const gnu = concat(u32(4), u32(4), u32(3), new TextEncoder().encode("GNU\0"), u32(0xabcd));
    const section = { name: ".notes", type: 7, content: pvNotes(xenNote(7, "section")) };
    const bySection = readXenNotes(readElf(makeElf({ segments: [{ type: 4, content: gnu }], sections: [section] })));
    expect(bySection).toMatchObject({ source: "SHT_NOTE", guestVersion: "section" });
    const segment = { type: 4, content: pvNotes(xenNote(7, "segment")) };
    const bySegment = readXenNotes(readElf(makeElf({ segments: [segment], sections: [section] })));
    expect(bySegment).toMatchObject({ source: "PT_NOTE", guestVersion: "segment" });
  });

  it("falls back to the legacy string", () => {
    const text =
      "GUEST_OS=Mini-OS,XEN_VER=xen-3.0,VIRT_BASE=0x100000,ELF_PADDR_OFFSET=0x0,HYPERCALL_PAGE=0x2,LOADER=generic,PAE=yes\0";
    const sections = [{ name: "__xen_guest", type: 1, content: new TextEncoder().encode(text) }];
    expect(readXenNotes(readElf(makeElf({ sections })))).toMatchObject({
      source: "__xen_guest",
      guestOs: "Mini-OS",
      virtBase: 0x100000,
      paddrOffset: 0,
      hypercallPage: 0x102000,
      loader: "generic",
    });
    const bare = [{ name: "__xen_guest", type: 1, content: new TextEncoder().encode("VIRT_BASE=0xffffffff80000000") }];
    expect(readXenNotes(readElf(makeElf({ sections: bare })))).toMatchObject({
      virtBase: -0x80000000,
      paddrOffset: -0x80000000,
    });
  });

  it("returns null for a kernel that knows nothing of Xen", () => {
    expect(readXenNotes(readElf(makeElf({})))).toBeNull();
  });
});
