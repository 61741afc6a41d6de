import { describe, expect, it } from "vitest";
import { Page, va } from "../machine.ts";
import { ARG, Attacker, DOMID_SELF, EFAULT, EINVAL, ENOSYS } from "./attacker.ts";

const HOST = 2;
const DEVICE = 1;
const READ_ONLY = 4;
const CONTAINS_PTE = 16;
const GENERAL_ERROR = -1;
const BAD_HANDLE = -4;
const WINDOW = va(40);
const GTF_READING = 8;
const GTF_WRITING = 16;

function withGrants(options: { vcpus?: number } = {}): Attacker {
  const a = new Attacker(options);
  a.grantFromVictim(8, 10);
  a.grantFromVictim(9, 11, true);
  return a;
}

function eventOp(a: Attacker, command: number, ...words: number[]): number {
  a.words32(ARG, ...words);
  return a.call(32, command, ARG);
}

describe("attacks by grants", () => {
  it("XSA-224: a device mapping left over when only the host's is undone, and the reverse", () => {
    const a = withGrants();
    const { frames } = a.g.hv.mmu;
    const mfn = a.victim.p2m[10];
    const before = [frames.refCount[mfn], frames.typeCount[mfn]];
    expect(a.map(a.victim.domain.domid, 8, HOST | DEVICE, WINDOW)).toBe(0);
    const { handle } = a;
    expect([frames.refCount[mfn], frames.typeCount[mfn]]).toEqual([before[0] + 2, before[1] + 2]);
    expect(a.unmap(handle, WINDOW)).toBe(0);
    expect([frames.refCount[mfn], frames.typeCount[mfn]]).toEqual([before[0] + 1, before[1] + 1]);
    expect(a.g.hv.auditFrames()).toEqual([]);
    // Nothing of the host's is left to undo, whatever the answer.
    a.unmap(handle, WINDOW);
    expect([frames.refCount[mfn], frames.typeCount[mfn]]).toEqual([before[0] + 1, before[1] + 1]);
    expect(a.unmap(handle, 0, mfn * 4096)).toBe(0);
    expect([frames.refCount[mfn], frames.typeCount[mfn]]).toEqual(before);
    expect(a.unmap(handle, 0, mfn * 4096)).toBe(BAD_HANDLE);
    a.expectHarmless();
  });

  it("XSA-227: a mapping whose entry would straddle two others", () => {
    const a = withGrants();
    for (const offset of [1, 4, 7]) {
      const at = a.mfn(Page.l1) * 4096 + 40 * 8 + offset;
      expect(a.map(a.victim.domain.domid, 8, HOST | CONTAINS_PTE, at)).toBe(GENERAL_ERROR);
    }
    expect(a.victimGrantFlags(8) & (GTF_READING | GTF_WRITING)).toBe(0);
    a.expectHarmless();
  });

  it("XSA-230: a grant shown as unused while somebody has it mapped still", () => {
    const a = withGrants();
    const domid = a.victim.domain.domid;
    expect(a.map(domid, 8, HOST, WINDOW)).toBe(0);
    const writer = a.handle;
    expect(a.map(domid, 8, HOST | READ_ONLY, WINDOW + 4096)).toBe(0);
    const reader = a.handle;
    expect(a.unmap(reader, WINDOW + 4096)).toBe(0);
    expect(a.victimGrantFlags(8) & (GTF_READING | GTF_WRITING)).toBe(GTF_READING | GTF_WRITING);
    expect(a.map(domid, 8, HOST | READ_ONLY, WINDOW + 4096)).toBe(0);
    const again = a.handle;
    expect(a.unmap(writer, WINDOW)).toBe(0);
    expect(a.victimGrantFlags(8) & (GTF_READING | GTF_WRITING)).toBe(GTF_READING);
    expect(a.unmap(again, WINDOW + 4096)).toBe(0);
    expect(a.victimGrantFlags(8) & (GTF_READING | GTF_WRITING)).toBe(0);
    a.expectHarmless();
  });

  it("XSA-234: an unmap that names an entry of another kind, or one that is not there", () => {
    const a = withGrants();
    const domid = a.victim.domain.domid;
    expect(a.map(domid, 8, HOST, WINDOW)).toBe(0);
    const writable = a.handle;
    expect(a.map(domid, 8, HOST | READ_ONLY, WINDOW + 4096)).toBe(0);
    const readOnly = a.handle;
    // Each handle with the other's address: the frame is right, what the entry allows is not.
    expect(a.unmap(writable, WINDOW + 4096)).toBe(GENERAL_ERROR);
    expect(a.unmap(readOnly, WINDOW)).toBe(GENERAL_ERROR);
    // The entry is overwritten, or its table goes: the handle stays, and the frame with it.
    expect(a.call(14, WINDOW, 0, 0)).toBe(0);
    expect(a.unmap(writable, WINDOW)).toBe(GENERAL_ERROR);
    expect(a.g.hv.auditFrames()).toEqual([]);
    expect(a.g.hv.mmu.frames.heldTypes[a.victim.p2m[10]]).toBe(1);
    a.expectHarmless();
  });

  it("a mapping kept through the death of the granter reads the old frame, never one of a new owner", () => {
    const a = withGrants();
    const { hv } = a.g;
    const { domid } = a.victim.domain;
    expect(a.map(domid, 9, HOST | READ_ONLY, WINDOW)).toBe(0);
    const mfn = a.victim.p2m[11];
    hv.destroyDomain(a.victim.domain);
    hv.pauseDomain(a.g.domain);
    for (let i = 0; i < 20; i++) hv.runSlice(1e6);
    hv.unpauseDomain(a.g.domain);
    hv.load(a.g.vcpu);
    hv.addressSpaces.enter(a.g.vcpu);
    expect(a.victim.domain.state).toBe("dying");
    expect(hv.mmu.frames.owner[mfn]).toBe(domid);
    const fresh = hv.mmu.frames.alloc(a.g.domain.domid);
    a.g.domain.totalPages++;
    expect(fresh).not.toBe(mfn);
    expect(a.unmap(a.handle, WINDOW)).toBe(0);
    expect(hv.mmu.frames.owner[mfn]).not.toBe(domid);
    expect(hv.auditFrames()).toEqual([]);
  });

  it("XSA-318: a long copy that is continued begins where it stopped, and reports each record once", () => {
    const a = withGrants();
    const count = 40;
    const at = ARG;
    for (let i = 0; i < count; i++) {
      const record = at + 40 * i;
      // source: own frame; dest: the victim's grant.
      a.words(record, a.mfn(30), DOMID_SELF, 8, a.victim.domain.domid);
      a.words32(record + 32, 64 | (2 << 16), 0x7777);
    }
    const { dispatcher } = a.g.hv;
    const { spend } = dispatcher;
    let calls = 0;
    dispatcher.spend = (units) => spend.call(dispatcher, units) || ++calls % 3 === 0;
    try {
      expect(a.call(20, 5, at, count)).toBe(0);
    } finally {
      dispatcher.spend = spend;
    }
    for (let i = 0; i < count; i++) expect(a.word32(at + 40 * i + 36) & 0xffff).toBe(0);
    a.expectHarmless();
  });

  it("XSA-316: a map that fails, whose result a backend would take for success", () => {
    const a = withGrants();
    expect(a.map(a.victim.domain.domid, 100, HOST, WINDOW)).toBe(GENERAL_ERROR);
    expect(a.map(a.victim.domain.domid, 9, HOST, WINDOW)).toBe(GENERAL_ERROR);
    expect(a.map(99, 8, HOST, WINDOW)).toBeLessThan(0);
    a.expectHarmless();
  });

  it("XSA-214: grant transfer, which the hypervisor does not have", () => {
    const a = withGrants();
    expect(a.call(20, 4, ARG, 1)).toBe(ENOSYS);
    a.expectHarmless();
  });

  it("XSA-255, XSA-379, XSA-387: status frames of version 2, which the hypervisor does not have", () => {
    const a = withGrants();
    a.words32(ARG, 2);
    expect(a.call(20, 8, ARG, 1)).toBe(ENOSYS);
    a.words(ARG, 1 + DOMID_SELF * 2 ** 32, va(Page.data, 0x800));
    expect(a.call(20, 9, ARG, 1)).toBe(0);
    expect((a.word32(ARG + 4) << 0) >> 16).toBe(GENERAL_ERROR);
    a.expectHarmless();
  });

  it("XSA-380: records without end, which would keep the machine", () => {
    const a = withGrants();
    const { hv } = a.g;
    let entries = 0;
    const { hypercall64 } = hv.dispatcher;
    hv.dispatcher.hypercall64 = (vcpu) => {
      entries++;
      hypercall64.call(hv.dispatcher, vcpu);
    };
    // Records of zeros from an unused stretch: each fails at once, but there are many.
    expect(a.call(20, 1, va(20), Math.floor((30 * 4096) / 24))).toBe(0);
    expect(entries).toBeGreaterThan(1);
    expect(a.call(20, 0, va(20), 0x7fffffff)).toBe(EFAULT);
    a.expectHarmless();
  });
});

