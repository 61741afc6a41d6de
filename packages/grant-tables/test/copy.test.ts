import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GTF_permit_access,
  GTF_readonly,
} from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import type { GrantCopy } from "../src/index.ts";
import { Machine } from "./machine.ts";

const FROM = GNTCOPY_source_gref;
const TO = GNTCOPY_dest_gref;

/** The last of several steps' results. */
function last<T>(...steps: [...unknown[], T]): T {
  return steps[steps.length - 1] as T;
}

/** Domain 0 copies; domain 1 grants it `theirs` by reference 8 (writable) and 9 (read-only). */
function setUp(): { machine: Machine; own: number; theirs: number; copy: (op: GrantCopy) => number } {
  const machine = new Machine();
  machine.addDomain(0);
  machine.addDomain(1);
  machine.addDomain(2);
  const own = machine.mmu.frames.alloc(0);
  const theirs = machine.mmu.frames.alloc(1);
  machine.grant(1, 8, 0, theirs);
  machine.grant(1, 9, 0, theirs, GTF_readonly);
  const copy = (op: GrantCopy): number => {
    machine.grants.copy(0, op);
    expect(machine.mmu.counts(own)).toEqual([1, 0]);
    expect(machine.grants.audit()).toEqual([]);
    return op.status!;
  };
  return { machine, own, theirs, copy };
}

