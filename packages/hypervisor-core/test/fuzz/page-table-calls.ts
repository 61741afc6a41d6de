import { PageType } from "@xen-node/mmu";
import { type Word, wordOf } from "./draw.ts";
import type { Call } from "./pv-guest.ts";
import { RecordBytes } from "./record.ts";
import type { Values } from "./values.ts";

const PREEMPTED = 0x80000000;

/** A list's count argument: at times with the mark of a continued call. */
function countArg(v: Values, count: number): number {
  const { draw } = v.guest;
  if (draw.oneIn(60)) return (count | PREEMPTED) >>> 0;
  if (draw.oneIn(120)) return draw.pick([0x7fffffff, 0xffffffff, 0x10000000]);
  return count;
}

function donePointer(v: Values): Word {
  const { draw, guest } = v;
  if (draw.oneIn(3)) return wordOf(0);
  return v.pointer(guest.put(new Uint8Array(4)));
}

function foreignArg(v: Values): number {
  const { draw } = v.guest;
  const table = draw.oneIn(10) ? v.otherDomid() + 1 : 0;
  return ((table << 16) | v.domid()) >>> 0;
}

/** mmu_update: entries of all levels, machine-to-physical entries, raw words, and commands that do not exist. */
export function mmuUpdate(v: Values): Call {
  const { draw, guest } = v;
  const count = draw.count(600);
  const record = new RecordBytes(16 * count);
  for (let i = 0; i < count; i++) {
    const kind = draw.below(20);
    if (kind < 2) {
      const mfn = v.frame();
      record.u64(16 * i, v.machineAddress(mfn, 1)).u64(16 * i + 8, wordOf(draw.pick([0, 7, draw.u32(), 2 ** 40])));
      continue;
    }
    const level = kind < 12 ? 1 : 2 + draw.below(3);
    const table = kind === 19 ? v.frame() : v.table(level);
    const command = draw.weighted([
      [12, 0],
      [5, 2],
      [1, draw.below(8)],
    ]);
    record.u64(16 * i, v.machineAddress(table, v.entryIndex(table) * 8 + command)).u64(16 * i + 8, v.entry(level));
  }
  return {
    name: "mmu_update",
    number: 1,
    args: [v.pointer(guest.put(record.bytes)), countArg(v, count), donePointer(v), foreignArg(v)],
  };
}

const MMUEXT_NAMES = [
  "pin_l1",
  "pin_l2",
  "pin_l3",
  "pin_l4",
  "unpin",
  "new_baseptr",
  "tlb_flush_local",
  "invlpg_local",
  "tlb_flush_multi",
  "invlpg_multi",
  "tlb_flush_all",
  "invlpg_all",
  "flush_cache",
  "set_ldt",
  "set_ldt_14",
  "new_user_baseptr",
  "clear_page",
  "copy_page",
  "flush_cache_global",
  "mark_super",
  "unmark_super",
];
const MMUEXT_COMMANDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

function mmuextOperation(v: Values, record: RecordBytes, at: number): string {
  const { draw, guest } = v;
  const command = draw.weighted([
    [4, 0],
    [4, 1],
    [4, 2],
    [6, 3],
    [14, 4],
    [6, 5],
    [6, 15],
    [4, 13],
    [4, 16],
    [4, 17],
    [1, draw.below(24)],
    [3, draw.pick(MMUEXT_COMMANDS)],
  ]);
  let first: Word = wordOf(v.frame());
  let second: Word = wordOf(0);
  if (command < 4) first = wordOf(draw.oneIn(6) ? v.frame() : v.table(command + 1));
  else if (command === 4) first = wordOf(draw.oneIn(6) ? v.frame() : v.table(1 + draw.below(4)));
  else if (command === 5) first = wordOf(draw.oneIn(5) ? v.frame() : v.guest.p2m[80]);
  else if (command === 15) first = wordOf(draw.oneIn(5) ? 0 : v.table(4));
  else if (command === 13) {
    first = draw.oneIn(4) ? v.address() : wordOf((8 + draw.below(64)) * 4096);
    second = wordOf(draw.pick([0, 1, 16, 512, 8192, 8193]));
  } else if (command === 16) first = wordOf(v.writableFrame());
  else if (command === 17) {
    first = wordOf(v.writableFrame());
    second = wordOf(v.frame());
  } else if (command === 8 || command === 9) second = v.pointer(guest.put(new Uint8Array(8)));
  else if (command === 7 || command === 11) first = v.address();
  record
    .u32(at, command)
    .u64(at + 8, first)
    .u64(at + 16, second);
  return MMUEXT_NAMES[command] ?? "unknown";
}

