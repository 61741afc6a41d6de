import { SHUTDOWN_crash } from "@xen-node/xen-abi";
import { type Domain, Hypervisor, VirtualClock } from "../../src/index.ts";
import { Canaries } from "./canaries.ts";
import { Draw, wordOf } from "./draw.ts";
import { memoryOp } from "./memory-calls.ts";
import { mmuextOp, mmuUpdate, setGdt, updateDescriptor, updateVaMapping } from "./page-table-calls.ts";
import { type Call, Page, PvGuest } from "./pv-guest.ts";
import { RecordBytes } from "./record.ts";
import { eventChannelOp, grantTableOp } from "./shared-calls.ts";
import type { Tally } from "./tally.ts";
import { TypedGuest } from "./typed-guest.ts";
import { Values } from "./values.ts";
import { callbackOp, schedOp, setTrapTable, smallCall, vcpuOp } from "./vcpu-calls.ts";

/** What is tried: any hypercall, or those that change page tables and the guests' own stores to them. */
export type FuzzTarget = "hypercalls" | "page-tables";

const ATTACKERS = [1, 2];
const TYPED = 3;
const VICTIM_PV = 4;
const VICTIM_TYPED = 5;
const PASSER_BY = 6;
const MOST_OFFERS = 24;

/**
 * A machine with two PV guests that try everything from several vcpus, a TypeScript domain and Dom0 that call the typed
 * interface, and two domains that do nothing and must not notice.
 */
export class FuzzWorld {
  readonly hv: Hypervisor;
  readonly draw: Draw;
  readonly canaries: Canaries;
  /** Messages of level error: nothing that guests do is one of the hypervisor's. */
  readonly faults: string[] = [];
  ports: { domid: number; port: number; grantee: number }[] = [];
  grants: { domid: number; ref: number; grantee: number }[] = [];
  /** What was done last, for reports. */
  last = "";
  private readonly guests = new Map<number, PvGuest>();
  private readonly values = new Map<number, Values>();
  private typed: TypedGuest[];
  private readonly freeAtFirst: number;

  constructor(
    seed: number,
    readonly target: FuzzTarget,
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
    this.typed = [
      new TypedGuest(this.hv, this.draw, tally, 0, true),
      new TypedGuest(this.hv, this.draw, tally, TYPED, false),
    ];
    for (const domid of ATTACKERS) this.addAttacker(domid);
    this.addVictims();
  }

  get domids(): number[] {
    return [0, ...ATTACKERS, TYPED, VICTIM_PV, VICTIM_TYPED, PASSER_BY];
  }

  private addAttacker(domid: number): void {
    const guest = new PvGuest(this.hv, this.draw, domid);
    for (const mfn of guest.secrets) this.canaries.plant(domid, mfn);
    this.guests.set(domid, guest);
    this.values.set(domid, new Values(this, guest));
    guest.refresh();
  }

  private addVictims(): void {
    const pv = new PvGuest(this.hv, this.draw, VICTIM_PV);
    this.hv.pauseDomain(pv.domain);
    for (const mfn of pv.p2m.slice(Page.data, Page.tables)) this.canaries.plant(VICTIM_PV, mfn);
    const typescript = this.hv.createDomain({ kind: "typescript", domid: VICTIM_TYPED, maxPages: 8 });
    for (let i = 0; i < 4; i++) this.canaries.plant(VICTIM_TYPED, typescript.hypercalls.memory.increaseReservation());
  }

  offerPort(domid: number, port: number, grantee: number): void {
    this.ports.push({ domid, port, grantee });
    if (this.ports.length > MOST_OFFERS) this.ports.shift();
  }

  offerGrant(domid: number, ref: number, grantee: number): void {
    this.grants.push({ domid, ref, grantee });
    if (this.grants.length > MOST_OFFERS) this.grants.shift();
  }

  /** Frames that a domain has no business with: secrets, tables, Xen's. */
  framesNotOf(domid: number): number[] {
    const { frames, m2p } = this.hv.mmu;
    const others = [...this.guests.values()].filter((guest) => guest.domid !== domid);
    return [
      ...this.canaries.of((owner) => owner !== domid),
      ...others.flatMap((guest) => [...guest.p2m.slice(Page.tables), guest.domain.sharedInfoMfn]),
      ...this.hv.grants.sharedFrames(VICTIM_TYPED),
      m2p.l3Mfn,
      frames.endMfn - 1,
    ];
  }

  /** One step of somebody. @returns the domid that acted, -1 for the machine itself */
  step(): number {
    const { draw } = this;
    const actor = draw.below(40);
    if (actor === 0) return this.machineStep();
    if (actor < (this.target === "hypercalls" ? 7 : 2)) {
      const guest = draw.pick(this.typed);
      this.last = `a typed call of domain ${guest.domid}`;
      guest.step(this);
      return guest.domid;
    }
    return this.guestStep(draw.pick(ATTACKERS));
  }

