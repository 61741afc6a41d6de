import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type KernelImage, loadKernelImage } from "@xen-node/guest-images";
import { describe, expect, it } from "vitest";
import { type BuiltDomain, buildPvDomain, hypercallPage64 } from "../../src/builder/index.ts";
import { linuxLikeKernel, makeKernel } from "./kernel-maker.ts";
import { TestMachine } from "./machine.ts";

const guests = process.env.XEN_NODE_GUESTS ?? "";
const boot = join(guests, "boot");
const vmlinuz =
  guests !== "" && existsSync(boot) ? readdirSync(boot).find((name) => name.startsWith("vmlinuz-6.1")) : undefined;
const grub = join(guests, "usr/lib/grub-xen/grub-x86_64-xen.bin");

const PAGES_256M = 65536;
const VIRT_BASE = -0x80000000;
const ports = { storeEvtchn: 1, consoleEvtchn: 2 };
const virt = (pfn: number, base = VIRT_BASE) => base + pfn * 4096;

/** What must hold in any domain: sound frames, an M2P that mirrors the p2m, tables mapped read-only, the two grants. */
function expectSound(machine: TestMachine, built: BuiltDomain): void {
  const { layout, p2m } = built;
  expect(machine.mmu.audit()).toEqual([]);
  expect(new Set(p2m).size).toBe(p2m.length);
  expect(machine.domain.totalPages).toBe(p2m.length);
  expect(p2m.every((mfn, pfn) => machine.mmu.m2p.get(mfn) === pfn)).toBe(true);
  const tables = new Set(layout.tablePlan.tables.map(({ pfn }) => pfn));
  expect(tables.size).toBe(layout.tables.pages + layout.p2m.tables.pages);
  for (let pfn = 0; pfn < layout.mappedEndPfn; pfn++) {
    const page = machine.walk(built.vcpu.rootMfn, virt(pfn, layout.virtBase));
    if (page?.mfn !== p2m[pfn] || (page.entry & 0x22n) !== (tables.has(pfn) ? 0x20n : 0x22n)) {
      expect.fail(`pfn ${pfn} is mapped as ${page?.entry.toString(16)}`);
    }
  }
  expect(machine.walk(built.vcpu.rootMfn, virt(layout.mappedEndPfn, layout.virtBase))).toBeNull();
  expect(machine.grants).toEqual(
    new Map([
      [0, { flags: 1, grantee: 0, frame: built.consoleMfn }],
      [1, { flags: 1, grantee: 0, frame: built.storeMfn }],
    ]),
  );
  const list = new DataView(
    machine.read(built.vcpu.rootMfn, layout.p2m.virtualAddress, layout.p2m.list.pages * 4096).buffer,
  );
  for (let pfn = 0; pfn < list.byteLength / 8; pfn++) {
    const expected = pfn < p2m.length ? BigInt(p2m[pfn]) : 0xffffffffffffffffn;
    if (list.getBigUint64(pfn * 8, true) !== expected) {
      expect.fail(`p2m entry ${pfn} is wrong`);
    }
  }
  const shared = machine.mmu.frames.hostAddress(machine.domain.sharedInfoMfn);
  for (let vcpu = 0; vcpu < 32; vcpu++) {
    expect(machine.mmu.memory.u8[shared + vcpu * 64 + 1]).toBe(1);
  }
}

