import fc from "fast-check";
import { expect, it } from "vitest";
import { Access, allocateXenFrame, FrameFlags, PageType, Pte, paeRootEntry, supervisorRoot } from "../src/index.ts";
import { Machine } from "./machine.ts";

// Two hostile domains with two trees each do random things; after every step all invariants must hold, the soft TLB's
// among them. Few frames, few indices and mostly sensible flags let sequences reach deep states.

const DOMAINS = [1, 2];
const INDICES = [0, 1, 2, 3, 256, 271, 272, 428, 511];
const FLAGS = [0, 1, 3, 5, 5, 7, 7, 7, 0x27, 0x67, 0x107, 0x8f, 0x25, 0x18];
const HI = [0, 0, 0, 0, Pte.hiNoExecute, Pte.hiGuestKernel, Pte.hiGrant, 0xfff];
const BUDGETS = [1, 3, 200, 700, 3000, Infinity];

interface Held {
  mfn: number;
  typed: boolean;
}

class Run {
  readonly m = new Machine({}, 5 * 2 ** 20);
  /** The hypervisor's L4 table above the roots of a 32-bit domain. */
  private readonly above: number;
  readonly pool: number[][] = [[], [], []];
  readonly held: Held[] = [];
  readonly grants: { mfn: number; l1: number; index: number; writable: boolean; domid: number }[] = [];

  /** @param pae the second domain is a 32-bit one: its L4 tables become last L2 tables */
  constructor(private readonly pae: boolean) {
    const { mmu } = this.m;
    this.above = allocateXenFrame(mmu.frames);
    if (pae) mmu.types.setPae(2, true);
    for (const domid of DOMAINS) {
      for (let i = 0; i < 2; i++) {
        const t = this.m.tree(domid, 3);
        if (this.isPae(domid)) {
          this.m.poke(t.l4, 0, 0, 0);
          this.m.poke(t.l3, 3, t.l4, Pte.present);
        }
        this.pool[domid].push(t.l4, t.l3, t.l2, t.l1, ...t.data);
      }
      this.pool[domid].push(this.m.alloc(domid));
    }
  }

  private isPae(domid: number): boolean {
    return this.pae && domid === 2;
  }

  /** Makes the domain's first tree an address space. */
  pinFirst(domid: number): number {
    const level = this.isPae(domid) ? 3 : 4;
    return this.m.mmu.types.pin(this.pool[domid][4 - level], level, domid);
  }

  /** Mostly one's own frame, at times another's or nonsense. */
  private frame(domid: number, r: number): number {
    if (r % 17 === 16) return [3, this.m.mmu.m2p.l3Mfn, this.m.mmu.frames.endMfn][r % 3];
    const pool = this.pool[r % 13 === 12 ? 3 - domid : domid];
    return pool[r % pool.length];
  }

  /** A frame of this type, or any if there is none. */
  private typed(domid: number, type: number, r: number): number {
    const { frames } = this.m.mmu;
    const all = this.pool[domid].filter((mfn) => frames.type[mfn] === type);
    return all.length > 0 ? all[r % all.length] : this.frame(domid, r);
  }

