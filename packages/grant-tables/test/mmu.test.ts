import { MachineMemory, Mmu } from "@xen-node/mmu";
import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTMAP_contains_pte,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_general_error,
  GNTST_okay,
  GTF_permit_access,
} from "@xen-node/xen-abi";
import { expect, it } from "vitest";
import { GrantTables, type HostMapper, type MapGrantRef } from "../src/index.ts";

/** Maps into the L1 entry at a machine address, as hypervisor-core does for GNTMAP_contains_pte. */
function pteMapper(mmu: Mmu, domid: number): HostMapper {
  const answer = (rc: number): number => (rc === 0 ? GNTST_okay : GNTST_general_error);
  return {
    create: (lo, _hi, mfn, flags) => {
      const pte = (mfn << 12) | (flags & GNTMAP_readonly ? 0x61 : 0x63);
      return answer(mmu.types.storeGrantEntry(lo >>> 12, (lo & 0xfff) >>> 3, pte, 0x80000000, domid));
    },
    replace: (lo, _hi, mfn, flags) =>
      answer(mmu.types.clearGrantEntry(lo >>> 12, (lo & 0xfff) >>> 3, mfn, (flags & GNTMAP_readonly) === 0, domid)),
    flushTlb: () => mmu.tlb.flushDomain(domid),
  };
}

it("keeps the real memory manager's books straight", () => {
  const mmu = new Mmu(new MachineMemory({ bytes: 32 << 20 }), { banks: 2 });
  const grants = new GrantTables(mmu);
  const free = mmu.frames.freeFrames;
  expect(grants.addDomain(0, { privileged: true })).toBe(0);
  expect(grants.addDomain(1)).toBe(0);
  expect(grants.addDomain(2, { hostMapper: pteMapper(mmu, 2) })).toBe(0);
  expect(grants.setupTable(1, DOMID_SELF, 3)).toBe(GNTST_okay);
  const page = mmu.frames.alloc(1);
  const l1 = mmu.frames.alloc(2);
  expect(mmu.types.pin(l1, 1, 2)).toBe(0);
  grants.writeEntry(1, 8, GTF_permit_access, 0, page);
  grants.writeEntry(1, 9, GTF_permit_access, 2, page);
  const check = (): void => {
    expect(grants.audit()).toEqual([]);
    expect(mmu.audit()).toEqual([]);
  };

  const dom0: MapGrantRef = { dom: 1, ref: 8, flags: GNTMAP_host_map };
  grants.mapGrantRef(0, dom0);
  expect(dom0.status).toBe(GNTST_okay);
  grants.frameBytes(page)[0] = 42;
  const hostAddrLo = l1 * 4096 + 5 * 8;
  const guest: MapGrantRef = {
    dom: 1,
    ref: 9,
    flags: GNTMAP_host_map | GNTMAP_device_map | GNTMAP_contains_pte,
    hostAddrLo,
  };
  grants.mapGrantRef(2, guest);
  expect(guest.status).toBe(GNTST_okay);
  expect(mmu.memory.u32[mmu.frames.hostAddress(l1) / 4 + 10] >>> 12).toBe(page);
  check();

  // A granted page in use cannot become a page table, nor a page table be granted for writing.
  expect(mmu.types.pin(page, 1, 1)).toBeLessThan(0);
  grants.writeEntry(1, 10, GTF_permit_access, 0, l1);
  const table: MapGrantRef = { dom: 1, ref: 10, flags: GNTMAP_host_map };
  grants.mapGrantRef(0, table);
  expect(table.status).toBeLessThan(0);
  const copy = {
    source: { ref: l1, domid: DOMID_SELF, offset: 0 },
    dest: { ref: 9, domid: 1, offset: 4088 },
    len: 8,
    flags: GNTCOPY_dest_gref,
    status: 1,
  };
  grants.copy(2, copy);
  expect(copy.status).toBe(GNTST_okay);
  check();

  // Domain 1 dies with its page mapped by both others, then domain 2 with its mapping.
  expect(mmu.types.releaseDomain(1)).toBe(0);
  expect(grants.removeDomain(1)).toBe(2);
  expect(mmu.frames.ownedBy(1)).toBe(1);
  expect(grants.frameBytes(page)[0]).toBe(42);
  check();
  const unmap = { handle: dom0.handle!, status: 1 };
  grants.unmapGrantRef(0, unmap);
  expect(unmap.status).toBe(GNTST_okay);
  expect(mmu.types.releaseDomain(2)).toBe(0);
  check();
  expect(grants.removeDomain(2)).toBe(0);
  expect(mmu.frames.ownedBy(1)).toBe(0);
  expect(grants.removeDomain(0)).toBe(0);
  check();
  expect(mmu.frames.freeFrames).toBe(free);
});
