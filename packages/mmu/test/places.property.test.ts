import fc from "fast-check";
import { expect, it } from "vitest";
import { Access, TLB_READ, TLB_WRITE } from "../src/index.ts";
import { Machine, P, RW, type Tree, US } from "./machine.ts";

const PAGES = 6;
/** Each frame is mapped here a second time, so that it is read at addresses of two L1 indices. */
const ALIAS = 32;
/** The same tables once more, 2 MiB above: another address of the same L1 index. */
const TWIN = 512;

type Op =
  | { kind: "read" | "write"; domain: number; page: number; where: number; value: number }
  | { kind: "hostWrite" | "entryWrite" | "replace" | "code"; domain: number; page: number; value: number }
  | { kind: "merge" }
  | { kind: "share"; domain: number; page: number; to: number; toPage: number };

const domain = fc.constantFrom(0, 1);
const page = fc.nat(PAGES - 1);
const value = fc.integer({ min: 1, max: 0xffff });
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("read" as const, "write" as const),
      domain,
      page,
      where: fc.constantFrom(0, ALIAS, TWIN),
      value,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("hostWrite" as const, "entryWrite" as const, "replace" as const, "code" as const),
      domain,
      page,
      value,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("merge" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("share" as const), domain, page, to: domain, toPage: page }) },
);

/** Two domains whose frames have places of their own, share them, or have none, and what must be read in each frame. */
class World {
  readonly machine = new Machine();
  private readonly trees: Tree[];
  private readonly model: number[][] = [];

  constructor() {
    const { machine } = this;
    this.trees = [1, 2].map((domid) => {
      const tree = machine.tree(domid, PAGES);
      machine.poke(tree.l2, 1, tree.l1, P | RW | US);
      tree.data.forEach((mfn, i) => {
        machine.poke(tree.l1, ALIAS + i, mfn, P | RW | US);
      });
      expect(machine.mmu.types.pin(tree.l4, 4, domid)).toBe(0);
      this.model.push(new Array<number>(PAGES).fill(0));
      return tree;
    });
  }

  run(op: Op): void {
    const { mmu } = this.machine;
    if (op.kind === "merge") {
      for (let round = 0; round < 3; round++) mmu.merger.look(30);
      return;
    }
    const mfn = this.trees[op.domain].data[op.page];
    switch (op.kind) {
      case "read":
        expect(mmu.memory.u32[this.host(op, Access.read) >>> 2]).toBe(this.model[op.domain][op.page]);
        break;
      case "write":
        mmu.memory.u32[this.host(op, Access.write) >>> 2] = this.model[op.domain][op.page] = op.value;
        break;
      case "hostWrite":
        mmu.memory.u32[mmu.frames.hostAddress(mfn) >>> 2] = this.model[op.domain][op.page] = op.value;
        break;
      case "entryWrite":
        expect(mmu.types.modEntry(mfn, 0, op.value, 0, op.domain + 1)).toBe(0);
        this.model[op.domain][op.page] = op.value;
        break;
      case "replace":
        this.replace(op.domain, op.page);
        break;
      case "code":
        mmu.shareCode(mfn);
        mmu.markCode(mfn);
        break;
      case "share":
        if (op.domain === op.to && op.page === op.toPage) return;
        this.replace(op.to, op.toPage);
        mmu.tlb.flushDomain(op.domain + 1);
        mmu.frames.share(mfn, this.trees[op.to].data[op.toPage]);
        this.model[op.to][op.toPage] = this.model[op.domain][op.page];
    }
  }

  /** As generated code does it: the soft TLB's word counts, if it has one. */
  private host({ domain, page, where }: Extract<Op, { where: number }>, access: number): number {
    const { mmu } = this.machine;
    const bank = mmu.tlb.activate(domain + 1, this.trees[domain].l4);
    const va = (page + where) * 4096;
    const entry = (bank + (access === Access.write ? TLB_WRITE : TLB_READ) + ((va >>> 8) & 0xfff0)) >>> 2;
    const { u32 } = mmu.memory;
    if (u32[entry] === va && u32[entry + 1] === 0) return (va + u32[entry + 2]) >>> 0;
    const host = mmu.tlb.fill(bank, va, 0, access);
    expect(host).not.toBe(0);
    return host;
  }

  private replace(domain: number, page: number): void {
    const { machine, trees } = this;
    const { data, l1 } = trees[domain];
    const domid = domain + 1;
    for (const index of [page, ALIAS + page]) expect(machine.mmu.types.modEntry(l1, index, 0, 0, domid)).toBe(0);
    expect(machine.mmu.types.releaseFrame(data[page], domid)).toBe(0);
    data[page] = machine.alloc(domid);
    for (const index of [page, ALIAS + page]) expect(machine.mod(l1, index, data[page], P | RW | US, domid)).toBe(0);
    this.model[domain][page] = 0;
  }

  check(): void {
    const { mmu } = this.machine;
    this.trees.forEach(({ data }, domain) => {
      const words = data.map((mfn) => mmu.memory.u32[mmu.frames.readAddress(mfn) >>> 2]);
      expect(words).toEqual(this.model[domain]);
    });
  }

  end(): void {
    const { mmu } = this.machine;
    expect(mmu.audit()).toEqual([]);
    for (const domid of [1, 2]) expect(mmu.types.releaseDomain(domid)).toBe(0);
    expect(mmu.audit()).toEqual([]);
  }
}

it("frames keep their own bytes, whoever shares a place with them", () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      const world = new World();
      const free = world.machine.mmu.frames.places.free;
      for (const op of ops) {
        world.run(op);
        world.check();
      }
      world.end();
      // All places but those of the eight tables are free, and those are, too.
      expect(world.machine.mmu.frames.places.free).toBe(free + 8);
    }),
    { numRuns: 60 },
  );
});