  step([op, d, a, b, c]: number[]): void {
    const { mmu } = this.m;
    const { types } = mmu;
    const domid = DOMAINS[d % 2];
    const frame = this.frame(domid, a);
    const target = this.frame(domid, b);
    const index = INDICES[c % INDICES.length];
    const flags = FLAGS[(b + c) % FLAGS.length];
    const hi = HI[(a + c) % HI.length];
    const budget = BUDGETS[c % BUDGETS.length];
    const lo = ((target << 12) | flags) >>> 0;
    switch (op) {
      case 0:
      case 1:
      case 2:
      case 3:
        types.modEntry(frame, index, lo, hi, domid, { preserveAd: c % 3 === 0, workBudget: budget });
        break;
      case 4:
      case 5: {
        // The guest's likeliest wish: the level that fits the frame's place in its tree.
        const level = c % 5 === 0 ? 1 + (b % 5) : 4 - (this.pool[domid].indexOf(frame) % 7);
        types.pin(frame, level, domid, budget);
        break;
      }
      case 6:
        types.unpin(frame, domid, budget);
        break;
      case 7:
        types.continueWork(domid, budget);
        break;
      case 8: {
        const type = c % 3 === 0 ? 1 + (b % 7) : 4 - (this.pool[domid].indexOf(frame) % 7);
        if (types.getPageAndType(frame, type, domid, budget) === 0) this.held.push({ mfn: frame, typed: true });
        break;
      }
      case 9:
        if (types.getPage(frame, domid)) this.held.push({ mfn: frame, typed: false });
        break;
      case 10: {
        const held = this.held.splice(a % (this.held.length + 1), 1)[0];
        if (held?.typed) types.putPageAndType(held.mfn, budget);
        else if (held) types.putPage(held.mfn);
        break;
      }
      case 11:
      case 12:
        if (this.isPae(domid)) this.touchPae(domid, this.typed(domid, PageType.l3, a), b, c);
        else this.touch(domid, this.typed(domid, PageType.l4, a), b, c);
        break;
      case 18:
      case 19: {
        // An entry of a validated upper table: for the next level, for the same one, or gone.
        const level = 2 + (a % 3);
        const table = this.typed(domid, level, a >> 2);
        const child =
          c % 4 === 0 ? this.typed(domid, level, b) : c % 4 === 1 ? target : this.typed(domid, level - 1, b);
        const entry = c % 7 === 6 ? 0 : ((child << 12) | (c % 5 === 0 ? 7 : 0x25)) >>> 0;
        types.modEntry(table, INDICES[c % 4], entry, 0, domid, { workBudget: BUDGETS[b % BUDGETS.length] });
        break;
      }
      case 13:
        if (types.releaseFrame(frame, domid) === 0) {
          const fresh = mmu.frames.alloc(domid);
          const pool = this.pool[domid];
          if (mmu.frames.owner[frame] !== domid || mmu.frames.refCount[frame] === 0 || fresh === frame) {
            pool[pool.indexOf(frame)] = fresh;
          } else {
            pool.push(fresh);
          }
        }
        break;
      case 14:
        this.grant(domid, target, frame, c, (b & 1) === 1);
        break;
      case 15: {
        const grant = this.grants.splice(a % (this.grants.length + 1), 1)[0];
        if (!grant) break;
        // Where the entry cannot be cleared (its table is coming apart, say), the handle stays.
        if (types.clearGrantEntry(grant.l1, grant.index, grant.mfn, grant.writable, grant.domid) !== 0) {
          this.grants.push(grant);
          break;
        }
        if (grant.writable) types.putPageType(grant.mfn);
        types.putPage(grant.mfn);
        break;
      }
      case 16:
        if (mmu.frames.exists(frame) && mmu.frames.owner[frame] === domid) {
          if (c % 2 === 0) mmu.markCode(frame);
          else mmu.unmarkCode(mmu.frames.place[frame]);
        }
        break;
      default:
        types.compareExchangeL1(frame, index, this.m.lo(frame, index), this.m.hi(frame, index), lo, hi, domid);
    }
  }

  /** A vcpu in some validated root reads, writes or executes somewhere; a store writes a page-table entry's image. */
  private touch(domid: number, root: number, b: number, c: number): void {
    const { mmu } = this.m;
    const { frames } = mmu;
    if (frames.type[root] !== PageType.l4 || (frames.flags[root] & FrameFlags.validated) === 0) return;
    if (frames.owner[root] !== domid) return;
    this.access(mmu.tlb.activate(domid, root), domid, b, c);
  }

