import type { KernelImage, XenNotes } from "@xen-node/guest-images";
import { structs32 } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { buildPvDomain, hypercallPage32, kernelAbi } from "../../src/builder/index.ts";
import { makeKernel } from "./kernel-maker.ts";
import { TestMachine } from "./machine.ts";

const ports = { storeEvtchn: 1, consoleEvtchn: 2 };
const PAGE = 4096;

/** A 32-bit kernel of 16 pages at pfn 0. */
function narrowKernel(virtBase: number, notes: Partial<XenNotes> = {}): KernelImage {
  const content = Uint8Array.of(0x90, 0xf4);
  const kernel = makeKernel([{ paddr: 0, content, memorySize: 16 * PAGE }], { virtBase, ...notes }, virtBase);
  return { ...kernel, elf: { ...kernel.elf, elfClass: 1, machine: 3 } };
}

function machineOf32(): TestMachine {
  const machine = new TestMachine(48);
  machine.mmu.types.setPae(machine.domain.domid, true);
  return machine;
}

describe("buildPvDomain of 32-bit kernels", () => {
  it("lays it out with a PAE root, a last L2 table for Xen, and 4-byte frame numbers", () => {
    const machine = machineOf32();
    const virtBase = 0x40000000;
    const kernel = narrowKernel(virtBase, { hypercallPage: virtBase + 0x3000 });
    const { layout, p2m, vcpu } = buildPvDomain(machine.target, { kernel, pages: 2048, commandLine: "x=1", ...ports });
    const virt = (pfn: number): number => virtBase + pfn * PAGE;
    expect(layout).toMatchObject({
      kernel: { pfn: 0, pages: 16 },
      p2m: { virtualAddress: virt(16), list: { pfn: 16, pages: 2 }, tables: { pages: 0 }, mapped: true },
      startInfoPfn: 18,
      storePfn: 19,
      consolePfn: 20,
      tables: { pfn: 21, pages: 5 },
      bootStackPfn: 26,
      mappedEndPfn: 1024,
    });
    expect(layout.tablePlan.tables.map(({ level, slot }) => [level, slot])).toEqual([
      [3, 0],
      [2, 1],
      [2, 3],
      [1, 512],
      [1, 513],
    ]);
    expect(vcpu).toEqual({
      rip: virtBase,
      rsp: virt(27),
      rsi: virt(18),
      rflags: 0x202,
      cs: 0xe019,
      ss: 0xe021,
      ds: 0xe021,
      rootMfn: p2m[21],
    });
    const { frames, memory } = machine.mmu;
    const page = (pfn: number): DataView => new DataView(memory.u8.buffer, frames.hostAddress(p2m[pfn]), PAGE);
    const list = page(16);
    expect([0, 1, 1023].map((pfn) => list.getUint32(4 * pfn, true))).toEqual([p2m[0], p2m[1], p2m[1023]]);
    const { start_info } = structs32;
    const startInfo = page(18);
    expect(start_info.getText(startInfo, 0, "magic")).toBe("xen-3.0-x86_32p");
    expect(start_info.getText(startInfo, 0, "cmd_line")).toBe("x=1");
    expect(start_info.get(startInfo, 0, "pt_base")).toBe(virt(21));
    expect(start_info.get(startInfo, 0, "nr_pt_frames")).toBe(5);
    expect(start_info.get(startInfo, 0, "mfn_list")).toBe(virt(16));
    expect(start_info.get(startInfo, 0, "console.domU.mfn")).toBe(p2m[20]);
    const stubs = new Uint8Array(memory.u8.buffer, frames.hostAddress(p2m[3]), PAGE);
    expect(stubs).toEqual(hypercallPage32());
    expect([...stubs.subarray(32 * 17, 32 * 17 + 8)]).toEqual([0xb8, 17, 0, 0, 0, 0xcd, 0x82, 0xc3]);
    expect([...stubs.subarray(32 * 23, 32 * 23 + 9)]).toEqual([0x50, 0xb8, 23, 0, 0, 0, 0xcd, 0x82, 0xcc]);
    expect(machine.mmu.audit()).toEqual([]);
  });

  it("needs no further table where the kernel lies in the last gigabyte, and refuses what is Xen's there", () => {
    const machine = machineOf32();
    const { layout } = buildPvDomain(machine.target, { kernel: narrowKernel(0xc0000000), pages: 2048, ...ports });
    expect(layout.tablePlan.tables.map(({ level }) => level)).toEqual([3, 2, 1, 1]);
    expect(machine.mmu.audit()).toEqual([]);
    const kernel = narrowKernel(0xf5780000);
    expect(() => buildPvDomain(machineOf32().target, { kernel, pages: 2048, ...ports })).toThrow(/does not fit/);
  });

  it("wants PAE", () => {
    expect(kernelAbi(narrowKernel(0))).toBe("x86_32p");
    expect(kernelAbi(narrowKernel(0, { paeMode: "bimodal" }))).toBe("x86_32p");
    for (const paeMode of ["no", ""]) expect(() => kernelAbi(narrowKernel(0, { paeMode }))).toThrow(/without PAE/);
    const kernel = narrowKernel(0);
    const mixed = { ...kernel, elf: { ...kernel.elf, machine: 62 } };
    expect(() => kernelAbi(mixed)).toThrow(/neither/);
  });
});
