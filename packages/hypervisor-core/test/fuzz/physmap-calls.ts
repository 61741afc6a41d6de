import type { Domain } from "../../src/index.ts";
import { wordOf } from "./draw.ts";
import type { Call } from "./pv-guest.ts";
import type { PvhWorld } from "./pvh-world.ts";
import { RecordBytes } from "./record.ts";

const MEMORY_OP = 12;
const SELF = 0x7ff0;
const MOST_FRAMES = 40;

function domidOf(world: PvhWorld): number {
  const { draw } = world;
  return draw.oneIn(8) ? draw.pick([0, 1, 2, 3, 4, 99, 0x7fff]) : SELF;
}

function pointer(world: PvhWorld, domain: Domain, record: RecordBytes): number {
  const { draw } = world;
  const va = world.put(domain, record.bytes);
  return draw.oneIn(20) ? draw.pick([0, 0xfff, world.gfn() * 4096, va + 4090]) : va;
}

function listOf(world: PvhWorld, domain: Domain, count: number): number {
  const list = new RecordBytes(8 * Math.max(1, Math.min(count, MOST_FRAMES)));
  for (let i = 0; i < Math.min(count, MOST_FRAMES); i++) list.u64(8 * i, wordOf(world.gfn()));
  return world.put(domain, list.bytes);
}

/** memory_op: what changes a PVH guest's physical map, and lies about it. */
export function physmapCall(world: PvhWorld, domain: Domain): Call {
  const { draw } = world;
  const make = (name: string, command: number, record: RecordBytes): Call => ({
    name: `memory_op ${name}`,
    number: MEMORY_OP,
    args: [draw.oneIn(40) ? command + 64 * draw.below(50) : command, pointer(world, domain, record)],
  });
  const count = draw.count(MOST_FRAMES);
  switch (draw.below(6)) {
    case 0:
    case 1: {
      const command = draw.pick([0, 1, 1, 6, 6]);
      const record = new RecordBytes(32)
        .u64(0, wordOf(draw.oneIn(20) ? world.gfn() : listOf(world, domain, count)))
        .u64(8, wordOf(draw.oneIn(20) ? draw.pick([2 ** 26, 2 ** 32, 2 ** 52]) : count))
        .u32(16, draw.oneIn(5) ? draw.pick([1, 3, 9, 10, 0xffffffff]) : 0)
        .u16(24, domidOf(world));
      return make(["increase", "decrease"][command] ?? "populate", command, record);
    }
    case 2: {
      const record = new RecordBytes(24)
        .u16(0, domidOf(world))
        .u32(4, draw.oneIn(6) ? draw.below(6) : draw.pick([0, 1]))
        .u64(8, wordOf(draw.oneIn(6) ? draw.pick([-1, 2 ** 31, 0x80000000, world.gfn()]) : draw.below(5)))
        .u64(16, wordOf(world.gfn()));
      return make("add_to_physmap", 7, record);
    }
    case 3: {
      const errors = world.put(domain, new Uint8Array(4 * MOST_FRAMES));
      const record = new RecordBytes(40)
        .u16(0, domidOf(world))
        .u16(2, draw.pick([0, 1, 1, 2]))
        .u16(4, draw.oneIn(20) ? 0xffff : count)
        .u64(8, wordOf(listOf(world, domain, count)))
        .u64(16, wordOf(listOf(world, domain, count)))
        .u64(24, wordOf(errors));
      return make("add_to_physmap_batch", 23, record);
    }
    case 4:
      return make("remove_from_physmap", 15, new RecordBytes(16).u16(0, domidOf(world)).u64(8, wordOf(world.gfn())));
    default:
      return make("others", draw.below(64), new RecordBytes(32).u16(0, domidOf(world)).u64(8, wordOf(world.gfn())));
  }
}
