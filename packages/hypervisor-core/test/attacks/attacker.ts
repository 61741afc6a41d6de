import { PageType } from "@xen-node/mmu";
import { expect } from "vitest";
import {
  addGuest,
  exception,
  type Guest,
  HANDLER,
  hypercall,
  makeGuest,
  Page,
  privileged,
  readU32,
  readU64,
  va,
  writeU32,
  writeU64,
} from "../machine.ts";

export const DOMID_SELF = 0x7ff0;
export const EPERM = -1;
export const EFAULT = -14;
export const EBUSY = -16;
export const EINVAL = -22;
export const ENOSYS = -38;

/** Where arguments of calls are put, and where `done` goes. */
export const ARG = va(Page.data, 0x100);
const DONE = va(Page.data, 8);
const ARGS_END = va(Page.data + 1) + 4096;

export const Mmuext = {
  pinL1: 0,
  pinL2: 1,
  pinL3: 2,
  pinL4: 3,
  unpin: 4,
  newBase: 5,
  setLdt: 13,
  newUserBase: 15,
  clear: 16,
  copy: 17,
} as const;

/** A PV guest that tries something, with another guest beside it that must not notice. */
export class Attacker {
  readonly g: Guest;
  readonly victim: ReturnType<typeof addGuest>;

  constructor(options: { vcpus?: number; maxPages?: number } = {}) {
    this.g = makeGuest(options);
    this.victim = addGuest(this.g.hv, {});
    // Making the other one has left its tables loaded.
    this.g.hv.load(this.g.vcpu);
    this.g.hv.addressSpaces.enter(this.g.vcpu);
    for (let vector = 0; vector < 32; vector++) this.g.vcpu.traps.set(vector, 0, 0xe033, HANDLER);
    this.g.vcpu.kernelSp = va(Page.stack + 1);
  }

  get mfn(): (page: number) => number {
    return (page) => this.g.p2m[page];
  }

  call(number: number, ...args: number[]): number {
    return hypercall(this.g, number, ...args);
  }

  /** mmu_update of one entry of a table page. */
  update(table: number, index: number, value: number, command = 0): number {
    writeU64(this.g, ARG, this.mfn(table) * 4096 + index * 8 + command, value);
    return this.call(1, ARG, 1, DONE, DOMID_SELF);
  }

  mmuext(command: number, arg1 = 0, arg2 = 0): number {
    writeU64(this.g, ARG, command, arg1, arg2);
    return this.call(26, ARG, 1, DONE, DOMID_SELF);
  }

  entry(page: number, flags: number): number {
    return this.mfn(page) * 4096 + flags;
  }

  read(table: number, index: number): number {
    return readU64(this.g, va(table, index * 8));
  }

  type(page: number): number {
    return this.g.hv.mmu.frames.type[this.mfn(page)];
  }

  /** Takes a page out of its mapping, so that it may become a table; `entries` are what it holds. */
  makeTable(page: number, entries: readonly (readonly [index: number, value: number])[] = []): void {
    const { memory, frames } = this.g.hv.mmu;
    const at = frames.hostAddress(this.mfn(page));
    memory.u8.fill(0, at, at + 4096);
    for (const [index, value] of entries) writeU64(this.g, va(page, index * 8), value);
    expect(this.update(Page.l1, page, this.entry(page, 0x21))).toBe(0);
    expect(this.type(page)).toBe(PageType.none);
  }

  words(at: number, ...values: number[]): void {
    writeU64(this.g, at, ...values);
  }

  words32(at: number, ...values: number[]): void {
    writeU32(this.g, at, ...values);
  }

  word(at: number): number {
    return readU64(this.g, at);
  }

  word32(at: number): number {
    return readU32(this.g, at);
  }

  /** One record of grant_table_op; its status. */
  grantOp(command: number, bytes: number, statusAt: number, write: (view: DataView) => void): number {
    const record = new Uint8Array(bytes);
    write(new DataView(record.buffer));
    for (let i = 0; i < bytes; i += 4) writeU32(this.g, ARG + i, new DataView(record.buffer).getUint32(i, true));
    const rc = this.call(20, command, ARG, 1);
    if (rc !== 0) return rc;
    return (readU32(this.g, ARG + (statusAt & ~3)) << (statusAt & 2 ? 0 : 16)) >> 16;
  }

  /** Maps a grant of `dom` at an address. @returns GNTST_*; the handle is in `handle` */
  map(dom: number, ref: number, flags: number, address: number): number {
    const status = this.grantOp(0, 32, 18, (view) => {
      view.setUint32(0, address >>> 0, true);
      view.setUint32(4, Math.floor(address / 2 ** 32), true);
      view.setUint32(8, flags, true);
      view.setUint32(12, ref, true);
      view.setUint16(16, dom, true);
    });
    this.handle = readU32(this.g, ARG + 20);
    return status;
  }
  handle = 0;

  unmap(handle: number, address: number, device = 0): number {
    return this.grantOp(1, 24, 20, (view) => {
      view.setUint32(0, address >>> 0, true);
      view.setUint32(4, Math.floor(address / 2 ** 32), true);
      view.setUint32(8, device >>> 0, true);
      view.setUint32(12, Math.floor(device / 2 ** 32), true);
      view.setUint32(16, handle, true);
    });
  }

  /** The victim lets the attacker have one of its pages. */
  grantFromVictim(ref: number, page: number, readOnly = false): void {
    const { hv, domain } = this.g;
    const flags = readOnly ? 5 : 1;
    hv.grants.writeEntry(this.victim.domain.domid, ref, flags, domain.domid, this.victim.p2m[page]);
  }

  /** The flags of one of the victim's grants. */
  victimGrantFlags(ref: number): number {
    const { grants, mmu } = this.g.hv;
    const table = mmu.frames.hostAddress(grants.sharedFrames(this.victim.domain.domid)[0]);
    return mmu.memory.u16[(table + ref * 8) >>> 1];
  }

  exception(vector: number, errorCode?: number, cr2?: number): void {
    exception(this.g, vector, errorCode, cr2);
  }

  privileged(...bytes: number[]): void {
    privileged(this.g, ...bytes);
  }

  /** Whatever was tried: the invariants hold, the victim runs, and both can be taken apart without a frame lost. */
  expectHarmless(): void {
    const { hv, domain, logs } = this.g;
    expect(hv.auditFrames()).toEqual([]);
    expect(this.victim.domain.state).toBe("running");
    expect(logs.filter((line) => line.includes("hypervisor failed"))).toEqual([]);
    for (const each of [domain, this.victim.domain]) hv.destroyDomain(each);
    for (let i = 0; i < 50; i++) hv.runSlice(1e6);
    expect(hv.domains.size).toBe(0);
    expect(hv.auditFrames()).toEqual([]);
  }
}

/** Bytes from ARG on that a list of records may take. */
export const ARGS_BYTES = ARGS_END - ARG;
