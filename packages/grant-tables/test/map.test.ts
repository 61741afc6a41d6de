import {
  DOMID_SELF,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_dev_addr,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_no_space,
  GNTST_okay,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_writing,
} from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { FakeMapper, Machine } from "./machine.ts";

const HOST = GNTMAP_host_map;
const DEVICE = GNTMAP_device_map;
const RO = GNTMAP_readonly;

/** The last of several steps' results. */
function last<T>(...steps: [...unknown[], T]): T {
  return steps[steps.length - 1] as T;
}

/** Domain 1 grants frame `mfn` to domain 0 by reference 8. */
function granted(flags = 0): { machine: Machine; mfn: number } {
  const machine = new Machine();
  machine.addDomain(0, { privileged: true });
  machine.addDomain(1);
  machine.addDomain(2);
  const mfn = machine.mmu.frames.alloc(1);
  machine.grant(1, 8, 0, mfn, flags);
  return { machine, mfn };
}

describe("mapping", () => {
  it.each<[string, number, number, [number, number]]>([
    ["host, writable", HOST, GTF_reading | GTF_writing, [2, 1]],
    ["host, read-only", HOST | RO, GTF_reading, [2, 0]],
    ["device, writable", DEVICE, GTF_reading | GTF_writing, [2, 1]],
    ["device, read-only", DEVICE | RO, GTF_reading, [2, 0]],
    ["both, writable", HOST | DEVICE, GTF_reading | GTF_writing, [3, 2]],
    ["both, read-only", HOST | DEVICE | RO, GTF_reading, [3, 0]],
  ])("%s: flags and references, and back", (_name, flags, inUse, counts) => {
    const { machine, mfn } = granted();
    const op = machine.map(0, 1, 8, flags);
    expect(op).toMatchObject({ status: GNTST_okay, handle: 0, mfn });
    expect(machine.flags(1, 8)).toBe(GTF_permit_access | inUse);
    expect(machine.mmu.counts(mfn)).toEqual(counts);
    expect(machine.revoke(1, 8)).toBe(false);
    expect(machine.grants.audit()).toEqual([]);
    expect(machine.unmap(0, 0)).toBe(GNTST_okay);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
    expect(machine.revoke(1, 8)).toBe(true);
    expect(machine.unmap(0, 0)).toBe(GNTST_bad_handle);
    expect(machine.map(0, 1, 8, flags).status).toBe(GNTST_general_error);
    expect(machine.grants.audit()).toEqual([]);
  });

  it.each<[string, (m: Machine, mfn: number) => number | undefined, number]>([
    ["no kind of mapping", (m) => m.map(0, 1, 8, RO).status, GNTST_bad_gntref],
    ["no such domain", (m) => m.map(0, 9, 8, HOST).status, GNTST_bad_domain],
    ["DOMID_SELF", (m) => m.map(0, DOMID_SELF, 8, HOST).status, GNTST_bad_domain],
    ["a removed domain", (m) => last(m.grants.removeDomain(1), m.map(0, 1, 8, HOST).status), GNTST_bad_domain],
    ["a reference outside the table", (m) => m.map(0, 1, 512, HOST).status, GNTST_bad_gntref],
    ["an empty entry", (m) => m.map(0, 1, 9, HOST).status, GNTST_general_error],
    ["an entry for another", (m) => m.map(2, 1, 8, HOST).status, GNTST_general_error],
    [
      "an entry for transfer",
      (m) => last(m.setFlags(1, 8, GTF_accept_transfer), m.map(0, 1, 8, HOST).status),
      GNTST_general_error,
    ],
    [
      "a sub-page entry",
      (m) => last(m.setFlags(1, 8, GTF_permit_access | GTF_sub_page), m.map(0, 1, 8, HOST).status),
      GNTST_general_error,
    ],
    [
      "read-only, writable asked",
      (m) => last(m.setFlags(1, 8, GTF_permit_access | GTF_readonly), m.map(0, 1, 8, HOST).status),
      GNTST_general_error,
    ],
    [
      "read-only, read-only asked",
      (m) => last(m.setFlags(1, 8, GTF_permit_access | GTF_readonly), m.map(0, 1, 8, HOST | RO).status),
      GNTST_okay,
    ],
    [
      "another's frame",
      (m) => last(m.grant(1, 8, 0, m.mmu.frames.alloc(2)), m.map(0, 1, 8, HOST).status),
      GNTST_bad_page,
    ],
    ["no frame at all", (m) => last(m.grant(1, 8, 0, 0xffffffff), m.map(0, 1, 8, HOST).status), GNTST_bad_page],
    [
      "a page table, writable",
      (m, mfn) => last(m.mmu.pageTables.add(mfn), m.map(0, 1, 8, HOST | DEVICE).status),
      GNTST_general_error,
    ],
    [
      "a page table, read-only",
      (m, mfn) => last(m.mmu.pageTables.add(mfn), m.map(0, 1, 8, HOST | RO).status),
      GNTST_okay,
    ],
    ["unmap of handle 2^32-1", (m) => m.unmap(0, 0xffffffff), GNTST_bad_handle],
  ])("%s", (_name, call, status) => {
    const { machine, mfn } = granted();
    expect(call(machine, mfn)).toBe(status);
    if (status !== GNTST_okay) {
      expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
      expect(machine.grants.audit()).toEqual([]);
    }
  });

  it("keeps a pinned entry's frame and grantee, whatever the guest writes", () => {
    const { machine, mfn } = granted();
    const other = machine.mmu.frames.alloc(1);
    const first = machine.map(0, 1, 8, HOST | RO);
    machine.grant(1, 8, 2, other, GTF_reading);
    expect(machine.map(2, 1, 8, HOST | RO).status).toBe(GNTST_general_error);
    const second = machine.map(0, 1, 8, HOST);
    expect(second).toMatchObject({ status: GNTST_okay, mfn });
    machine.setFlags(1, 8, GTF_permit_access | GTF_readonly | GTF_reading | GTF_writing);
    expect(machine.map(0, 1, 8, HOST).status).toBe(GNTST_okay);
    expect(machine.unmap(0, first.handle!)).toBe(GNTST_okay);
    expect(machine.unmap(0, second.handle!)).toBe(GNTST_okay);
    expect(machine.mmu.counts(mfn)).toEqual([2, 1]);
    expect(machine.mmu.counts(other)).toEqual([1, 0]);
  });

  it("refuses more access to a pinned entry that has become read-only", () => {
    const { machine } = granted();
    machine.map(0, 1, 8, HOST | RO);
    machine.setFlags(1, 8, GTF_permit_access | GTF_readonly | GTF_reading);
    expect(machine.map(0, 1, 8, HOST).status).toBe(GNTST_general_error);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access | GTF_readonly | GTF_reading);
  });

  it("takes the flags back from an entry whose frame is refused", () => {
    const { machine } = granted();
    machine.grant(1, 8, 0, 0xffffffff);
    machine.map(0, 1, 8, HOST);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
  });

  it("leaves the writing flag alone when a reader goes", () => {
    const { machine } = granted();
    const reader = machine.map(0, 1, 8, HOST | RO);
    machine.setFlags(1, 8, GTF_permit_access | GTF_reading | GTF_writing);
    machine.map(0, 1, 8, DEVICE | RO);
    machine.unmap(0, reader.handle!);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access | GTF_reading | GTF_writing);
  });

  it("drops only the writing flag when the last writer goes", () => {
    const { machine } = granted();
    const reader = machine.map(0, 1, 8, DEVICE | RO);
    const writer = machine.map(0, 1, 8, HOST);
    machine.unmap(0, writer.handle!);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access | GTF_reading);
    machine.unmap(0, reader.handle!);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
  });

  it("takes at most 128 pins of a kind", () => {
    const { machine, mfn } = granted();
    for (let i = 0; i < 128; i++) expect(machine.map(0, 1, 8, HOST | RO).status).toBe(GNTST_okay);
    expect(machine.map(0, 1, 8, HOST | RO).status).toBe(GNTST_general_error);
    expect(machine.map(0, 1, 8, HOST | DEVICE | RO).status).toBe(GNTST_general_error);
    expect(machine.map(0, 1, 8, DEVICE | RO).status).toBe(GNTST_okay);
    for (let i = 1; i < 128; i++) expect(machine.map(0, 1, 8, DEVICE | RO).status).toBe(GNTST_okay);
    expect(machine.grants.audit()).toEqual([]);
    for (let handle = 0; handle < 256; handle++) expect(machine.unmap(0, handle)).toBe(GNTST_okay);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
  });

  it("runs out of handles", () => {
    const machine = new Machine();
    machine.addDomain(0, { maxMaptrackFrames: 1 });
    machine.addDomain(1);
    const mfn = machine.mmu.frames.alloc(1);
    for (let ref = 0; ref < 257; ref++) machine.grant(1, ref, 0, mfn);
    for (let ref = 0; ref < 256; ref++) expect(machine.map(0, 1, ref, HOST).status).toBe(GNTST_okay);
    expect(machine.map(0, 1, 256, HOST).status).toBe(GNTST_no_space);
    machine.unmap(0, 77);
    expect(machine.map(0, 1, 256, HOST)).toMatchObject({ status: GNTST_okay, handle: 77 });
  });

  it("tells the code cache of frames that a TypeScript domain may write", () => {
    const { machine, mfn } = granted();
    const op = machine.map(0, 1, 8, HOST);
    machine.grants.frameBytes(mfn)[5] = 1;
    expect(machine.mmu.memory.u8[machine.mmu.frames.hostAddress(mfn) + 5]).toBe(1);
    machine.unmap(0, op.handle!);
    machine.unmap(0, machine.map(0, 1, 8, HOST | RO).handle!);
    const whole = `${mfn.toString(16)}+0:4096`;
    expect(machine.mmu.hostWrites).toEqual([whole, whole]);
  });
});