  private guestStep(domid: number): number {
    const guest = this.guests.get(domid)!;
    this.last = `domain ${domid} resumes`;
    if (!guest.resume()) {
      if (guest.domain.state !== "running" || !this.hv.mmu.types.hasWork(domid)) this.renew(guest);
      return domid;
    }
    const left = guest.unfinished();
    if (left !== undefined && !this.draw.oneIn(8)) {
      this.last = `domain ${domid} continues ${left.name}`;
      this.finish(guest, left, guest.proceed(left));
      return domid;
    }
    guest.beginStep();
    const v = this.values.get(domid)!;
    guest.refresh();
    const kind = this.draw.below(12);
    if (kind === 0) this.prepareTables(v);
    else if (kind === 1) this.writeShared(v);
    else if (kind <= (this.target === "page-tables" ? 5 : 2)) {
      this.last = `domain ${domid} touches memory`;
      this.tally.add("own instruction", guest.touch(v.address(), v.entry(1)));
    } else {
      const call = this.draw.oneIn(10) ? this.multicall(v) : this.call(v);
      this.last = `domain ${domid} vcpu ${guest.vcpu.id}: ${call.name}`;
      this.finish(guest, call, guest.make(call));
    }
    if (!guest.isHealthy) this.renew(guest);
    return domid;
  }

  /** Counts a call's result; one that stopped half-way is mostly gone on with, at times left until later. */
  private finish(guest: PvGuest, call: Call, result: number | undefined): void {
    let answer = result;
    let entries = 0;
    while (answer === undefined && !this.draw.oneIn(6)) {
      if (++entries > 10_000) throw new Error(`${call.name} never ends`);
      const { types } = this.hv.mmu;
      if (types.hasWork(guest.domid)) types.continueWork(guest.domid, 65536);
      const left = guest.unfinished();
      if (left === undefined) break;
      answer = guest.proceed(left);
    }
    this.tally.add(call.name, answer ?? "left half-way");
    if (answer !== undefined && guest.domain.state === "running") call.after?.(answer);
  }

  private call(v: Values): Call {
    const pageTables: readonly (readonly [number, (v: Values) => Call])[] = [
      [10, mmuUpdate],
      [14, mmuextOp],
      [8, updateVaMapping],
      [2, setGdt],
      [2, updateDescriptor],
      [4, memoryOp],
      [4, (of) => grantTableOp(of, this.tally)],
    ];
    const others: readonly (readonly [number, (v: Values) => Call])[] = [
      [12, eventChannelOp],
      [12, (of) => grantTableOp(of, this.tally)],
      [5, memoryOp],
      [6, vcpuOp],
      [5, schedOp],
      [2, setTrapTable],
      [2, callbackOp],
      [9, smallCall],
    ];
    return this.draw.weighted(this.target === "page-tables" ? pageTables : [...pageTables, ...others])(v);
  }

  private multicall(v: Values): Call {
    const { draw, guest } = v;
    const calls = Array.from({ length: draw.oneIn(10) ? draw.below(40) : 1 + draw.below(6) }, () => this.call(v));
    const record = new RecordBytes(64 * calls.length);
    calls.forEach((call, i) => {
      record.u64(64 * i, wordOf(draw.oneIn(60) ? 13 : call.number));
      call.args.forEach((arg, n) => {
        record.u64(64 * i + 16 + 8 * n, typeof arg === "number" ? wordOf(arg) : arg);
      });
    });
    return {
      name: "multicall",
      number: 13,
      args: [v.pointer(guest.put(record.bytes)), draw.oneIn(80) ? v.u64() : calls.length],
    };
  }

  /** The guest writes entries into pages that are no tables yet. */
  private prepareTables(v: Values): void {
    const { draw, guest } = v;
    this.last = `domain ${guest.domid} writes to its memory`;
    for (let n = draw.below(12); n >= 0; n--) {
      const level = 1 + draw.below(4);
      guest.store(
        draw.oneIn(3) ? v.ownFrame() : v.table(level),
        draw.pick([0, 8, 16, draw.below(4096)]),
        v.entry(level),
      );
    }
  }