  /** The same in a PAE root, as its kernel or as a program, by way of the hypervisor's table. */
  private touchPae(domid: number, root: number, b: number, c: number): void {
    const { mmu } = this.m;
    if (mmu.types.getPageAndType(root, PageType.l3, domid) !== 0) return;
    const word = mmu.frames.hostAddress(this.above) / 4;
    mmu.memory.u32.set(paeRootEntry(root), word);
    mmu.tlb.flushL4(this.above);
    for (const space of [supervisorRoot(this.above), this.above]) {
      this.access(mmu.tlb.activate(domid, space), domid, b, c);
      this.check();
    }
    mmu.memory.u32.fill(0, word, word + 2);
    mmu.tlb.flushL4(this.above);
    mmu.types.putPageAndType(root);
  }

  private access(base: number, domid: number, b: number, c: number): void {
    const { mmu } = this.m;
    const pick = (r: number) => BigInt(INDICES[r % INDICES.length]);
    const deep = c % 4 === 0;
    let va = pick(b % 4) << 12n;
    if (deep) va |= (pick(b) << 39n) | (pick(b >> 3) << 30n) | (pick(b >> 6) << 21n);
    va = BigInt.asIntN(48, va);
    const [lo, hi] = [Number(BigInt.asIntN(32, va)), Number(BigInt.asIntN(32, va >> 32n))];
    const host = mmu.tlb.fill(base, lo, hi, [Access.read, Access.write, Access.write, Access.exec][c % 4]);
    if (host !== 0 && (c % 4 === 1 || c % 4 === 2)) {
      mmu.memory.u32[host / 4] = ((this.frame(domid, b) << 12) | FLAGS[c % FLAGS.length]) >>> 0;
    }
  }

  /** A frame of the other domain is mapped, as a grant map does it. */
  private grant(domid: number, anyFrame: number, l1: number, c: number, writable: boolean): void {
    const { types } = this.m.mmu;
    const other = 3 - domid;
    const mfn = this.pool[other][anyFrame % this.pool[other].length];
    if (!types.getPage(mfn, other)) return;
    if (writable && types.getPageType(mfn, PageType.writable, other) !== 0) {
      types.putPage(mfn);
      return;
    }
    const index = INDICES[c % 4];
    const lo = ((mfn << 12) | Pte.present | Pte.user | (writable ? Pte.rw : 0)) >>> 0;
    if (types.storeGrantEntry(l1, index, lo, 0, domid) === 0) {
      this.grants.push({ mfn, l1, index, writable, domid });
    } else {
      if (writable) types.putPageType(mfn);
      types.putPage(mfn);
    }
  }

  finish(): void {
    const { types, frames } = this.m.mmu;
    for (const held of this.held) {
      if (held.typed) types.putPageAndType(held.mfn, 5);
      else types.putPage(held.mfn);
    }
    for (const domid of DOMAINS) while (types.releaseDomain(domid, 150) !== 0) this.check();
    for (const grant of this.grants) {
      if (grant.writable) types.putPageType(grant.mfn);
      types.putPage(grant.mfn);
    }
    this.check();
    expect(DOMAINS.map((domid) => frames.ownedBy(domid))).toEqual([0, 0]);
  }

  check(): void {
    expect(this.m.mmu.audit()).toEqual([]);
  }
}

it.each([
  ["two domains", false],
  ["a domain and a 32-bit one", true],
])("holds its invariants whatever %s do", (_name, pae) => {
  const action = fc.tuple(fc.nat(20), fc.nat(1), fc.nat(4095), fc.nat(4095), fc.nat(4095));
  fc.assert(
    fc.property(fc.array(action, { minLength: 40, maxLength: 120, size: "max" }), (actions) => {
      const run = new Run(pae);
      // Half of the runs start from working address spaces.
      if (actions[0][1] === 0) {
        for (const domid of DOMAINS) expect(run.pinFirst(domid)).toBe(0);
      }
      for (const action of actions) {
        run.step(action);
        run.check();
      }
      run.finish();
    }),
    { numRuns: 40 },
  );
});
