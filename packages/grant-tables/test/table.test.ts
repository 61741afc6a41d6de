import {
  DOMID_SELF,
  EINVAL,
  ENOMEM,
  ENOSYS,
  EPERM,
  ESRCH,
  GNTMAP_host_map,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_eagain,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GTF_permit_access,
} from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";

function setUp(): Machine {
  const machine = new Machine();
  machine.addDomain(0, { privileged: true });
  machine.addDomain(1, { maxGrantFrames: 4 });
  return machine;
}

describe("the shared table", () => {
  it("starts with a frame, grows, and never shrinks", () => {
    const { grants, mmu } = setUp();
    const first = grants.sharedFrames(1)[0];
    expect(grants.setupTable(1, DOMID_SELF, 1)).toBe(GNTST_okay);
    expect(grants.setupTable(1, DOMID_SELF, 3)).toBe(GNTST_okay);
    expect(grants.setupTable(1, 1, 2)).toBe(GNTST_okay);
    expect(grants.sharedFrames(1)).toHaveLength(3);
    expect(grants.sharedFrames(1)[0]).toBe(first);
    for (const mfn of grants.sharedFrames(1)) expect(mmu.shared.has(mfn)).toBe(true);
    expect(grants.setupTable(1, 1, 5)).toBe(GNTST_general_error);
    const size = { status: 1, nrFrames: 0, maxNrFrames: 0 };
    grants.querySize(1, DOMID_SELF, size);
    expect(size).toEqual({ status: GNTST_okay, nrFrames: 3, maxNrFrames: 4 });
    grants.removeDomain(1);
    for (let mfn = first; mfn < first + 3; mfn++) expect(mmu.counts(mfn)).toEqual([0, 0]);
  });

  it("keeps grants over growing", () => {
    const machine = setUp();
    const mfn = machine.mmu.frames.alloc(1);
    machine.grant(1, 8, 0, mfn);
    const op = machine.map(0, 1, 8, GNTMAP_host_map);
    machine.grants.setupTable(1, 1, 4);
    machine.grant(1, 2047, 0, mfn);
    expect(machine.map(0, 1, 2047, GNTMAP_host_map).status).toBe(GNTST_okay);
    expect(machine.unmap(0, op.handle!)).toBe(GNTST_okay);
    expect(machine.flags(1, 8)).toBe(GTF_permit_access);
  });

  it("is the domain's own, and the privileged domain's", () => {
    const { grants } = setUp();
    const size = { status: 1, nrFrames: 0, maxNrFrames: 0 };
    expect(grants.setupTable(1, 0, 1)).toBe(GNTST_permission_denied);
    expect(grants.setupTable(0, 1, 2)).toBe(GNTST_okay);
    expect(grants.setupTable(0, 7, 2)).toBe(GNTST_bad_domain);
    grants.querySize(1, 0, size);
    expect(size.status).toBe(GNTST_permission_denied);
    grants.querySize(0, 7, size);
    expect(size.status).toBe(GNTST_bad_domain);
    expect([grants.getVersion(1, DOMID_SELF), grants.getVersion(0, 1)]).toEqual([1, 1]);
    expect([grants.getVersion(1, 0), grants.getVersion(0, 7)]).toEqual([-EPERM, -ESRCH]);
    expect(grants.getStatusFrames(1, DOMID_SELF, 0)).toBe(GNTST_okay);
    expect(grants.getStatusFrames(1, DOMID_SELF, 1)).toBe(GNTST_general_error);
    expect(grants.getStatusFrames(1, 0, 0)).toBe(GNTST_permission_denied);
    expect(grants.getStatusFrames(0, 7, 0)).toBe(GNTST_bad_domain);
  });

  it("has version 1 only", () => {
    const { grants } = setUp();
    expect([0, 1, 2, 3].map((version) => grants.setVersion(1, version))).toEqual([-EINVAL, 0, -ENOSYS, -EINVAL]);
  });

  it("gives everything back when memory runs out", () => {
    const machine = setUp();
    const { grants, mmu } = machine;
    mmu.left = 2;
    const before = grants.sharedFrames(1).length;
    expect(grants.setupTable(1, 1, 4)).toBe(GNTST_general_error);
    expect(grants.sharedFrames(1)).toHaveLength(before);
    const references = [...mmu.general.values()].reduce((sum, count) => sum + count, 0);
    expect(references).toBe(2);
    mmu.left = 0;
    expect(grants.addDomain(2)).toBe(-ENOMEM);
    expect(grants.addDomain(2, { maxGrantFrames: 0 })).toBe(-EINVAL);
    expect(() => grants.addDomain(1)).toThrow();
  });

  it("swaps entries that are not in use", () => {
    const machine = setUp();
    const { grants } = machine;
    const a = machine.mmu.frames.alloc(1);
    const b = machine.mmu.frames.alloc(1);
    machine.grant(1, 8, 0, a);
    machine.grant(1, 9, 0, b);
    expect(grants.swapGrantRef(1, 8, 9)).toBe(GNTST_okay);
    const op = machine.map(0, 1, 8, GNTMAP_host_map);
    expect(op.mfn).toBe(b);
    expect(grants.swapGrantRef(1, 8, 9)).toBe(GNTST_eagain);
    expect(grants.swapGrantRef(1, 9, 8)).toBe(GNTST_eagain);
    expect(grants.swapGrantRef(1, 8, 8)).toBe(GNTST_okay);
    expect(grants.swapGrantRef(1, 8, 512)).toBe(GNTST_bad_gntref);
    expect(grants.swapGrantRef(1, 512, 8)).toBe(GNTST_bad_gntref);
  });

  it("is written for the builder", () => {
    const machine = setUp();
    const mfn = machine.mmu.frames.alloc(1);
    expect(machine.grants.writeEntry(1, 1, GTF_permit_access, 0, mfn)).toBe(true);
    expect(machine.grants.writeEntry(1, 512, GTF_permit_access, 0, mfn)).toBe(false);
    expect(machine.map(0, 1, 1, GNTMAP_host_map)).toMatchObject({ status: GNTST_okay, mfn });
    expect(machine.grants.writeEntry(1, 1, 0, 0, 0)).toBe(false);
  });
});
