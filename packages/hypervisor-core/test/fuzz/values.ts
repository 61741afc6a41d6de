import { PageType } from "@xen-node/mmu";
import { type Draw, type Word, wordOf } from "./draw.ts";
import { Page, type PvGuest, Table } from "./pv-guest.ts";
import type { FuzzWorld } from "./world.ts";

const DOMID_SELF = 0x7ff0;
const HI_FLAGS = [0, 0, 0, 0, 0x80000000, 0x100000, 0x40000000, 0x7ff00000];
const L1_FLAGS = [0, 1, 3, 5, 5, 7, 7, 0x21, 0x25, 0x27, 0x67, 0x65, 0x107, 0x8f, 0xe65, 0x1e7];
const TABLE_FLAGS = [0, 1, 5, 7, 7, 0x25, 0x27, 0x67, 0x87, 0x107];
/** Entries that tables use; the rest is empty. */
const INDICES = [0, 1, 2, 3, 8, 9, 12, 20, 40, 80, 83, 88, 90, 255, 256, 257, 271, 272, 511];

/** Values that mean something to the hypervisor: knows which are addresses, frames, ports, references and counts. */
export class Values {
  constructor(
    readonly world: FuzzWorld,
    readonly guest: PvGuest,
  ) {}

  get draw(): Draw {
    return this.guest.draw;
  }

  ownFrame(): number {
    return this.draw.pick(this.guest.pool);
  }

  /** An own frame that has the type now, or any own one. */
  typed(type: number): number {
    const all = this.guest.ofType(type);
    return all.length > 0 ? this.draw.pick(all) : this.ownFrame();
  }

  table(level: number): number {
    return this.draw.pick(this.guest.tables(level));
  }

  foreignFrame(): number {
    return this.draw.pick(this.world.framesNotOf(this.guest.domid));
  }

  /** Any number that may be taken for a frame: mostly an own one. */
  frame(): number {
    const { draw, guest } = this;
    const { frames, m2p } = this.world.hv.mmu;
    switch (draw.below(24)) {
      case 0:
      case 1:
      case 2:
        return this.foreignFrame();
      case 3:
        return guest.domain.sharedInfoMfn;
      case 4:
        return draw.pick(this.world.hv.grants.sharedFrames(guest.domid));
      case 5:
        return this.table(1 + draw.below(4));
      case 6:
        return draw.pick([m2p.l3Mfn, 0, 1, frames.firstMfn, frames.firstMfn - 1, frames.endMfn - 1, frames.endMfn]);
      case 7:
        return draw.pick([0x100000, 2 ** 32, 2 ** 32 + guest.pool[0], 2 ** 40 - 1, 2 ** 52 - 1, 2 ** 53 - 1, -1]);
      default:
        return this.ownFrame();
    }
  }

  entryIndex(table: number): number {
    const { draw, guest } = this;
    const index = draw.oneIn(6) ? draw.below(512) : draw.pick(INDICES);
    return guest.isVital(table, index) && !draw.oneIn(150) ? 100 + draw.below(100) : index;
  }

  /** A page-table entry for a table of this level. */
  entry(level: number): Word {
    const { draw } = this;
    if (draw.oneIn(10)) return { lo: 0, hi: 0 };
    if (draw.oneIn(20)) return { lo: draw.u32(), hi: draw.u32() };
    const mfn =
      level === 1
        ? this.frame()
        : draw.weighted([
            [8, this.table(level - 1)],
            [3, this.table(level)],
            [2, this.frame()],
          ]);
    const { lo, hi } = wordOf(mfn * 4096);
    const flags = draw.pick(level === 1 ? L1_FLAGS : TABLE_FLAGS);
    const hiFlags = draw.oneIn(4) ? draw.pick(HI_FLAGS) : 0;
    return { lo: (lo | flags) >>> 0, hi: (hi | hiFlags) >>> 0 };
  }

  /** A machine address within a frame. */
  machineAddress(mfn: number, offset: number): Word {
    const { lo, hi } = wordOf(mfn * 4096);
    return { lo: (lo | offset) >>> 0, hi };
  }

