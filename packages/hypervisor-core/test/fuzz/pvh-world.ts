import { CR0, CR3, CR4, CS, ExitReason } from "@xen-node/x86-cpu";
import { type Domain, Hypervisor, VirtualClock } from "../../src/index.ts";
import { Cr0, Cr4, Efer, nativeOf, updatePaging } from "../../src/pvh/paging.ts";
import { handleExit } from "../../src/traps.ts";
import { Canaries } from "./canaries.ts";
import { Draw, type Word, wordOf } from "./draw.ts";
import { physmapCall } from "./physmap-calls.ts";
import type { Call } from "./pv-guest.ts";
import { sharedNativeCall } from "./pvh-shared-calls.ts";
import type { Tally } from "./tally.ts";

/** Guest frames by what they are for; at first linear = physical. */
export const Gfn = { roots: 1, tables: 5, code: 8, args: 10, data: 16, end: 96 } as const;
const [L4, L3, L2, L1] = [Gfn.roots, Gfn.roots + 1, Gfn.roots + 2, Gfn.roots + 3];
const ATTACKERS = [1, 2];
const VICTIM = 3;
const VICTIM_PVH = 4;
const MACHINE_BYTES = 64 * 2 ** 20;
const CODE64 = 0xa09b;
const FLAT_LIMIT = 0xffffffff;
const ARGUMENTS = [7, 6, 2, 10, 8, 9];
/** A list of four thousand million operations is a guest's own affair: it can be preempted, and here it is left. */
const MOST_ENTRIES = 200;
/** At [rdi]: loads, stores, a locked one, repeated ones, a push, a call, an x87 image, INVLPG. */
const INSTRUCTIONS = [
  [0x48, 0x89, 0x07],
  [0x48, 0x8b, 0x1f],
  [0xf0, 0x48, 0x0f, 0xb1, 0x07],
  [0xf3, 0x48, 0xa5],
  [0xf3, 0xaa],
  [0xff, 0x37],
  [0xff, 0x17],
  [0x0f, 0xae, 0x07],
  [0x0f, 0x01, 0x3f],
];

/**
 * Two PVH guests that make any hypercall by VMCALL, change their physical maps, write any page tables and use them; a
 * TypeScript domain and a PVH domain that do nothing and must not notice.
 */
export class PvhWorld {
  readonly hv: Hypervisor;
  readonly draw: Draw;
  readonly faults: string[] = [];
  last = "";
  private readonly canaries: Canaries;
  private readonly guests = new Map<number, Domain>();
  private readonly freeAtFirst: number;
  private cursor = 0;

  constructor(
    seed: number,
    readonly tally: Tally,
  ) {
    this.draw = new Draw(seed);
    this.hv = new Hypervisor({
      memoryBytes: MACHINE_BYTES,
      clock: new VirtualClock({ nsPerInstruction: 10, wallclockMs: 1_700_000_000_000 }),
      translator: false,
      log: {
        log: (level, _subsystem, message) => {
          if (level === "error" && /hypervisor failed|serving it failed|listener failed|handler of port/.test(message))
            this.faults.push(message);
        },
      },
    });
    this.freeAtFirst = this.hv.mmu.frames.freeFrames;
    this.canaries = new Canaries(this.hv);
    this.hv.createDomain({ kind: "typescript", domid: 0, maxPages: 0 });
    const victim = this.hv.createDomain({ kind: "typescript", domid: VICTIM, maxPages: 8 });
    for (let i = 0; i < 8; i++) this.canaries.plant(VICTIM, victim.hypercalls.memory.increaseReservation());
    const quiet = this.createGuest(VICTIM_PVH);
    this.hv.pauseDomain(quiet);
    for (let gfn = Gfn.data; gfn < Gfn.end; gfn++) this.canaries.plant(VICTIM_PVH, quiet.frameOf(gfn));
    for (const domid of ATTACKERS) this.guests.set(domid, this.createGuest(domid));
  }

  private createGuest(domid: number): Domain {
    const { hv } = this;
    const domain = hv.createDomain({ kind: "pvh", domid, maxPages: Gfn.end + 32, maxGrantFrames: 4 });
    for (let gfn = 0; gfn < Gfn.end; gfn++) domain.physmap?.map(gfn, domain.hypercalls.memory.increaseReservation());
    hv.bootPvhDomain(domain, { entry: 0, startInfo: 0 });
    hv.unpauseDomain(domain);
    return domain;
  }

