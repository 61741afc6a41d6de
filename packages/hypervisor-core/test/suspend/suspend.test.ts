import { Pte } from "@xen-node/mmu";
import { SHUTDOWN_suspend, structs } from "@xen-node/xen-abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Domain, DomainImageError, type Hypervisor, RestoredDomain, SuspendedDomain } from "../../src/index.ts";
import { Gpr } from "../../src/registers.ts";
import { imageOf, machine, PAGES, suspendedGuest } from "./suspended-guest.ts";

type Image = ReturnType<typeof imageOf>;

function restore(hv: Hypervisor, image: Image): Domain {
  const domain = hv.createDomain({ kind: "pv", maxPages: PAGES });
  const restored = new RestoredDomain(hv, domain, image.pages.length);
  for (const { pfn, type, bytes } of image.pages) restored.addPage(pfn, type, bytes);
  restored.finish(image.state, { storeEvtchn: 3, consoleEvtchn: 4 });
  return domain;
}

const infoView = (hv: Hypervisor, domain: Domain): DataView =>
  new DataView(hv.mmu.memory.u8.buffer, hv.mmu.frames.hostAddress(domain.sharedInfoMfn), 4096);

describe("a suspended domain", () => {
  it.each(["mapped", "tree"] as const)("is the same after save and restore, with its list of frames %s", (list) => {
    const from = machine();
    const image = imageOf(from, suspendedGuest(from, list));
    const tables = image.pages.filter(({ type }) => type !== 0);
    expect(tables.length).toBe(8);
    expect(image.pages.filter(({ type }) => type === (4 | 8)).map(({ type }) => type)).toEqual([12]);

    const to = machine();
    // Frames of other numbers than those that it had.
    for (let i = 0; i < 100; i++) to.mmu.frames.alloc(0);
    const domain = restore(to, image);
    expect(to.auditFrames()).toEqual([]);
    expect(domain.totalPages).toBe(PAGES);
    expect(domain.vcpus[0]).toMatchObject({ tscAux: 77, down: false });
    expect(domain.vmAssists.has(2)).toBe(true);

    // What says where its list is, the guest says again by itself.
    const info = infoView(to, domain);
    for (const field of ["arch.p2m_cr3", "arch.p2m_vaddr"] as const)
      expect(info.getBigUint64(structs.shared_info.offsets[field], true)).toBe(
        new DataView(image.state.sharedInfo.buffer).getBigUint64(structs.shared_info.offsets[field], true),
      );
    const root = domain.vcpus[0].guestTable;
    info.setBigUint64(structs.shared_info.offsets["arch.p2m_cr3"], BigInt(root) << 12n, true);
    info.setBigInt64(structs.shared_info.offsets["arch.p2m_vaddr"], 0x8000000000n, true);
    to.unpauseDomain(domain);
    to.shutdownDomain(domain, SHUTDOWN_suspend);
    const again = imageOf(to, domain);
    expect(again.pages.map(({ type }) => type)).toEqual(image.pages.map(({ type }) => type));
    const [first, second] = [image, again].map(({ state }) => state.vcpus.get(0));
    expect(second).toEqual(first);
    const startInfo = new DataView(first!.basic.buffer).getUint32(616, true);
    const changed = again.pages.filter(({ pfn, bytes }) => Buffer.compare(bytes, image.pages[pfn].bytes) !== 0);
    const lists = new Set([...image.state.p2mPages, startInfo]);
    const tree = list === "tree" ? [PAGES - 1, PAGES - 2] : [];
    for (const { pfn } of changed) expect([...lists, ...tree]).toContain(pfn);
    const start = new DataView(again.pages[startInfo].bytes.buffer);
    expect(structs.start_info.get(start, 0, "store_evtchn")).toBe(3);
    expect(to.mmu.m2p.get(structs.start_info.get(start, 0, "store_mfn"))).toBe(
      structs.start_info.get(new DataView(image.pages[startInfo].bytes.buffer), 0, "store_mfn"),
    );
  });

  it("goes on with 1 as the answer of its hypercall", () => {
    const hv = machine();
    const domain = suspendedGuest(hv);
    expect(domain.vcpus[0].runnable).toBe(false);
    expect(hv.resumeDomain(domain)).toBe(true);
    expect(domain.vcpus[0].runnable).toBe(true);
    expect(hv.withVcpu(domain.vcpus[0], () => hv.regs.lo(Gpr.rax))).toBe(1);
    expect(hv.resumeDomain(domain)).toBe(false);
    expect(() => new SuspendedDomain(hv, domain)).toThrow(/is not suspended/);
  });

  it("reads nothing of other domains, whatever its list says", () => {
    const hv = machine();
    const other = suspendedGuest(hv);
    const domain = suspendedGuest(hv);
    const suspended = new SuspendedDomain(hv, domain);
    const { frames, memory } = hv.mmu;
    const [page] = suspended.p2mPages;
    const mfns = Array.from({ length: 3 }, (_, i) => frames.nextOwned(other.domid) + i);
    let listMfn = 0;
    for (let mfn = frames.nextOwned(domain.domid); mfn >= 0; mfn = frames.nextOwned(domain.domid, mfn + 1))
      if (hv.mmu.m2p.get(mfn) === page) listMfn = mfn;
    const words = memory.u32.subarray(frames.hostAddress(listMfn) >>> 2);
    for (const [i, mfn] of [...mfns, 1, 0xffffff].entries()) words[2 * (300 + i)] = mfn;
    const read = new SuspendedDomain(hv, domain);
    for (let pfn = 300; pfn < 305; pfn++) expect(read.pageType(pfn)).toBe(15);
    expect(read.pageType(305)).toBe(0);
  });

  it("is refused when what it says of its list cannot be", () => {
    const hv = machine();
    const domain = suspendedGuest(hv);
    const info = infoView(hv, domain);
    const { offsets } = structs.shared_info;
    const before = info.getBigUint64(offsets["arch.p2m_cr3"], true);
    const refused = (field: "arch.max_pfn" | "arch.p2m_cr3" | "arch.p2m_vaddr", value: bigint): void => {
      const was = info.getBigUint64(offsets[field], true);
      info.setBigUint64(offsets[field], value, true);
      expect(() => new SuspendedDomain(hv, domain)).toThrow(DomainImageError);
      info.setBigUint64(offsets[field], was, true);
    };
    for (const pages of [0n, 2n ** 40n, 2n ** 64n - 1n]) refused("arch.max_pfn", pages);
    for (const cr3 of [before + 0x1000n, 0x1000n, 2n ** 64n - 1n]) refused("arch.p2m_cr3", cr3);
    for (const va of [0n, 1n, 0x800000000000n, 0xffff800000000000n, 2n ** 64n - 4096n]) refused("arch.p2m_vaddr", va);
    info.setBigUint64(offsets["arch.p2m_cr3"], 0n, true);
    for (const top of [0n, 5n, 2n ** 63n]) {
      info.setBigUint64(offsets["arch.pfn_to_mfn_frame_list_list"], top, true);
      expect(() => new SuspendedDomain(hv, domain)).toThrow(DomainImageError);
    }
  });
});