/** The numbers that real Xen gives a 256 MiB domain with Debian's kernel and an initrd of 0x471210 bytes. */
function expectMeasuredLayout(machine: TestMachine, built: BuiltDomain): void {
  const { layout, p2m } = built;
  expect(layout).toMatchObject({
    virtBase: VIRT_BASE,
    entry: -0x7cf86e40,
    kernel: { pfn: 0x1000, pages: 0x3a00 },
    startInfoPfn: 0x4a00,
    storePfn: 0x4a01,
    consolePfn: 0x4a02,
    tables: { pfn: 0x4a03, pages: 0x29 },
    bootStackPfn: 0x4a2c,
    mappedEndPfn: 0x4c00,
    initrd: { pfn: 0x4c00, pages: 0x472, mapped: false },
    p2m: { list: { pfn: 0x5072, pages: 0x80 }, tables: { pfn: 0x50f2, pages: 3 }, mapped: false },
    endPfn: 0x50f5,
  });
  expect(layout.tablePlan.tables.slice(0, 4).map(({ level, pfn }) => [level, pfn])).toEqual([
    [4, 0x4a03],
    [3, 0x4a04],
    [2, 0x4a05],
    [1, 0x4a06],
  ]);
  expect(built.vcpu).toEqual({
    rip: -0x7cf86e40,
    rsp: virt(0x4a2d),
    rsi: virt(0x4a00),
    rflags: 0x202,
    cs: 0xe033,
    ss: 0xe02b,
    ds: 0,
    rootMfn: p2m[0x4a03],
  });
  expect(machine.startInfo(built.vcpu.rootMfn, built.vcpu.rsi)).toEqual({
    magic: "xen-3.0-x86_64",
    nr_pages: 0x10000,
    shared_info: machine.domain.sharedInfoMfn * 4096,
    flags: 0x18,
    store_mfn: p2m[0x4a01],
    store_evtchn: 1,
    console_mfn: p2m[0x4a02],
    console_evtchn: 2,
    pt_base: virt(0x4a03),
    nr_pt_frames: 0x29,
    mfn_list: 0x8000000000,
    mod_start: 0x4c00,
    mod_len: 0x471210,
    cmd_line: "root=/dev/xvda console=hvc0",
    first_p2m_pfn: 0x5072,
    nr_p2m_frames: 0x83,
  });
}

const initrd = new Uint8Array(0x471210).map((_, at) => at % 251);
const linuxOptions = (kernel: KernelImage) => ({
  kernel,
  initrd,
  commandLine: "root=/dev/xvda console=hvc0",
  pages: PAGES_256M,
  ...ports,
});

