import { PageType } from "@xen-node/mmu";
import { type Word, wordOf } from "./draw.ts";
import type { Call } from "./pv-guest.ts";
import { RecordBytes } from "./record.ts";
import type { Values } from "./values.ts";

const NAMES: Record<number, string> = {
  0: "increase_reservation",
  1: "decrease_reservation",
  6: "populate_physmap",
  11: "exchange",
  9: "memory_map",
  13: "set_memory_map",
  12: "machphys_mapping",
};

function orderOf(v: Values): number {
  const { draw } = v.guest;
  return draw.oneIn(10) ? draw.pick([1, 3, 9, 10, 63, 0xffffffff]) : 0;
}

/** A list of frame or page numbers. */
function numbers(v: Values, count: number, next: () => number): Word {
  const list = new RecordBytes(8 * count);
  for (let i = 0; i < count; i++) list.u64(8 * i, wordOf(next()));
  return v.pointer(v.guest.put(list.bytes));
}

/** A frame to give away: one that is mapped, a table, one that is in no use, or somebody else's. */
function spareFrame(v: Values): number {
  return v.guest.draw.oneIn(3) ? v.frame() : v.typed(PageType.none);
}

function reservation(v: Values, command: number): Call {
  const { draw, guest } = v;
  const count = draw.count(200);
  const list = command === 1 ? numbers(v, count, () => spareFrame(v)) : numbers(v, count, () => draw.below(200));
  const record = new RecordBytes(32)
    .u64(0, command === 0 && draw.oneIn(4) ? wordOf(0) : list)
    .u64(8, draw.oneIn(60) ? v.u64() : wordOf(count))
    .u32(16, orderOf(v))
    .u16(24, draw.oneIn(8) ? v.domid() : 0x7ff0);
  const start = draw.oneIn(20) ? draw.below(count + 2) : 0;
  return {
    name: `memory_op ${NAMES[command]}`,
    number: 12,
    args: [draw.oneIn(80) ? v.u64() : command + start * 64, v.pointer(guest.put(record.bytes))],
  };
}

function exchange(v: Values): Call {
  const { draw, guest } = v;
  const count = draw.count(100);
  const side = (record: RecordBytes, at: number, list: Word): void => {
    record
      .u64(at, list)
      .u64(at + 8, draw.oneIn(40) ? v.u64() : wordOf(count))
      .u32(at + 16, orderOf(v));
    record.u16(at + 24, draw.oneIn(12) ? v.domid() : 0x7ff0);
  };
  const record = new RecordBytes(72);
  side(
    record,
    0,
    numbers(v, count, () => spareFrame(v)),
  );
  side(record, 32, draw.oneIn(10) ? v.address() : numbers(v, count, () => draw.below(200)));
  record.u64(64, draw.oneIn(20) ? v.u64() : wordOf(0));
  return { name: "memory_op exchange", number: 12, args: [11, v.pointer(guest.put(record.bytes))] };
}

/** memory_op, all that a PV guest may ask. */
export function memoryOp(v: Values): Call {
  const { draw, guest } = v;
  const command = draw.weighted([
    [6, 0],
    [7, 1],
    [6, 6],
    [6, 11],
    [2, 9],
    [2, 13],
    [4, draw.below(64)],
  ]);
  if (command === 0 || command === 1 || command === 6) return reservation(v, command);
  if (command === 11) return exchange(v);
  const entries = draw.pick([0, 1, 4, 128, 129]);
  const record = new RecordBytes(32);
  if (command === 13) {
    const map = new RecordBytes(20 * Math.min(entries, 128));
    for (let i = 0; i < Math.min(entries, 128); i++)
      map
        .u64(20 * i, v.u64())
        .u64(20 * i + 8, v.u64())
        .u32(20 * i + 16, 1);
    record
      .u16(0, v.domid())
      .u32(8, entries)
      .u64(16, v.pointer(guest.put(map.bytes)));
  } else if (command === 9) {
    record.u32(0, entries).u64(8, v.pointer(guest.put(new Uint8Array(20 * Math.min(entries, 128)))));
  } else {
    record.u16(0, v.domid()).u64(8, v.u64()).u64(16, v.u64());
  }
  return {
    name: `memory_op ${NAMES[command] ?? "others"}`,
    number: 12,
    args: [command, v.pointer(guest.put(record.bytes))],
  };
}
