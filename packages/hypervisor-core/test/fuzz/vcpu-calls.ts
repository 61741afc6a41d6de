import { type Word, wordOf } from "./draw.ts";
import { type Call, HANDLER, Page, Table } from "./pv-guest.ts";
import { RecordBytes } from "./record.ts";
import type { Values } from "./values.ts";

function handler(v: Values): Word {
  return v.guest.draw.oneIn(30) ? v.address() : wordOf(HANDLER);
}

export function setTrapTable(v: Values): Call {
  const { draw, guest } = v;
  const count = draw.count(256);
  const record = new RecordBytes(16 * (count + 1));
  for (let i = 0; i < count; i++) {
    record
      .u8(16 * i, draw.below(256))
      .u8(16 * i + 1, draw.below(8))
      .u16(16 * i + 2, draw.pick([0xe033, 0xe030, 0x10, 0, 0xffff]));
    record.u64(16 * i + 8, handler(v));
  }
  return { name: "set_trap_table", number: 0, args: [draw.oneIn(100) ? 0 : v.pointer(guest.put(record.bytes))] };
}

export function callbackOp(v: Values): Call {
  const { draw, guest } = v;
  const record = new RecordBytes(16).u16(0, draw.below(9)).u16(2, draw.below(4)).u64(8, handler(v));
  return {
    name: "callback_op",
    number: 30,
    args: [
      draw.weighted([
        [8, 0],
        [1, 1],
        [1, draw.below(8)],
      ]),
      v.pointer(guest.put(record.bytes)),
    ],
  };
}

/** A context for a vcpu that nobody has started: mostly one that could run. */
function context(v: Values): Uint8Array {
  const { draw, guest } = v;
  const record = new RecordBytes(5168);
  record.u64(512, wordOf(draw.pick([0, 4, 5, 0x3f, draw.u32()])));
  record
    .u64(648, handler(v))
    .u16(656, draw.pick([0xe033, 0x10, 0]))
    .u64(664, wordOf(draw.pick([0x202, 0x3202, draw.u32()])));
  record.u64(672, wordOf((Page.stack + 1) * 4096)).u16(680, draw.pick([0xe02b, 0x18, 0]));
  for (let i = 0; i < 256; i++)
    record
      .u8(720 + 16 * i, i)
      .u8(721 + 16 * i, i & 3)
      .u16(722 + 16 * i, 0xe033)
      .u64(728 + 16 * i, handler(v));
  if (draw.oneIn(6)) record.u64(4816, v.address()).u64(4824, wordOf(draw.pick([0, 16, 8192, 8193])));
  if (draw.oneIn(4)) {
    record.u64(4832, wordOf(v.frame())).u64(4960, wordOf(draw.pick([0, 16, 512, 7168, 8000])));
  }
  record.u64(4968, wordOf(0xe02b)).u64(4976, wordOf((Page.stack + 1) * 4096));
  const root = draw.oneIn(5) ? v.frame() : guest.p2m[Table.l4];
  const user = draw.oneIn(3) ? v.frame() : draw.pick([0, guest.p2m[Table.userL4]]);
  record.u64(4984 + 24, v.machineAddress(root, draw.oneIn(12) ? draw.below(4096) : 0));
  record.u64(4984 + 8, v.machineAddress(user, user === 0 ? 0 : 1));
  for (let i = 0; i < 8; i++) if (draw.oneIn(6)) record.u64(5048 + 8 * i, v.u64());
  record
    .u64(5112, handler(v))
    .u64(5120, handler(v))
    .u64(5128, handler(v))
    .u64(5136, wordOf(draw.below(64)));
  for (const at of [5144, 5152, 5160]) record.u64(at, draw.oneIn(8) ? v.u64() : wordOf(0));
  return record.bytes;
}

const VCPU_NAMES = [
  "initialise",
  "up",
  "down",
  "is_up",
  "get_runstate_info",
  "register_runstate_memory_area",
  "set_periodic_timer",
  "stop_periodic_timer",
  "set_singleshot_timer",
  "stop_singleshot_timer",
  "register_vcpu_info",
  "send_nmi",
  "get_physid",
  "register_vcpu_time_memory_area",
];

/** A point in time: past, soon, far. */
function time(v: Values): Word {
  const { draw } = v.guest;
  const now = v.guest.hv.now();
  return draw.pick([wordOf(0), wordOf(now + draw.below(100_000)), wordOf(Math.max(0, now - draw.u32())), v.u64()]);
}

export function vcpuOp(v: Values): Call {
  const { draw, guest } = v;
  const command = draw.weighted([
    [4, 0],
    [3, 1],
    [1, draw.oneIn(4) ? 2 : 3],
    [2, 5],
    [2, 8],
    [3, 10],
    [2, 13],
    [5, draw.below(15)],
  ]);
  let argument: Word = wordOf(0);
  if (command === 0) argument = v.pointer(guest.put(context(v)));
  else if (command === 10) {
    const offset = draw.pick([0, 64, 4032, 4033, 4096, 7, 0xffffffff]);
    argument = v.pointer(guest.put(new RecordBytes(16).u64(0, wordOf(v.writableFrame())).u32(8, offset).bytes));
  } else if (command === 5 || command === 13) {
    argument = v.pointer(guest.put(new RecordBytes(8).u64(0, draw.oneIn(8) ? wordOf(0) : v.area(64)).bytes));
  } else if (command === 6) {
    argument = v.pointer(
      guest.put(new RecordBytes(8).u64(0, draw.pick([wordOf(1_000_000), wordOf(10), v.u64()])).bytes),
    );
  } else if (command === 8) {
    argument = v.pointer(guest.put(new RecordBytes(16).u64(0, time(v)).u32(8, draw.below(2)).bytes));
  } else if (command !== 11) argument = v.pointer(guest.put(new Uint8Array(64)));
  return { name: `vcpu_op ${VCPU_NAMES[command] ?? "unknown"}`, number: 24, args: [command, v.vcpuId(), argument] };
}