describe("buildPvDomain", () => {
  it("builds a Linux-like kernel exactly as Xen's own builder does", () => {
    const machine = new TestMachine(320);
    const built = buildPvDomain(machine.target, linuxOptions(linuxLikeKernel()));
    expectMeasuredLayout(machine, built);
    expectSound(machine, built);
    const { rootMfn } = built.vcpu;
    expect([...machine.read(rootMfn, virt(0x1000), 3)]).toEqual([0x90, 0xf4, 0]);
    expect(machine.read(rootMfn, virt(0x3044), 5001)).toEqual(new Uint8Array(5001).fill(0x5a, 0, 5000));
    const firstOfInitrd = machine.mmu.frames.hostAddress(built.p2m[0x4c00]);
    expect(machine.mmu.memory.u8.slice(firstOfInitrd, firstOfInitrd + 300)).toEqual(initrd.slice(0, 300));
  });

  it.skipIf(vmlinuz === undefined)("builds Debian's kernel with the numbers measured on Xen", async () => {
    const kernel = await loadKernelImage(join(boot, vmlinuz ?? ""));
    const machine = new TestMachine(320);
    const built = buildPvDomain(machine.target, linuxOptions(kernel));
    expectMeasuredLayout(machine, built);
    expectSound(machine, built);
    const [text] = kernel.elf.segments;
    const loaded = machine.read(built.vcpu.rootMfn, text.virtualAddress, text.fileSize);
    expect(Buffer.compare(loaded, kernel.elf.source.bytes(text.offset, text.fileSize))).toBe(0);
  });

  it.skipIf(guests === "" || !existsSync(grub))("builds GRUB", async () => {
    const machine = new TestMachine(64);
    const kernel = await loadKernelImage(grub);
    const config = new TextEncoder().encode("set timeout=0\n");
    const built = buildPvDomain(machine.target, { kernel, initrd: config, pages: 8192, ...ports });
    expectSound(machine, built);
    expect(built.layout).toMatchObject({ virtBase: 0, entry: 0, kernel: { pfn: 0 }, initrd: { mapped: true } });
    expect(built.vcpu.rip).toBe(0);
    // Its second segment starts in the middle of a page, right behind the first one's zeroes.
    const second = kernel.elf.segments[2];
    const loaded = machine.read(built.vcpu.rootMfn, 0x41e1f0, second.fileSize);
    expect(Buffer.compare(loaded, kernel.elf.source.bytes(second.offset, second.fileSize))).toBe(0);
    expect([...machine.read(built.vcpu.rootMfn, 0x41e1ec, 4)]).toEqual([0, 0, 0, 0]);
  });

  it("maps initrd and p2m for a kernel that asks for neither elsewhere, and fills its hypercall page", () => {
    const machine = new TestMachine(64);
    const kernel = makeKernel(
      [
        { paddr: 0, content: new Uint8Array(0x1ffe).fill(0xaa), memorySize: 0x1ffe },
        { paddr: 0x1ffe, content: new Uint8Array(6).fill(0xbb), memorySize: 0x5000 },
      ],
      { virtBase: 0, paddrOffset: 0, hypercallPage: 0x3000, entry: null },
      0x40,
    );
    const built = buildPvDomain(machine.target, { kernel, initrd: Uint8Array.of(1, 2, 3), pages: 5000, ...ports });
    expectSound(machine, built);
    expect(built.layout).toMatchObject({
      entry: 0x40,
      kernel: { pfn: 0, pages: 7 },
      initrd: { pfn: 7, pages: 1, mapped: true },
      p2m: { virtualAddress: 0x8000, list: { pfn: 8, pages: 10 }, tables: { pages: 0 }, mapped: true },
      startInfoPfn: 18,
      tables: { pfn: 21, pages: 5 },
      bootStackPfn: 26,
      mappedEndPfn: 1024,
      endPfn: 1024,
    });
    const { rootMfn, rsi } = built.vcpu;
    expect(machine.read(rootMfn, 0x3000, 4096)).toEqual(hypercallPage64());
    expect([...machine.read(rootMfn, 0x1ffc, 8)]).toEqual([0xaa, 0xaa, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb, 0xbb]);
    expect(machine.startInfo(rootMfn, rsi)).toMatchObject({
      flags: 0x10,
      mfn_list: 0x8000,
      mod_start: 0x7000,
      mod_len: 3,
      cmd_line: "",
      first_p2m_pfn: 0,
      nr_p2m_frames: 0,
    });
  });

  it("honours PADDR_OFFSET: a kernel linked with physical addresses equal to virtual ones", () => {
    const machine = new TestMachine(64);
    const base = -0x80000000;
    const kernel = makeKernel([{ paddr: base + 0x2000, content: Uint8Array.of(7) }], {
      virtBase: base,
      paddrOffset: base,
      entry: base + 0x2000,
    });
    const built = buildPvDomain(machine.target, { kernel, pages: 4096, ...ports });
    expect(built.layout.kernel).toEqual({ pfn: 2, pages: 1 });
    expect([...machine.read(built.vcpu.rootMfn, base + 0x2000, 1)]).toEqual([7]);
    expectSound(machine, built);
  });

  it("takes another 4 MiB when less than 512 KiB would be free", () => {
    // 1024 pages less kernel, 3 pages, 5 tables, stack: 127 free with 888 pages, 128 with 887.
    const sized = (pages: number) =>
      makeKernel([{ paddr: 0, content: Uint8Array.of(1), memorySize: pages * 4096 }], {
        virtBase: 0,
        initP2m: 0x8000000000,
      });
    const end = (pages: number) => {
      const machine = new TestMachine(48);
      return buildPvDomain(machine.target, { kernel: sized(pages), pages: 4096, ...ports }).layout.mappedEndPfn;
    };
    expect(end(800)).toBe(1024);
    expect(end(900)).toBe(2048);
  });

  it("leaves pages alone that the kernel wants zero, and no others", () => {
    const machine = new TestMachine(64);
    const { frames, memory } = machine.mmu;
    const mark = (mfn: number) => frames.hostAddress(mfn) + 100;
    // Frames come zero-filled; a mark shows which of them are written to.
    const allocFrame = () => {
      const mfn = machine.target.allocFrame();
      memory.u8[mark(mfn)] = 0xee;
      return mfn;
    };
    const content = new Uint8Array(5 * 4096);
    content[0] = 1;
    content[2 * 4096 + 4095] = 2;
    content[3 * 4096 + 101] = 3;
    const kernel = makeKernel([
      { paddr: 0, content },
      { paddr: 4 * 4096 + 50, content: new Uint8Array(90) },
      // Zeros over what another segment has put there are zeros.
      { paddr: 3 * 4096 + 96, content: new Uint8Array(16) },
    ]);
    const built = buildPvDomain({ ...machine.target, allocFrame }, { kernel, pages: 4096, ...ports });
    const marks = [...built.p2m.subarray(0, 5)].map((mfn) => memory.u8[mark(mfn)]);
    expect(marks).toEqual([0, 0xee, 0, 0, 0xee]);
    expect(memory.u8[frames.hostAddress(built.p2m[2]) + 4095]).toBe(2);
    expect(memory.u8[mark(built.p2m[3]) + 1]).toBe(0);
  });

  it("gives zeros where an earlier domain's frames held something else", () => {
    const machine = new TestMachine(48);
    const { frames, memory } = machine.mmu;
    const used: number[] = [];
    for (let mfn = frames.alloc(3); mfn >= 0; mfn = frames.alloc(3)) {
      memory.u8.fill(0xdb, frames.hostAddress(mfn), frames.hostAddress(mfn) + 4096);
      used.push(mfn);
    }
    for (const mfn of used) frames.free(mfn);
    const content = new Uint8Array(3 * 4096);
    content[4096] = 1;
    const kernel = makeKernel([{ paddr: 0, content, memorySize: 5 * 4096 }]);
    const built = buildPvDomain(machine.target, { kernel, pages: 4096, ...ports });
    const expected = new Uint8Array(5 * 4096);
    expected[4096] = 1;
    expect(Buffer.compare(machine.read(built.vcpu.rootMfn, 0, 5 * 4096), expected)).toBe(0);
  });

  it("shares whole pages of a kernel and a ram disk with the next domain that has the same", () => {
    const machine = new TestMachine(64);
    const { frames } = machine.mmu;
    const content = Uint8Array.from({ length: 8 * 4096 + 100 }, (_, i) => i >> 6);
    const options = { kernel: makeKernel([{ paddr: 0, content }]), initrd: content.slice(5), pages: 2048, ...ports };
    buildPvDomain(machine.target, options);
    const { free } = frames.places;
    const before = frames.usage(machine.target.domid);
    const built = buildPvDomain(machine.target, options);
    const after = frames.usage(machine.target.domid);
    expect(before.shared).toBe(16);
    expect(after.shared).toBe(32);
    // 2048 frames take four pages of the machine-to-physical table, and two of the narrow one.
    expect(free - frames.places.free).toBe(after.own - before.own + 6);
    expect(machine.read(built.vcpu.rootMfn, 0, content.length)).toEqual(content);
    expect(machine.mmu.audit()).toEqual([]);
  });

  it("continues a pin that was preempted", () => {
    const machine = new TestMachine(64);
    let calls = 0;
    const target = {
      ...machine.target,
      pinRoot: (mfn: number, level: number) => (++calls < 3 ? -85 : machine.target.pinRoot(mfn, level)),
    };
    const kernel = makeKernel([{ paddr: 0, content: Uint8Array.of(1) }]);
    buildPvDomain(target, { kernel, pages: 4096, ...ports });
    expect(calls).toBe(3);
    expect(machine.mmu.audit()).toEqual([]);
  });
});

