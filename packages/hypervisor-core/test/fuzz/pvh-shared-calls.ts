import type { Domain } from "../../src/index.ts";
import { type Word, wordOf } from "./draw.ts";
import type { Call } from "./pv-guest.ts";
import type { PvhWorld } from "./pvh-world.ts";

const RECORD_BYTES = 128;
/** Hypercalls of PVH guests, console and domctl among them; memory_op has its own cases. */
const NUMBERS = [12, 13, 17, 18, 20, 21, 24, 29, 32, 34, 35, 36, 40];
const GRANT_TABLE_OP = 20;
const SCHED_OP = 29;

/** A number that some call takes for something: a small one, a frame, an address, any. */
function value(world: PvhWorld, pointer: number): Word {
  const { draw } = world;
  return draw.pick([
    wordOf(draw.below(16)),
    wordOf(draw.below(64)),
    wordOf(pointer),
    wordOf(world.gfn()),
    wordOf(world.gfn() * 4096 + draw.below(4096)),
    wordOf(draw.pick([0x7ff0, -1, 2 ** 31, 2 ** 32])),
    { lo: draw.u32(), hi: draw.u32() },
  ]);
}

/** Any hypercall with an argument record of anything. */
export function sharedNativeCall(world: PvhWorld, domain: Domain): Call {
  const { draw } = world;
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  const somewhere = world.put(domain, new Uint8Array(RECORD_BYTES));
  for (let at = 0; at < RECORD_BYTES; at += 4) {
    const { lo, hi } = value(world, somewhere);
    view.setUint32(at, lo, true);
    if (draw.oneIn(2) && at + 4 < RECORD_BYTES) view.setUint32((at += 4), hi, true);
  }
  const pointer = world.put(domain, bytes);
  const number = draw.oneIn(20) ? draw.below(64) : draw.pick(NUMBERS);
  const command = draw.below(number === SCHED_OP ? 2 : 16);
  const argument = draw.oneIn(10) ? value(world, pointer) : wordOf(pointer);
  // grant_table_op, multicall: a count behind or before the record.
  const count = draw.oneIn(20) ? draw.u32() : draw.below(4);
  if (number === 13) return { name: "multicall", number, args: [argument, count] };
  if (number === 24) return { name: "vcpu_op", number, args: [command, draw.below(2), argument] };
  const name = number === GRANT_TABLE_OP ? `grant_table_op ${command}` : `hypercall ${number}`;
  return { name, number, args: [command, argument, count, value(world, pointer)] };
}