/** mmuext_op: one operation mostly, so that its own outcome is counted. */
export function mmuextOp(v: Values): Call {
  const { draw, guest } = v;
  const count = draw.oneIn(3) ? draw.count(80) : 1;
  const record = new RecordBytes(24 * count);
  let name = "list";
  for (let i = 0; i < count; i++) name = mmuextOperation(v, record, 24 * i);
  const foreign = draw.oneIn(12) ? v.domid() : 0x7ff0;
  return {
    name: `mmuext_op ${count === 1 ? name : "(list)"}`,
    number: 26,
    args: [v.pointer(guest.put(record.bytes)), countArg(v, count), donePointer(v), foreign],
  };
}

/** update_va_mapping, also by its name for other domains. */
export function updateVaMapping(v: Values): Call {
  const { draw, guest } = v;
  const page = draw.oneIn(3) ? 8 + draw.below(88) : 96 + draw.below(64);
  const va = draw.oneIn(6) ? v.address() : wordOf(page * 4096);
  const flags = draw.oneIn(4)
    ? draw.pick([1, 2, 4, 6, 3, 7])
    : draw.oneIn(12)
      ? guest.put(new Uint8Array(8)) + draw.below(3)
      : 0;
  const other = draw.oneIn(10);
  return {
    name: other ? "update_va_mapping_otherdomain" : "update_va_mapping",
    number: other ? 22 : 14,
    args: [va, v.entry(1), flags, v.domid()],
  };
}

/** A descriptor: segments of several kinds, gates, and noise. */
function descriptor(v: Values): Word {
  const { draw } = v.guest;
  return draw.pick<Word>([
    { lo: 0x0000ffff, hi: 0x00affb00 },
    { lo: 0x0000ffff, hi: 0x00cff300 },
    { lo: 0, hi: 0 },
    { lo: draw.u32(), hi: draw.u32() },
    { lo: 0xe0330800, hi: 0x0000ec00 | (draw.below(4) << 13) },
    { lo: 0x0000ffff, hi: 0x00cf9a00 },
    { lo: 0x00000067, hi: 0x00008900 },
  ]);
}

/** set_gdt with frames that are, or are not, fit to be one. */
export function setGdt(v: Values): Call {
  const { draw, guest } = v;
  const entries = draw.pick([0, 8, 16, 512, 513, 1024, 7168, 7169, 0xffffffff]);
  const frames = Math.min(16, Math.ceil(entries / 512));
  const record = new RecordBytes(8 * frames);
  for (let i = 0; i < frames; i++) {
    const mfn = draw.oneIn(5) ? v.frame() : v.typed(draw.pick([PageType.none, PageType.segDesc, PageType.writable]));
    if (draw.oneIn(3)) for (let at = 0; at < 8; at++) guest.store(mfn, at * 8, descriptor(v));
    record.u64(8 * i, wordOf(mfn));
  }
  return { name: "set_gdt", number: 2, args: [v.pointer(guest.put(record.bytes)), entries] };
}

export function updateDescriptor(v: Values): Call {
  const { draw } = v.guest;
  const mfn = draw.oneIn(4) ? v.frame() : v.typed(draw.pick([PageType.segDesc, PageType.writable, PageType.none]));
  const offset = draw.oneIn(12) ? draw.below(4096) : draw.below(512) * 8;
  return { name: "update_descriptor", number: 10, args: [v.machineAddress(mfn, offset), descriptor(v)] };
}