  /** A guest address: of the guest's own pages, of its tables, through linear maps, or where there is nothing. */
  address(): Word {
    const { draw } = this;
    const inPage = draw.oneIn(3) ? draw.pick([0, 8, 0xff8, 0xffc, 0xfff]) : draw.below(512) * 8;
    switch (draw.below(16)) {
      case 0:
        return wordOf(draw.pick([0xffff8000, 0xffff87ff, 0xffff8800, 0x7fff]) * 2 ** 32 + draw.u32() * 1);
      case 1:
        return {
          lo: draw.u32(),
          hi: draw.pick([0xffff8000, 0xffff8001, 0xffff8008, 0xffffffff, 0x8000, 0x7fff, 0x80000000]),
        };
      case 2:
        return wordOf(
          draw.pick([
            -1,
            -8,
            -4096,
            0x7ffffffff000,
            0x7fffffffffff,
            -0x800000000000,
            -0x800000000001,
            -0x780000000000 - 8,
          ]),
        );
      case 3: {
        const slot = (): number => draw.pick(INDICES);
        const l4 = slot();
        const va = l4 * 2 ** 39 + slot() * 2 ** 30 + slot() * 2 ** 21 + slot() * 4096 + inPage;
        return wordOf(l4 >= 256 ? va - 2 ** 48 : va);
      }
      case 4:
      case 5:
      case 6:
        return wordOf((Page.tables + draw.below(12)) * 4096 + this.entryIndex(this.guest.p2m[Page.tables]) * 8);
      case 7:
        return wordOf((Page.end + draw.below(64)) * 4096 + inPage);
      case 8:
        return wordOf(((4 + draw.below(4)) << 21) + draw.below(12) * 4096 + inPage);
      default:
        return wordOf((Page.data + draw.below(Page.tables - Page.data)) * 4096 + inPage);
    }
  }

  /** A pointer to a record, at times to where the guest may not read or write, or over the end of its pages. */
  pointer(va: number): Word {
    const { draw } = this;
    if (!draw.oneIn(24)) return wordOf(va);
    return draw.pick([
      wordOf(Page.areas * 4096 - 4 * draw.below(8)),
      wordOf((Table.l1 + 0) * 4096),
      wordOf(Page.end * 4096 - 8 * draw.below(8)),
      wordOf(0),
      this.address(),
    ]);
  }

  /** An area that the hypervisor will write to as long as it is registered. */
  area(bytes: number): Word {
    const { draw } = this;
    if (draw.oneIn(5)) return this.address();
    return wordOf(Page.areas * 4096 + 8 * draw.below((2 * 4096 - bytes) >>> 3));
  }

  domid(): number {
    const { draw } = this;
    return draw.weighted([
      [10, DOMID_SELF],
      [2, this.guest.domid],
      [6, draw.pick(this.world.domids)],
      [1, draw.pick([0x7ff1, 0x7ff2, 0x7ff3, 0x7ff4, 0x7fff, 0xffff, 0x7fef, 99])],
    ]);
  }

  otherDomid(): number {
    return this.draw.oneIn(8) ? this.domid() : this.draw.pick(this.world.domids);
  }

  port(): number {
    const { draw, guest } = this;
    if (draw.oneIn(12)) return draw.pick([0, 1, 127, 128, 1023, 4095, 4096, 131071, 131072, 0x7fffffff, 0xffffffff]);
    return draw.oneIn(6) ? draw.below(40) : draw.pick(guest.ports);
  }

  vcpuId(): number {
    return this.draw.oneIn(10) ? this.draw.pick([3, 31, 32, 8191, 8192, 0x7fffffff, 0xffffffff]) : this.draw.below(3);
  }

  ref(): number {
    const { draw, guest } = this;
    if (draw.oneIn(12)) return draw.pick([0, 1, 511, 512, 2047, 2048, 0xffffffff, 0x7fffffff]);
    return draw.oneIn(8) ? draw.below(40) : draw.pick(guest.refs);
  }

  /** A port that somebody may have opened for this guest. */
  offeredPort(): { domid: number; port: number } {
    const { draw, world, guest } = this;
    const offers = world.ports.filter(({ grantee }) => grantee === guest.domid || draw.oneIn(6));
    if (offers.length === 0 || draw.oneIn(8)) return { domid: this.otherDomid(), port: this.port() };
    return draw.pick(offers);
  }

  /** A grant that somebody may have made to this guest. */
  offeredGrant(): { domid: number; ref: number } {
    const { draw, world, guest } = this;
    const offers = world.grants.filter(({ grantee }) => grantee === guest.domid || draw.oneIn(6));
    if (offers.length === 0 || draw.oneIn(8)) return { domid: this.otherDomid(), ref: this.ref() };
    return draw.pick(offers);
  }

  u64(): Word {
    const { draw } = this;
    return draw.pick([
      wordOf(0),
      wordOf(1),
      wordOf(draw.u32()),
      { lo: draw.u32(), hi: draw.u32() },
      wordOf(-1),
      { lo: 0, hi: 0x80000000 },
    ]);
  }

  /** A type for a frame in the hands of the guest: what most calls ask for. */
  writableFrame(): number {
    return this.draw.oneIn(6) ? this.frame() : this.typed(PageType.writable);
  }
}