describe("buildPvDomain refuses", () => {
  const tiny = () => [{ paddr: 0, content: Uint8Array.of(0xf4) }];
  const bad: [string, KernelImage, object, string, RegExp][] = [
    ["too little memory", linuxLikeKernel(), { pages: 4096 }, "memory", /needs at least 77 MiB .* has 16 MiB/],
    ["an initrd that does not fit", linuxLikeKernel(), { pages: 20000, initrd }, "memory", /needs at least 8\d MiB/],
    ["more than the machine has", makeKernel(tiny()), { pages: 20000 }, "machine", /machine has \d+ MiB left/],
    ["no memory at all", makeKernel(tiny()), { pages: 0 }, "options", /0 pages/],
    ["a long command line", makeKernel(tiny()), { commandLine: "x".repeat(1024) }, "options", /1024 bytes.*1023/],
    ["a command line with NUL", makeKernel(tiny()), { commandLine: "a\0b" }, "options", /NUL/],
    ["no segments", makeKernel([]), {}, "kernel", /no loadable segment/],
    ["a segment off the page", makeKernel([{ paddr: 0x10, content: Uint8Array.of(1) }]), {}, "kernel", /page boundary/],
    [
      "a segment below PADDR_OFFSET",
      makeKernel(tiny(), { virtBase: 0, paddrOffset: 4096 }),
      {},
      "kernel",
      /PADDR_OFFSET/,
    ],
    ["an odd VIRT_BASE", makeKernel(tiny(), { virtBase: 5 }), {}, "kernel", /VIRT_BASE/],
    [
      "a VIRT_BASE in Xen's hole",
      makeKernel(tiny(), { virtBase: -(2 ** 47) }, -(2 ** 47)),
      {},
      "kernel",
      /does not fit/,
    ],
    ["a VIRT_BASE at the top", makeKernel(tiny(), { virtBase: -4096 }, -4096), {}, "kernel", /does not fit/],
    ["an odd INIT_P2M", makeKernel(tiny(), { virtBase: 0, initP2m: 0x8000000001 }), {}, "kernel", /INIT_P2M/],
    ["INIT_P2M over the kernel", makeKernel(tiny(), { virtBase: 0, initP2m: 0x1000 }), {}, "kernel", /own mapping/],
    ["an entry outside", makeKernel(tiny(), { virtBase: 0, entry: 0x9000 }), {}, "kernel", /entry point/],
    [
      "a stray hypercall page",
      makeKernel(tiny(), { virtBase: 0, hypercallPage: 0x9000 }),
      {},
      "kernel",
      /HYPERCALL_PAGE/,
    ],
    ["a BSD symbol table", makeKernel(tiny(), { bsdSymtab: true }), {}, "kernel", /BSD_SYMTAB/],
    [
      "features of translated guests",
      makeKernel(tiny(), { requiredFeatures: 4 }),
      {},
      "kernel",
      /auto_translated_physmap/,
    ],
  ];
  it.each(bad)("%s", (_name, kernel, options, code, message) => {
    const machine = new TestMachine(48);
    expect(() => buildPvDomain(machine.target, { kernel, pages: 4096, ...ports, ...options })).toThrow(
      expect.objectContaining({ name: "BuildError", code, message: expect.stringMatching(message) }),
    );
    expect(machine.mmu.audit()).toEqual([]);
  });

  it("page tables that the hypervisor does not accept", () => {
    const machine = new TestMachine(48);
    const target = { ...machine.target, pinRoot: () => -22 };
    expect(() => buildPvDomain(target, { kernel: makeKernel(tiny()), pages: 4096, ...ports })).toThrow(
      /refused.*EINVAL/,
    );
  });
});