const SCHED_NAMES = [
  "yield",
  "block",
  "shutdown",
  "poll",
  "remote_shutdown",
  "shutdown_code",
  "watchdog",
  "pin_override",
];

export function schedOp(v: Values): Call {
  const { draw, guest } = v;
  const command = draw.weighted([
    [3, 0],
    [3, 1],
    [5, 3],
    [2, 4],
    [1, 5],
    [3, 6],
    [1, draw.oneIn(25) ? 2 : 7],
    [1, draw.oneIn(4) ? 8 + draw.below(100) : 0],
  ]);
  const count = draw.oneIn(12) ? draw.pick([0, 128, 129, 0xffffffff]) : 1 + draw.below(4);
  const ports = new RecordBytes(4 * Math.min(count, 128));
  for (let i = 0; i < Math.min(count, 128); i++) ports.u32(4 * i, v.port());
  const record = new RecordBytes(24);
  if (command === 3)
    record
      .u64(0, v.pointer(guest.put(ports.bytes)))
      .u32(8, count)
      .u64(16, time(v));
  else if (command === 4) record.u16(0, v.otherDomid()).u32(4, draw.below(8));
  else record.u32(0, draw.below(4)).u32(4, draw.pick([0, 1, 100, 0xffffffff]));
  return {
    name: `sched_op ${SCHED_NAMES[command] ?? "unknown"}`,
    number: 29,
    args: [command, v.pointer(guest.put(record.bytes))],
  };
}

/** The calls that take their arguments in registers, and what a guest may ask of the hypervisor itself. */
export function smallCall(v: Values): Call {
  const { draw, guest } = v;
  const buffer = (bytes: number): Word => v.pointer(guest.put(new Uint8Array(bytes)));
  switch (draw.below(15)) {
    case 0:
      return {
        name: "stack_switch",
        number: 3,
        args: [draw.pick([0xe02b, 0x18, 0]), draw.oneIn(20) ? v.address() : (Page.stack + 1) * 4096],
      };
    case 1:
      return { name: "set_callbacks", number: 4, args: [handler(v), handler(v), handler(v)] };
    case 2:
      return { name: "fpu_taskswitch", number: 5, args: [draw.below(2)] };
    case 3:
      return { name: "set_debugreg", number: 8, args: [draw.below(9), draw.oneIn(2) ? v.address() : v.u64()] };
    case 4:
      return { name: "get_debugreg", number: 9, args: [draw.below(9)] };
    case 5:
      return { name: "set_timer_op", number: 15, args: [time(v)] };
    case 6:
      return { name: "xen_version", number: 17, args: [draw.below(12), buffer(1024)] };
    case 7:
      return { name: "console_io", number: 18, args: [draw.below(3), draw.pick([0, 16, 0xffffffff]), buffer(64)] };
    case 8:
      return {
        name: "vm_assist",
        number: 21,
        args: [draw.below(3), draw.pick([0, 1, 2, 3, 4, 5, 6, 32, 33, 0xffffffff])],
      };
    case 9:
      return {
        name: "set_segment_base",
        number: 25,
        args: [draw.below(5), draw.oneIn(2) ? v.address() : draw.pick([0, 0x2b, 0xe02b, 0x10, 0xc, 0xffff])],
      };
    case 10: {
      const record = new RecordBytes(16)
        .u64(0, draw.oneIn(3) ? v.area(64) : wordOf(draw.below(5)))
        .u32(8, draw.pick([0, 1024, 65536, 65537]));
      return {
        name: "physdev_op",
        number: 33,
        args: [draw.pick([6, 7, 28, draw.below(32)]), v.pointer(guest.put(record.bytes))],
      };
    }
    case 11:
      return {
        name: "nmi_op",
        number: 28,
        args: [draw.below(3), v.pointer(guest.put(new RecordBytes(16).u64(0, handler(v)).bytes))],
      };
    case 12:
      return { name: "sched_op_compat", number: 6, args: [draw.pick([0, 1, 7]), draw.below(5)] };
    case 13:
      return {
        name: "unknown",
        number: draw.pick([7, 11, 16, 19, 27, 31, 34, 35, 36, 37, 38, 39, 40, 41, 42, 48, 55, 56, 127, 0x7fffffff]),
        args: [v.u64(), v.address()],
      };
    default:
      return iret(v);
  }
}

/** The iret hypercall: its frame lies at the stack pointer, which `make` sets, so it is written there. */
function iret(v: Values): Call {
  const { draw, guest } = v;
  const frame = new RecordBytes(72);
  const toUser = draw.oneIn(3);
  const words = [
    0,
    0,
    0,
    draw.pick([0, 0x100]),
    HANDLER,
    toUser ? 0xe033 : 0xe030,
    draw.pick([0x202, 0x2, 0x3202, draw.u32()]),
    (Page.stack + 1) * 4096,
    0xe02b,
  ];
  words.forEach((word, i) => {
    frame.u64(8 * i, wordOf(word));
  });
  if (draw.oneIn(12)) frame.u64(8 * draw.below(9), v.u64());
  guest.hv.mmu.guest.copyOut(guest.vcpu.guestTable, (Page.stack + 1) * 4096, frame.bytes);
  return { name: "iret", number: 23, args: [] };
}