describe("machine-code mappers", () => {
  function withMapper(): { machine: Machine; mapper: FakeMapper; mfn: number } {
    const machine = new Machine();
    const mapper = new FakeMapper();
    machine.addDomain(0, { hostMapper: mapper });
    machine.addDomain(1);
    const mfn = machine.mmu.frames.alloc(1);
    machine.grant(1, 8, 0, mfn);
    return { machine, mapper, mfn };
  }

  it("installs and removes entries, flushing before references go", () => {
    const { machine, mapper, mfn } = withMapper();
    const op = machine.map(0, 1, 8, HOST, 0x1000);
    expect(mapper.entries.get(0x1000)).toEqual({ mfn, readonly: false });
    mapper.flushTlb = () => {
      mapper.log.push("flush");
      expect(machine.mmu.counts(mfn)).toEqual([2, 1]);
    };
    expect(machine.unmap(0, op.handle!, 0x1000)).toBe(GNTST_okay);
    expect(mapper.log).toEqual(["create 1000", "replace 1000", "flush"]);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
  });

  it("undoes a mapping whose entry is refused", () => {
    const { machine, mapper, mfn } = withMapper();
    mapper.unmappable.add(0x1000);
    expect(machine.map(0, 1, 8, HOST | DEVICE, 0x1000).status).toBe(GNTST_general_error);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
    expect(machine.grants.audit()).toEqual([]);
  });

  it("unmaps only what the addresses name", () => {
    const { machine, mapper, mfn } = withMapper();
    const handle = machine.map(0, 1, 8, HOST | DEVICE, 0x1000).handle!;
    expect(machine.unmap(0, handle)).toBe(GNTST_okay);
    expect(machine.mmu.counts(mfn)).toEqual([3, 2]);
    expect(machine.unmap(0, handle, 0x2000)).toBe(GNTST_general_error);
    expect(machine.unmap(0, handle, 0, 0x5000)).toBe(GNTST_bad_dev_addr);
    expect(machine.unmap(0, handle, 0x1000, 0x5000)).toBe(GNTST_bad_dev_addr);
    expect(mapper.entries.size).toBe(1);
    expect(machine.unmap(0, handle, 0, mfn * 4096)).toBe(GNTST_okay);
    expect(machine.mmu.counts(mfn)).toEqual([2, 1]);
    expect(machine.unmap(0, handle, 0x1000)).toBe(GNTST_okay);
    expect(machine.unmap(0, handle, 0x1000)).toBe(GNTST_bad_handle);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
  });

  it("handles a batch with a handle twice in it", () => {
    const { machine, mapper, mfn } = withMapper();
    const ops = [];
    for (let i = 0; i < 40; i++) {
      const { handle } = machine.map(0, 1, 8, HOST | RO, 0x1000 * (i + 1));
      ops.push({ handle: handle!, hostAddrLo: 0x1000 * (i + 1), status: 1 });
    }
    ops.splice(5, 0, { ...ops[4] });
    mapper.log.length = 0;
    machine.grants.unmapGrantRefs(0, ops);
    expect(ops.map((op) => op.status).filter((status) => status !== GNTST_okay)).toEqual([GNTST_bad_handle]);
    expect(ops[5].status).toBe(GNTST_bad_handle);
    expect(mapper.log.filter((line) => line === "flush").length).toBe(2);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
    expect(machine.grants.audit()).toEqual([]);
  });

  it("replaces an entry by another", () => {
    const { machine, mapper, mfn } = withMapper();
    const handle = machine.map(0, 1, 8, HOST, 0x1000).handle!;
    mapper.entries.set(0x2000, { mfn: 77, readonly: false });
    const ops = [{ handle, hostAddrLo: 0x1000, newAddrLo: 0x2000, status: 1 }];
    machine.grants.unmapAndReplace(0, ops);
    expect(ops[0].status).toBe(GNTST_okay);
    expect([...mapper.entries]).toEqual([[0x1000, { mfn: 77, readonly: false }]]);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
  });
});