describe("copy", () => {
  it("goes from frame to grant, grant to frame and grant to grant", () => {
    const { machine, own, theirs, copy } = setUp();
    const ours = machine.grants.frameBytes(own);
    const granted = machine.grants.frameBytes(theirs);
    ours.set([1, 2, 3, 4], 10);
    const mine = { ref: own, domid: DOMID_SELF, offset: 10 };
    expect(copy({ source: mine, dest: { ref: 8, domid: 1, offset: 4092 }, len: 4, flags: TO })).toBe(GNTST_okay);
    expect([...granted.subarray(4092)]).toEqual([1, 2, 3, 4]);
    expect(machine.mmu.hostWrites).toEqual([`${theirs.toString(16)}+4092:4`]);
    const back = { ref: own, domid: DOMID_SELF, offset: 0 };
    expect(copy({ source: { ref: 9, domid: 1, offset: 4093 }, dest: back, len: 3, flags: FROM })).toBe(GNTST_okay);
    expect([...ours.subarray(0, 3)]).toEqual([2, 3, 4]);
    const overlap = { source: { ref: 9, domid: 1, offset: 4092 }, dest: { ref: 8, domid: 1, offset: 4091 }, len: 4 };
    expect(copy({ ...overlap, flags: FROM | TO })).toBe(GNTST_okay);
    expect([...granted.subarray(4090)]).toEqual([0, 1, 2, 3, 4, 4]);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
    expect(machine.flags(1, 9)).toBe(GTF_permit_access | GTF_readonly);
    expect(machine.mmu.counts(theirs)).toEqual([1, 0]);
  });

  it("goes between a grant and memory of a TypeScript domain's own", () => {
    const { machine, theirs } = setUp();
    const { grants } = machine;
    expect(grants.copyToGrant(0, 1, 8, 4093, Uint8Array.of(1, 2, 3))).toBe(GNTST_okay);
    expect([...grants.frameBytes(theirs).subarray(4092)]).toEqual([0, 1, 2, 3]);
    expect(machine.mmu.hostWrites).toEqual([`${theirs.toString(16)}+4093:3`]);
    const into = new Uint8Array(2);
    expect(grants.copyFromGrant(0, 1, 9, 4094, into)).toBe(GNTST_okay);
    expect([...into]).toEqual([2, 3]);
    expect(grants.copyToGrant(0, 1, 9, 0, into)).toBe(GNTST_general_error);
    expect(grants.copyFromGrant(0, 1, 8, 4095, into)).toBe(GNTST_bad_copy_arg);
    expect(grants.copyFromGrant(0, 1, 8, -1, into)).toBe(GNTST_bad_copy_arg);
    expect(grants.copyFromGrant(0, 7, 8, 0, into)).toBe(GNTST_bad_domain);
    expect(grants.copyFromGrant(2, 1, 8, 0, into)).toBe(GNTST_general_error);
    expect(grants.copyFromGrant(0, 1, 100_000, 0, into)).toBe(GNTST_bad_gntref);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
    expect(machine.mmu.counts(theirs)).toEqual([1, 0]);
    expect(grants.audit()).toEqual([]);
  });

  it("may move a whole page, even of one domain to itself", () => {
    const { machine, own, copy } = setUp();
    const other = machine.mmu.frames.alloc(0);
    machine.grants.frameBytes(own).fill(7);
    const source = { ref: own, domid: DOMID_SELF, offset: 0 };
    expect(copy({ source, dest: { ref: other, domid: DOMID_SELF, offset: 0 }, len: 4096, flags: 0 })).toBe(GNTST_okay);
    expect(machine.grants.frameBytes(other).every((byte) => byte === 7)).toBe(true);
  });

  const mine = (own: number, offset = 0) => ({ ref: own, domid: DOMID_SELF, offset });
  const theirs = (ref: number, offset = 0, domid = 1) => ({ ref, domid, offset });
  it.each<[string, (m: Machine, own: number, frame: number) => GrantCopy, number]>([
    ["nothing at all, however wrong", () => ({ source: theirs(99), dest: theirs(99), len: 0, flags: 0 }), GNTST_okay],
    [
      "from another's frame",
      (_m, own) => ({ source: theirs(own), dest: mine(own), len: 1, flags: 0 }),
      GNTST_permission_denied,
    ],
    [
      "to another's frame",
      (_m, own) => ({ source: mine(own), dest: theirs(own), len: 1, flags: 0 }),
      GNTST_permission_denied,
    ],
    [
      "from no domain",
      (_m, own) => ({ source: theirs(8, 0, 9), dest: mine(own), len: 1, flags: FROM }),
      GNTST_bad_domain,
    ],
    ["to no domain", (_m, own) => ({ source: mine(own), dest: theirs(8, 0, 9), len: 1, flags: TO }), GNTST_bad_domain],
    [
      "a frame not its own",
      (_m, own, frame) => ({ source: mine(frame), dest: mine(own), len: 1, flags: 0 }),
      GNTST_bad_page,
    ],
    [
      "over the source's end",
      (_m, own) => ({ source: mine(own, 4090), dest: mine(own), len: 7, flags: 0 }),
      GNTST_bad_copy_arg,
    ],
    [
      "over the destination's end",
      (_m, own) => ({ source: mine(own), dest: theirs(8, 4095), len: 2, flags: TO }),
      GNTST_bad_copy_arg,
    ],
    [
      "to a read-only grant",
      (_m, own) => ({ source: mine(own), dest: theirs(9), len: 1, flags: TO }),
      GNTST_general_error,
    ],
    [
      "a reference outside the table",
      (_m, own) => ({ source: mine(own), dest: theirs(512), len: 1, flags: TO }),
      GNTST_bad_gntref,
    ],
    [
      "an empty entry",
      (_m, own) => ({ source: theirs(10), dest: mine(own), len: 1, flags: FROM }),
      GNTST_general_error,
    ],
    [
      "an entry for another",
      (m, own, frame) => last(m.grant(1, 11, 2, frame), { source: theirs(11), dest: mine(own), len: 1, flags: FROM }),
      GNTST_general_error,
    ],
    [
      "to a page table",
      (m, own, frame) => last(m.mmu.pageTables.add(frame), { source: mine(own), dest: theirs(8), len: 1, flags: TO }),
      GNTST_general_error,
    ],
    [
      "to its own page table",
      (m, own) => last(m.mmu.pageTables.add(own), { source: theirs(8), dest: mine(own), len: 1, flags: FROM }),
      GNTST_general_error,
    ],
    [
      "a grant of a frame it has not",
      (m, own) => last(m.grant(1, 11, 0, own), { source: theirs(11), dest: mine(own), len: 1, flags: FROM }),
      GNTST_bad_page,
    ],
    [
      "its own grant to itself",
      (m, own) =>
        last(m.grant(0, 3, 0, own), {
          source: { ref: 3, domid: DOMID_SELF, offset: 0 },
          dest: mine(own),
          len: 1,
          flags: FROM,
        }),
      GNTST_okay,
    ],
  ])("%s", (_name, make, status) => {
    const { machine, own, theirs: frame, copy } = setUp();
    expect(copy(make(machine, own, frame))).toBe(status);
    expect(machine.mmu.counts(frame)).toEqual([1, 0]);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
  });

  it("goes by what is pinned, and looks again when it needs more", () => {
    const { machine, own, theirs: frame, copy } = setUp();
    const other = machine.mmu.frames.alloc(1);
    const op = machine.map(0, 1, 8, GNTMAP_host_map | GNTMAP_readonly);
    machine.grants.frameBytes(frame)[0] = 1;
    machine.grants.frameBytes(other)[0] = 2;
    machine.grant(1, 8, 0, other);
    expect(copy({ source: theirs(8), dest: mine(own), len: 1, flags: FROM })).toBe(GNTST_okay);
    expect(machine.grants.frameBytes(own)[0]).toBe(1);
    expect(copy({ source: mine(own), dest: theirs(8), len: 1, flags: TO })).toBe(GNTST_general_error);
    machine.unmap(0, op.handle!);
    expect(copy({ source: mine(own), dest: theirs(8), len: 1, flags: TO })).toBe(GNTST_okay);
    expect(machine.grants.frameBytes(other)[0]).toBe(1);
  });
});

it("refuses numbers that no record could hold, as only TypeScript domains can give them", () => {
  const { machine, own, theirs, copy } = setUp();
  machine.grants.frameBytes(theirs).fill(7);
  const mine = { ref: own, domid: DOMID_SELF, offset: 0 };
  for (const offset of [-1, Number.NaN, Number.NEGATIVE_INFINITY]) {
    const source = { ref: 9, domid: 1, offset };
    expect(copy({ source, dest: mine, len: 2, flags: FROM })).toBe(GNTST_bad_copy_arg);
  }
  for (const len of [-1, Number.NaN])
    expect(copy({ source: { ref: 9, domid: 1, offset: 1 }, dest: mine, len, flags: FROM })).toBe(GNTST_bad_copy_arg);
  expect(machine.grants.frameBytes(own).every((byte) => byte === 0)).toBe(true);
  for (const handle of [-1, Number.NaN, 0.5]) expect(machine.unmap(0, handle)).toBe(GNTST_bad_handle);
  for (const ref of [-1, Number.NaN]) expect(machine.map(0, 1, ref, GNTMAP_host_map).status).toBe(GNTST_bad_gntref);
});