describe("attacks by event channels", () => {
  it("XSA-221: polling ports that were never opened", () => {
    const a = new Attacker();
    const poll = (port: number): number => {
      a.words32(va(Page.data, 0x800), port);
      a.words(ARG, va(Page.data, 0x800), 1, 0);
      const rc = a.call(29, 3, ARG);
      a.g.hv.wake(a.g.vcpu);
      return rc;
    };
    for (const port of [5, 1000, 4095, 4096, 131071, 0xffffffff]) expect(poll(port)).toBeLessThanOrEqual(0);
    expect(poll(0xffffffff)).toBe(EINVAL);
    a.expectHarmless();
  });

  it("XSA-317: an allocation that fails leaves no half of a port", () => {
    const a = new Attacker();
    let last = 0;
    for (let n = 0; n < 2000 && last === 0; n++) last = eventOp(a, 6, DOMID_SELF | (a.victim.domain.domid << 16), 0);
    expect(last).toBe(-28);
    for (let n = 0; n < 3; n++) expect(eventOp(a, 6, DOMID_SELF, 0)).toBe(-28);
    expect(eventOp(a, 3, 7)).toBe(0);
    expect(eventOp(a, 6, DOMID_SELF, 0)).toBe(0);
    expect(a.word32(ARG + 4)).toBe(7);
    a.expectHarmless();
  });

  it("XSA-338 and XSA-343: a port that becomes invalid by a reset while others hold its other end", () => {
    const a = new Attacker();
    const { hv } = a.g;
    const other = hv.hypercallsFor(a.victim.domain.domid).eventChannel;
    const theirs = other.allocUnbound(DOMID_SELF, a.g.domain.domid);
    expect(eventOp(a, 0, a.victim.domain.domid, theirs, 0)).toBe(0);
    const mine = a.word32(ARG + 8);
    expect(eventOp(a, 10, DOMID_SELF)).toBe(0);
    // The other end is unbound again, and sends into nothing.
    const status = other.status(DOMID_SELF, theirs);
    expect(typeof status === "object" && status.status).toBe(1);
    expect(other.send(theirs)).toBe(0);
    expect(eventOp(a, 4, mine)).toBe(EINVAL);
    expect(eventOp(a, 9, mine)).toBeLessThanOrEqual(0);
    a.expectHarmless();
  });

  it("another domain's ports: no binding without an offer, no reset, no status", () => {
    const a = new Attacker();
    const { domid } = a.victim.domain;
    const other = a.g.hv.hypercallsFor(domid).eventChannel;
    const forNobody = other.allocUnbound(DOMID_SELF, 77);
    expect(eventOp(a, 0, domid, forNobody, 0)).toBe(EINVAL);
    expect(eventOp(a, 6, domid | (a.g.domain.domid << 16), 0)).toBe(-1);
    expect(eventOp(a, 10, domid)).toBe(-1);
    expect(eventOp(a, 5, domid, forNobody)).toBe(-1);
    a.expectHarmless();
  });

  it("FIFO pages: a page table, another's frame and the same page twice are no event array", () => {
    const a = new Attacker();
    const control = (mfn: number, offset = 0): number => {
      a.words(ARG, mfn, offset);
      return a.call(32, 11, ARG);
    };
    expect(control(a.mfn(Page.l1))).toBe(EINVAL);
    expect(control(a.victim.p2m[20])).toBe(EINVAL);
    expect(control(a.mfn(30), 4096 - 64)).toBe(EINVAL);
    expect(control(a.mfn(30))).toBe(0);
    expect(control(a.mfn(31))).toBe(EINVAL);
    for (const mfn of [a.mfn(Page.l2), a.victim.p2m[21], 0]) {
      a.words(ARG, mfn);
      expect(a.call(32, 12, ARG)).toBe(EINVAL);
    }
    a.words(ARG, a.mfn(32));
    expect(a.call(32, 12, ARG)).toBe(0);
    // Links in the array are the guest's to write: they lead nowhere by themselves.
    const { u32 } = a.g.hv.mmu.memory;
    const at = a.g.hv.mmu.frames.hostAddress(a.mfn(32)) >>> 2;
    for (let port = 0; port < 1024; port++) u32[at + port] = (port & 1 ? 0xbfffffff : 0x1ffff) >>> 0;
    expect(eventOp(a, 6, DOMID_SELF | (a.g.domain.domid << 16), 0)).toBeLessThanOrEqual(0);
    for (let port = 1; port < 20; port++) eventOp(a, 4, port);
    a.expectHarmless();
  });
});