describe("removing domains", () => {
  it("releases what the domain had mapped", () => {
    const { machine, mfn } = granted();
    machine.map(0, 1, 8, HOST);
    machine.map(0, 1, 8, HOST | DEVICE | RO);
    expect(machine.grants.removeDomain(0)).toBe(0);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
    expect(machine.grants.audit()).toEqual([]);
  });

  it("lets others finish with a removed domain's frames", () => {
    const { machine, mfn } = granted();
    const shared = machine.grants.sharedFrames(1)[0];
    const a = machine.map(0, 1, 8, HOST);
    const b = machine.map(0, 1, 8, DEVICE | RO);
    expect(machine.grants.removeDomain(1)).toBe(1);
    expect(machine.mmu.counts(shared)).toEqual([0, 0]);
    machine.mmu.memory.u8.fill(
      0xff,
      machine.mmu.frames.hostAddress(shared),
      machine.mmu.frames.hostAddress(shared) + 4096,
    );
    machine.mmu.memory.u16.fill(0xffff, 0, 2048);
    expect(machine.grants.pinnedEntries(1)).toBe(1);
    expect(machine.map(0, 1, 8, HOST).status).toBe(GNTST_bad_domain);
    machine.addDomain(1);
    expect(machine.unmap(0, a.handle!)).toBe(GNTST_okay);
    expect(machine.grants.pinnedEntries(1)).toBe(1);
    expect(machine.unmap(0, b.handle!)).toBe(GNTST_okay);
    expect(machine.grants.pinnedEntries(1)).toBe(0);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
    expect(machine.mmu.memory.u8[machine.mmu.frames.hostAddress(shared) + 64]).toBe(0xff);
    expect(machine.mmu.memory.u16.subarray(0, 2048).every((word) => word === 0xffff)).toBe(true);
    expect(machine.grants.audit()).toEqual([]);
  });

  it("manages a domain that maps its own grants", () => {
    const { machine, mfn } = granted();
    machine.grant(1, 9, 1, mfn);
    expect(machine.map(1, 1, 9, HOST).status).toBe(GNTST_okay);
    expect(machine.grants.removeDomain(1)).toBe(0);
    expect(machine.mmu.counts(mfn)).toEqual([1, 0]);
  });
});