  /** Host address of a guest frame of the domain's own, 0 if there is none. */
  private host(domain: Domain, gfn: number): number {
    const mfn = domain.frameOf(gfn);
    return mfn < 0 ? 0 : this.hv.mmu.frames.hostAddress(mfn);
  }

  /** What the guest writes to its memory; false if nothing is there. */
  poke(domain: Domain, gfn: number, offset: number, word: Word): boolean {
    const host = this.host(domain, gfn);
    if (host === 0) return false;
    this.hv.mmu.frames.noteHostWrite(domain.frameOf(gfn), offset, 8);
    this.hv.mmu.memory.u32.set([word.lo, word.hi], (host + offset) >>> 2);
    return true;
  }

  /** Puts an argument record where the guest can; its linear address. */
  put(domain: Domain, bytes: Uint8Array): number {
    if (this.cursor + bytes.length > (Gfn.data - Gfn.args) * 4096) this.cursor = 0;
    const va = Gfn.args * 4096 + this.cursor;
    this.cursor += Math.ceil(bytes.length / 8) * 8;
    this.hv.mmu.guest.copyOut(domain.vcpus[0].guestTable, va, bytes);
    return va;
  }

  /** Any number that may stand for a guest frame. */
  gfn(): number {
    const { draw } = this;
    if (!draw.oneIn(6)) return draw.oneIn(10) ? draw.below(Gfn.end) : Gfn.data + draw.below(Gfn.end + 40 - Gfn.data);
    return draw.pick([0xfee00, 0xfffff, 0x100000, 2 ** 27, 2 ** 28 - 1, 2 ** 28, 2 ** 32, 2 ** 40, 2 ** 52 - 1, -1]);
  }

  /** Long mode with tables that map the first gigabyte to itself, by large pages and by small ones. */
  private enter(domain: Domain): boolean {
    const { hv } = this;
    const vcpu = domain.vcpus[0];
    const flags = (gfn: number): number => gfn * 4096 + 0x67;
    const { u32 } = hv.mmu.memory;
    for (let gfn = L4; gfn <= L1; gfn++) {
      const at = this.host(domain, gfn) >>> 2;
      if (at === 0) return false;
      u32.fill(0, at, at + 1024);
      if (gfn < L2) u32[at] = flags(gfn + 1);
      for (let i = 0; gfn === L1 && i < 512; i++) u32[at + 2 * i] = flags(i);
      for (let i = 1; gfn === L2 && i < 512; i++) u32[at + 2 * i] = i * 0x200000 + 0xe7;
      if (gfn === L2) u32[at] = flags(L1);
      hv.mmu.frames.noteHostWrite(domain.frameOf(gfn), 0, 4096);
    }
    hv.load(vcpu);
    const { regs } = hv;
    regs.u32[CR0 >>> 2] = Cr0.PE | Cr0.ET | Cr0.PG | Cr0.WP;
    regs.u32[CR4 >>> 2] = Cr4.PAE;
    regs.u32[CR3 >>> 2] = L4 * 4096;
    regs.u32[(CR3 >>> 2) + 1] = 0;
    nativeOf(vcpu).efer = Efer.LME | Efer.LMA | Efer.NXE;
    vcpu.kernelMode = true;
    regs.setSegment(CS, 8, 0, FLAT_LIMIT, CODE64);
    updatePaging(hv, vcpu);
    hv.addressSpaces.enter(vcpu);
    hv.mmu.tlb.flushDomain(domain.domid);
    return true;
  }

  /** @returns the domid that acted, -1 for the machine itself */
  step(): number {
    const { draw } = this;
    const domid = draw.pick(ATTACKERS);
    const domain = this.guests.get(domid)!;
    this.last = `domain ${domid} is prepared`;
    if (domain.state !== "running" || domain.vcpus[0].down || !this.enter(domain)) {
      this.renew(domain);
      return domid;
    }
    this.cursor = draw.below(64) * 8;
    const kind = draw.below(10);
    if (kind < 3) this.useTables(domain);
    else {
      const call = kind < 7 ? physmapCall(this, domain) : sharedNativeCall(this, domain);
      this.last = `domain ${domid}: ${call.name}`;
      this.tally.add(call.name, this.make(domain, call));
    }
    return domid;
  }

