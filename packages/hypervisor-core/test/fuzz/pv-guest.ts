import { FrameFlags, PageType } from "@xen-node/mmu";
import { ExitReason } from "@xen-node/x86-cpu";
import type { Domain, Hypervisor, Vcpu } from "../../src/index.ts";
import { deliverPending, handleExit, hasPending } from "../../src/traps.ts";
import { type Draw, type Word, wordOf } from "./draw.ts";

/** Pages by what they are for; va = page * 4096. */
export const Page = { code: 0, stack: 1, args: 2, areas: 6, data: 8, secrets: 76, tables: 80, end: 96 } as const;
const VITAL_PAGES = 8;
const ARGS_BYTES = (Page.areas - Page.args) * 4096;
export const HANDLER = 0x800;
const STACK_TOP = (Page.stack + 1) * 4096;
const ARGUMENTS = [7, 6, 2, 10, 8, 9];
const TABLE_WORK = 65536;

/** Tables of the guest by role; the second tree is laid out, but nobody has validated it yet. */
export const Table = {
  l4: 80,
  l3: 81,
  l2: 82,
  l1: 83,
  userL4: 84,
  otherL4: 85,
  otherL3: 86,
  otherL2: 87,
  otherL1: 88,
  spareL1: 89,
  spareL2: 90,
  spareL3: 91,
} as const;
const ROLE_LEVELS = [4, 3, 2, 1, 4, 4, 3, 2, 1, 1, 2, 3];

/** One hypercall to be made. */
export interface Call {
  name: string;
  number: number;
  args: readonly (number | Word)[];
  /** Looks at what it left in memory, for the tally and the model. */
  after?: (result: number) => void;
}

/** A PV domain that the fuzzer speaks for: its memory is written as its own stores would, its registers are the processor's. */
export class PvGuest {
  readonly domain: Domain;
  /** mfn of each page. */
  readonly p2m: number[] = [];
  /** What it believes to own, without its secrets; table pages included. */
  pool: number[] = [];
  /** Ports, grant references and handles that exist, or did. */
  readonly ports: number[] = [1, 2];
  readonly refs: number[] = [8, 9];
  readonly handles: { handle: number; va: Word; mfn: number }[] = [];
  /** What it was doing when a hypercall stopped half-way, by vcpu. */
  private readonly inFlight = new Map<Vcpu, Call>();
  private cursor = 0;
  vcpu: Vcpu;

  constructor(
    readonly hv: Hypervisor,
    readonly draw: Draw,
    domid: number,
  ) {
    this.domain = hv.createDomain({
      kind: "pv",
      domid,
      maxPages: 160,
      vcpus: 3,
      maxEventChannel: 127,
      maxGrantFrames: 4,
      maxMaptrackFrames: 1,
    });
    this.vcpu = this.domain.vcpus[0];
    const { frames, types, m2p } = hv.mmu;
    for (let pfn = 0; pfn < Page.end; pfn++) {
      const mfn = frames.alloc(domid);
      if (mfn < 0) throw new Error("the fuzzer's machine is too small");
      this.domain.totalPages++;
      this.p2m.push(mfn);
      m2p.set(mfn, pfn);
    }
    this.layOut();
    if (types.pin(this.p2m[Table.l4], 4, domid) !== 0) throw new Error("the fuzzer's own tables are refused");
    hv.bootDomain(this.domain, { rip: 0, rsp: STACK_TOP, rsi: 0, rootMfn: this.p2m[Table.l4] });
    this.enter(this.vcpu);
    hv.addressSpaces.setUserRoot(this.vcpu, this.p2m[Table.userL4]);
    for (let vector = 0; vector < 256; vector++) this.vcpu.traps.set(vector, vector & 3, 0xe033, HANDLER);
    const { callbacks } = this.vcpu;
    callbacks.event = callbacks.failsafe = callbacks.syscall = HANDLER;
    this.vcpu.kernelSp = STACK_TOP;
    hv.unpauseDomain(this.domain);
  }

  get domid(): number {
    return this.domain.domid;
  }