describe("an image that was tampered with", () => {
  it("never breaks an invariant and never throws anything but a DomainImageError", { timeout: 60_000 }, () => {
    const from = machine();
    const image = imageOf(from, suspendedGuest(from));
    const tables = image.pages.filter(({ type }) => type !== 0).map(({ pfn }) => pfn);
    const hv = machine();
    const free = hv.mmu.frames.freeFrames;
    const change = fc.oneof(
      // An entry of a page table.
      fc.record({ table: fc.constantFrom(...tables), index: fc.nat(511), value: fc.bigInt(0n, 2n ** 24n - 1n) }),
      fc.record({ page: fc.nat(PAGES - 1), type: fc.constantFrom(0, 1, 2, 3, 4, 9, 10, 11, 12, 14, 15) }),
      fc.record({ byte: fc.nat(5167), value8: fc.nat(255) }),
      fc.record({ startInfoByte: fc.nat(4095), value8: fc.nat(255) }),
    );
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const basic = image.state.vcpus.get(0)!.basic.slice();
        const pages = image.pages.map((page) => ({ ...page }));
        const startInfo = new DataView(basic.buffer).getUint32(616, true);
        for (const each of changes) {
          if ("table" in each) {
            const bytes = pages[each.table].bytes.slice();
            const flags = BigInt(Pte.present | Pte.rw | Pte.user);
            new DataView(bytes.buffer).setBigUint64(8 * each.index, ((each.value << 12n) % 2n ** 24n) | flags, true);
            pages[each.table].bytes = bytes;
          } else if ("page" in each) pages[each.page].type = each.type;
          else if ("byte" in each) basic[each.byte] = each.value8;
          else {
            const bytes = pages[startInfo].bytes.slice();
            bytes[each.startInfoByte] = each.value8;
            pages[startInfo].bytes = bytes;
          }
        }
        const vcpus = new Map([[0, { ...image.state.vcpus.get(0)!, basic }]]);
        try {
          restore(hv, { pages, state: { ...image.state, vcpus } });
        } catch (error) {
          expect(error).toBeInstanceOf(DomainImageError);
        }
        expect(hv.auditFrames()).toEqual([]);
        for (const domain of [...hv.domains.values()]) hv.destroyDomain(domain);
        for (let i = 0; i < 100 && hv.domains.size > 0; i++) hv.runSlice();
        expect(hv.domains.size).toBe(0);
        expect(hv.mmu.frames.freeFrames).toBe(free);
      }),
      { numRuns: 25 },
    );
  });
});