  /** Makes a hypercall as VMCALL would, until it is done, or for long enough. */
  private make(domain: Domain, call: Call): number | string {
    const { hv } = this;
    const { regs } = hv;
    const vcpu = domain.vcpus[0];
    regs.setRip(Gfn.code * 4096, 0);
    regs.setNumber(0, call.number);
    ARGUMENTS.forEach((gpr, i) => {
      const arg = call.args[i] ?? 0;
      const { lo, hi } = typeof arg === "number" ? wordOf(arg) : arg;
      regs.set(gpr, lo | 0, hi | 0);
    });
    for (let entries = 0; vcpu.alive && hv.isLoaded(vcpu) && regs.rip === Gfn.code * 4096; entries++) {
      if (entries > MOST_ENTRIES) return "left half-way";
      hv.dispatcher.nativeHypercall(vcpu);
    }
    return vcpu.alive && hv.isLoaded(vcpu) ? regs.hi(0) * 2 ** 32 + (regs.lo(0) >>> 0) : 0;
  }

  /** Writes anything into its page tables, and uses them. */
  private useTables(domain: Domain): void {
    const { hv, draw } = this;
    const { regs } = hv;
    const vcpu = domain.vcpus[0];
    this.last = `domain ${domain.domid} uses its tables`;
    const indices = [0, 0, 1, 2, 8, 9, 16, 255, 256, 511];
    for (let n = draw.below(12); n >= 0; n--) {
      const flags = draw.pick([0, 1, 3, 7, 0x67, 0xe7, 0x1e7, 0x87, draw.below(4096)]);
      const entry = draw.oneIn(6) ? { lo: draw.u32(), hi: draw.u32() } : wordOf(this.gfn() * 4096 + flags);
      this.poke(domain, draw.pick([L4, L3, L2, L1, Gfn.tables]), 8 * draw.pick(indices), entry);
    }
    if (draw.oneIn(4)) regs.u32[CR3 >>> 2] = (this.gfn() * 4096) >>> 0;
    updatePaging(hv, vcpu);
    const which = draw.below(INSTRUCTIONS.length);
    const code = this.host(domain, Gfn.code);
    if (code !== 0) hv.mmu.memory.u8.set(INSTRUCTIONS[which], code);
    hv.mmu.frames.noteHostWrite(domain.frameOf(Gfn.code), 0, 16);
    const address = (): Word => {
      const slot = draw.pick(indices);
      const va = slot * 2 ** 39 + draw.pick(indices) * 2 ** 30 + draw.pick(indices) * 2 ** 21 + draw.below(0x20000) * 8;
      return draw.oneIn(3) ? wordOf(this.gfn() * 4096 + draw.below(4096)) : wordOf(slot >= 256 ? va - 2 ** 48 : va);
    };
    regs.setRip(Gfn.code * 4096, 0);
    for (const gpr of [4, 6, 7]) {
      const { lo, hi } = address();
      regs.set(gpr, lo | 0, hi | 0);
    }
    regs.set(1, 1 + draw.below(4), 0);
    for (let i = 0; i < 3 && vcpu.alive && hv.isLoaded(vcpu); i++) {
      const reason = hv.processor.run(1);
      if (reason !== ExitReason.BUDGET) handleExit(hv, vcpu, reason);
      this.tally.add("own instruction", String(reason));
    }
  }

  private renew(domain: Domain): void {
    const { domid } = domain;
    this.last = `domain ${domid} is destroyed`;
    this.tally.add("renewed", domain.state);
    this.hv.destroyDomain(domain);
    for (let i = 0; i < 200 && domain.state !== "destroyed"; i++) this.hv.runSlice(1000);
    if (domain.state === "destroyed") this.guests.set(domid, this.createGuest(domid));
  }

  violations(actor: number, deep: boolean): string[] {
    const problems = [...this.faults, ...this.canaries.changes(actor), ...this.hv.auditFrames()];
    if (deep) for (const domain of this.guests.values()) problems.push(...this.canaries.leaks(domain));
    return problems;
  }

  finishAll(): string[] {
    this.last = "all domains end";
    for (const domain of [...this.hv.domains.values()]) this.hv.destroyDomain(domain);
    for (let i = 0; i < 1000 && this.hv.domains.size > 0; i++) this.hv.runSlice(10_000);
    const problems = [...this.faults, ...this.hv.auditFrames()];
    const { freeFrames } = this.hv.mmu.frames;
    if (this.hv.domains.size > 0) problems.push(`${this.hv.domains.size} domains are never destroyed`);
    if (freeFrames !== this.freeAtFirst) problems.push(`${freeFrames} frames are free, not ${this.freeAtFirst}`);
    return problems;
  }
}