  private layOut(): void {
    const { u8 } = this.hv.mmu.memory;
    const code = this.hv.mmu.frames.hostAddress(this.p2m[Page.code]);
    // jmp $ everywhere that an entry point may be, and at 0x100 the instructions that `touch` runs.
    for (const at of [0, 2, HANDLER]) u8.set([0xeb, 0xfe], code + at);
    INSTRUCTIONS.forEach((bytes, i) => {
      u8.set(bytes, code + 0x100 + 16 * i);
    });
    for (let page = 0; page < Page.end; page++) this.poke(Table.l1, page, page, page >= Page.secrets ? 0x25 : 0x27);
    this.poke(Table.l2, 0, Table.l1, 0x27);
    this.poke(Table.l3, 0, Table.l2, 0x27);
    for (const root of [Table.l4, Table.userL4]) this.poke(root, 0, Table.l3, 0x27);
    this.poke(Table.otherL4, 1, Table.otherL3, 0x27);
    this.poke(Table.otherL4, 0, Table.l3, 0x27);
    this.poke(Table.otherL3, 0, Table.otherL2, 0x27);
    this.poke(Table.spareL3, 3, Table.spareL2, 0x27);
    this.poke(Table.otherL2, 0, Table.otherL1, 0x27);
    this.poke(Table.spareL2, 0, Table.spareL1, 0x27);
    for (let i = 0; i < 12; i++) this.poke(Table.otherL1, i, Page.data + i, 0x25);
    for (let i = 0; i < 12; i++) this.poke(Table.spareL1, i, Page.data + 12 + i, 0x25);
  }

  private poke(table: number, index: number, target: number, flags: number): void {
    const at = (this.hv.mmu.frames.hostAddress(this.p2m[table]) >>> 2) + 2 * index;
    this.hv.mmu.memory.u32[at] = ((this.p2m[target] << 12) | flags) >>> 0;
  }

  /** Frames that the domain owns now; secrets are left out, so that no random choice of its own gives them away. */
  refresh(): void {
    const { frames } = this.hv.mmu;
    const secrets = new Set(this.p2m.slice(Page.secrets, Page.tables));
    this.pool = [];
    for (let mfn = frames.nextOwned(this.domid); mfn >= 0; mfn = frames.nextOwned(this.domid, mfn + 1)) {
      if (!secrets.has(mfn)) this.pool.push(mfn);
    }
  }

  get secrets(): number[] {
    return this.p2m.slice(Page.secrets, Page.tables);
  }

  /** Own frames of a type, PageType; empty if there are none. */
  ofType(type: number): number[] {
    const { frames } = this.hv.mmu;
    return this.pool.filter((mfn) => frames.type[mfn] === type);
  }

  /** Own pages that were laid out as tables of a level, or are such tables. */
  tables(level: number): number[] {
    const roles = ROLE_LEVELS.flatMap((of, i) => (of === level ? [this.p2m[Page.tables + i]] : []));
    return [...roles, ...this.ofType(level)];
  }

  /** An entry whose loss would end the guest's working life: drawn seldom. */
  isVital(table: number, index: number): boolean {
    const { p2m } = this;
    if (table === p2m[Table.l1]) return index < VITAL_PAGES;
    return index === 0 && [Table.l2, Table.l3, Table.l4, Table.userL4].some((role) => p2m[role] === table);
  }

  /** Starts over with the pages for arguments. */
  beginStep(): void {
    this.cursor = this.draw.below(64) * 8;
  }

  /** Writes a record for a hypercall where the guest can; its address, or NaN when there is no room. */
  put(bytes: Uint8Array): number {
    if (this.cursor + bytes.length > ARGS_BYTES) this.cursor = 0;
    const va = Page.args * 4096 + this.cursor;
    this.cursor += Math.ceil(bytes.length / 8) * 8;
    this.hv.mmu.guest.copyOut(this.vcpu.guestTable, va, bytes);
    return va;
  }

  read(va: number, length: number): DataView {
    const bytes = new Uint8Array(length);
    this.hv.mmu.guest.copyIn(this.vcpu.guestTable, va, bytes);
    return new DataView(bytes.buffer);
  }

  /** A store of eight bytes to an own frame that the guest could have mapped writable; false if it could not. */
  store(mfn: number, offset: number, word: Word): boolean {
    const { frames, memory } = this.hv.mmu;
    if (frames.owner[mfn] !== this.domid || (frames.flags[mfn] & FrameFlags.allocated) === 0) return false;
    if (frames.type[mfn] !== PageType.none && frames.type[mfn] !== PageType.writable) return false;
    frames.noteHostWrite(mfn, offset & 0xff8, 8);
    const at = (frames.hostAddress(mfn) + (offset & 0xff8)) >>> 2;
    memory.u32[at] = word.lo;
    memory.u32[at + 1] = word.hi;
    return true;
  }

  /** Can the guest still run and hand over arguments? */
  get isHealthy(): boolean {
    if (this.domain.state !== "running" || this.vcpu.guestTable === 0) return false;
    const { guest } = this.hv.mmu;
    const root = this.vcpu.guestTable;
    for (let page = Page.code; page < Page.areas; page++) if (guest.readU8(root, page * 4096) < 0) return false;
    return guest.translate(root, Page.stack * 4096, 1) !== 0 && guest.translate(root, Page.args * 4096, 1) !== 0;
  }