  /** The guest writes to pages that it shares with the hypervisor: its grant table, its shared_info. */
  private writeShared(v: Values): void {
    const { draw, guest } = v;
    const { memory, frames } = this.hv.mmu;
    this.last = `domain ${guest.domid} writes to shared pages`;
    const shared = frames.hostAddress(guest.domain.sharedInfoMfn);
    if (draw.oneIn(3)) {
      memory.u32[(shared + draw.pick([0, 8, 64, 2048 + 4 * draw.below(32), 2560 + 4 * draw.below(32)])) >>> 2] =
        draw.pick([0, 1, 0xffffffff, draw.u32()]);
      return;
    }
    const tables = this.hv.grants.sharedFrames(guest.domid);
    for (let n = draw.below(6); n >= 0; n--) {
      const ref = draw.oneIn(6) ? draw.below(512 * tables.length) : 8 + draw.below(24);
      const entry = (frames.hostAddress(tables[ref >>> 9]) + (ref & 511) * 8) >>> 2;
      const grantee = draw.oneIn(8) ? v.domid() : draw.pick(this.domids);
      const mfn = draw.oneIn(5) ? v.frame() : v.writableFrame();
      const flags = draw.oneIn(6) ? draw.below(0x10000) : draw.pick([0, 1, 1, 1, 5]);
      memory.u32[entry + 1] = mfn >>> 0;
      memory.u32[entry] = ((grantee << 16) | flags) >>> 0;
      guest.refs.push(ref);
      if (guest.refs.length > 24) guest.refs.shift();
      this.offerGrant(guest.domid, ref, grantee);
    }
  }

  /** The machine runs for a while, or a domain comes and goes whose frames others get after it. */
  private machineStep(): number {
    const { hv, draw } = this;
    if (draw.oneIn(4)) {
      this.last = "a domain comes and goes";
      if (hv.domains.has(PASSER_BY)) return -1;
      const domain = hv.createDomain({ kind: "typescript", domid: PASSER_BY, maxPages: 8 });
      for (let i = 0; i < 8; i++) this.canaries.plant(PASSER_BY, domain.hypercalls.memory.increaseReservation());
      this.canaries.forget(PASSER_BY);
      this.destroy(domain);
      return -1;
    }
    this.last = "the machine runs";
    this.runSlice(20_000 + draw.below(40_000));
    return -1;
  }

  private runSlice(ns: number): void {
    this.hv.runSlice(ns);
  }

  private destroy(domain: Domain): void {
    const { domid } = domain;
    this.canaries.forget(domid);
    this.ports = this.ports.filter((offer) => offer.domid !== domid);
    this.grants = this.grants.filter((offer) => offer.domid !== domid);
    this.hv.destroyDomain(domain);
    for (let i = 0; i < 200 && domain.state !== "destroyed"; i++) this.runSlice(1000);
  }

  /** A guest that has crashed, shut down or cut itself off makes room for a new one. */
  private renew(guest: PvGuest): void {
    const { domid, domain } = guest;
    this.tally.add(
      "renewed",
      domain.state === "running" ? "cut off" : domain.shutdownReason === SHUTDOWN_crash ? "crashed" : "shut down",
    );
    this.destroy(domain);
    if (domain.state === "destroyed") {
      this.addAttacker(domid);
      return;
    }
    // Others have its frames mapped, and perhaps it theirs: all let go by ending.
    const typed = this.typed.map(({ domain: other }) => other);
    for (const other of [...[...this.guests.values()].map((of) => of.domain), ...typed]) this.destroy(other);
    for (let i = 0; i < 1000 && this.hv.domains.size > 2; i++) this.runSlice(1000);
    this.typed = typed.map(
      ({ domid: id, privileged }) => new TypedGuest(this.hv, this.draw, this.tally, id, privileged),
    );
    for (const id of ATTACKERS) this.addAttacker(id);
  }

  /** Sentences about what must not be. @param actor who acted last */
  violations(actor: number, deep: boolean): string[] {
    const problems = [...this.faults, ...this.canaries.changes(actor), ...this.hv.auditFrames()];
    if (deep) for (const guest of this.guests.values()) problems.push(...this.canaries.leaks(guest.domain));
    return problems;
  }

  /** Ends all domains: nothing of them may be left. */
  finishAll(): string[] {
    this.last = "all domains end";
    for (const domain of [...this.hv.domains.values()]) this.hv.destroyDomain(domain);
    for (let i = 0; i < 1000 && this.hv.domains.size > 0; i++) this.runSlice(10_000);
    const problems = [...this.faults, ...this.hv.auditFrames()];
    if (this.hv.domains.size > 0) problems.push(`${this.hv.domains.size} domains are never destroyed`);
    const { freeFrames } = this.hv.mmu.frames;
    if (freeFrames !== this.freeAtFirst) problems.push(`${freeFrames} frames are free, not ${this.freeAtFirst}`);
    return problems;
  }
}

/** What the processor, the soft TLB and a thousand frames need. */
const MACHINE_BYTES = 64 * 2 ** 20;