  private enter(vcpu: Vcpu): void {
    this.vcpu = vcpu;
    this.hv.load(vcpu);
    this.hv.addressSpaces.enter(vcpu);
  }

  /**
   * A vcpu of the guest gets the processor, as the run loop does it: unfinished page-table work first, then pending events.
   * @returns false if it cannot act now
   */
  resume(): boolean {
    const { hv, draw } = this;
    const up = this.domain.vcpus.filter((vcpu) => vcpu.initialised && !vcpu.down && vcpu.guestTable !== 0);
    if (up.length === 0 || this.domain.state !== "running") return false;
    const vcpu = draw.pick(up);
    this.enter(vcpu);
    hv.wake(vcpu);
    const { types } = hv.mmu;
    if (types.hasWork(this.domid) && types.continueWork(this.domid, TABLE_WORK) !== 0) return false;
    if (vcpu.infoHost !== 0 && draw.oneIn(2)) hv.mmu.memory.u8[vcpu.infoHost + 1] = 0;
    if (hasPending(hv, vcpu)) deliverPending(hv, vcpu);
    if (vcpu.alive && !vcpu.kernelMode) handleExit(hv, vcpu, ExitReason.SYSCALL);
    return vcpu.alive && vcpu.kernelMode;
  }

  /** A hypercall that was left half-way by this vcpu, if its registers still say so. */
  unfinished(): Call | undefined {
    const call = this.inFlight.get(this.vcpu);
    this.inFlight.delete(this.vcpu);
    return call !== undefined && this.hv.regs.rip === 0 ? call : undefined;
  }

  /** Makes a hypercall from registers, entered once; the result, or undefined when it wants to be continued. */
  make(call: Call): number | undefined {
    const { regs } = this.hv;
    regs.rip = 0;
    regs.setNumber(4, STACK_TOP);
    regs.setNumber(0, call.number);
    ARGUMENTS.forEach((gpr, i) => {
      const arg = call.args[i] ?? 0;
      const { lo, hi } = typeof arg === "number" ? wordOf(arg) : arg;
      regs.set(gpr, lo | 0, hi | 0);
    });
    return this.proceed(call);
  }

  /** Enters a hypercall (again). */
  proceed(call: Call): number | undefined {
    const { hv, vcpu } = this;
    const { regs } = hv;
    handleExit(hv, vcpu, ExitReason.SYSCALL);
    if (!vcpu.alive || !hv.isLoaded(vcpu)) return 0;
    if (regs.rip === 0) {
      this.inFlight.set(vcpu, call);
      return undefined;
    }
    const isReturn = regs.rip === 2;
    const result = isReturn ? regs.hi(0) * 2 ** 32 + (regs.lo(0) >>> 0) : 0;
    regs.rip = 0;
    return result;
  }

  /** Runs one load or store of the guest's own on an address; the name of the exit. */
  touch(address: Word, value: Word): string {
    const { hv, vcpu, draw } = this;
    const { regs } = hv;
    const which = draw.below(INSTRUCTIONS.length);
    regs.rip = 0x100 + 16 * which;
    regs.setNumber(4, STACK_TOP);
    regs.set(7, address.lo | 0, address.hi | 0);
    regs.set(6, draw.below(4096), 0);
    regs.set(0, value.lo | 0, value.hi | 0);
    regs.set(1, 1 + draw.below(3), 0);
    const reason = hv.processor.run(1);
    if (reason !== ExitReason.BUDGET) handleExit(hv, vcpu, reason);
    if (hv.isLoaded(vcpu) && vcpu.alive) regs.rip = 0;
    return Object.entries(ExitReason).find(([, code]) => code === reason)?.[0] ?? String(reason);
  }
}

/** At [rdi]: loads, stores, locked and repeated ones, pushes, SSE, an x87 image. */
const INSTRUCTIONS = [
  [0x48, 0x89, 0x07],
  [0x48, 0x8b, 0x1f],
  [0x88, 0x07],
  [0x89, 0x07],
  [0x48, 0x87, 0x07],
  [0xf0, 0x48, 0x0f, 0xb1, 0x07],
  [0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01],
  [0xf3, 0x48, 0xa5],
  [0xf3, 0xaa],
  [0xff, 0x37],
  [0x0f, 0xae, 0x07],
  [0x0f, 0x11, 0x07],
  [0xff, 0x17],
  [0x0f, 0x01, 0x3f],
  [0xf0, 0x0f, 0xc7, 0x0f],
];
