import { wordOf } from "./draw.ts";
import type { Call } from "./pv-guest.ts";
import { RecordBytes } from "./record.ts";
import type { Tally } from "./tally.ts";
import type { Values } from "./values.ts";

const EVENT_NAMES = [
  "bind_interdomain",
  "bind_virq",
  "bind_pirq",
  "close",
  "send",
  "status",
  "alloc_unbound",
  "bind_ipi",
  "bind_vcpu",
  "unmask",
  "reset",
  "init_control",
  "expand_array",
  "set_priority",
];

/** event_channel_op. Ports that come of it join the guest's list, and those that others may bind the world's. */
export function eventChannelOp(v: Values): Call {
  const { draw, guest } = v;
  const command = draw.weighted([
    [6, 0],
    [3, 1],
    [3, 3],
    [8, 4],
    [2, 5],
    [6, 6],
    [3, 7],
    [3, 8],
    [4, 9],
    [1, 11],
    [2, 12],
    [2, 13],
    [1, draw.oneIn(12) ? 10 : draw.below(16)],
  ]);
  const record = new RecordBytes(24);
  let portAt = -1;
  let remote = 0;
  switch (command) {
    case 0: {
      const offer = v.offeredPort();
      record.u16(0, offer.domid).u32(4, offer.port);
      portAt = 8;
      break;
    }
    case 1:
      record.u32(0, draw.oneIn(8) ? draw.below(64) : draw.pick([0, 1, 3, 4])).u32(4, v.vcpuId());
      portAt = 8;
      break;
    case 5:
      record.u16(0, v.domid()).u32(4, v.port());
      break;
    case 6:
      remote = v.otherDomid();
      record.u16(0, draw.oneIn(8) ? v.domid() : 0x7ff0).u16(2, remote);
      portAt = 4;
      break;
    case 7:
      record.u32(0, v.vcpuId());
      portAt = 4;
      break;
    case 8:
      record.u32(0, v.port()).u32(4, v.vcpuId());
      break;
    case 10:
      record.u16(0, v.domid());
      break;
    case 11:
      record
        .u64(0, wordOf(v.writableFrame()))
        .u32(8, draw.pick([0, 8, 4024, 4032, 4096, 7, 0xffffffff]))
        .u32(12, v.vcpuId());
      break;
    case 12:
      record.u64(0, wordOf(v.writableFrame()));
      break;
    case 13:
      record.u32(0, v.port()).u32(4, draw.pick([0, 7, 15, 16, 0xffffffff]));
      break;
    default:
      record.u32(0, v.port());
  }
  const va = guest.put(record.bytes);
  return {
    name: `event_channel_op ${EVENT_NAMES[command] ?? "unknown"}`,
    number: 32,
    args: [command, v.pointer(va)],
    after: (result) => {
      if (result !== 0 || portAt < 0) return;
      const port = guest.read(va, 24).getUint32(portAt, true);
      guest.ports.push(port);
      if (guest.ports.length > 24) guest.ports.shift();
      if (command === 6) v.world.offerPort(guest.domid, port, remote);
    },
  };
}

const GRANT_NAMES = [
  "map",
  "unmap",
  "setup_table",
  "dump_table",
  "transfer",
  "copy",
  "query_size",
  "unmap_and_replace",
  "set_version",
  "get_status_frames",
  "get_version",
  "swap_ref",
];
const RECORD_BYTES = [32, 24, 24, 16, 16, 40, 16, 24, 4, 16, 8, 12, 8];

/** Where a grant is to be mapped: a page of the guest's, or the machine address of an entry. */
function hostAddress(v: Values, containsPte: boolean) {
  const { draw } = v.guest;
  if (containsPte) {
    const table = v.table(1);
    return v.machineAddress(table, v.entryIndex(table) * 8 + (draw.oneIn(20) ? draw.below(8) : 0));
  }
  return draw.oneIn(10) ? v.address() : wordOf((96 + draw.below(48)) * 4096);
}

function grantRecord(v: Values, command: number, record: RecordBytes, at: number): void {
  const { draw, guest } = v;
  if (command === 0) {
    const containsPte = draw.oneIn(4);
    const flags = draw.oneIn(20) ? draw.u32() : draw.pick([2, 2, 6, 6, 3, 7, 1, 10, 14]) | (containsPte ? 16 : 0);
    const offer = v.offeredGrant();
    record
      .u64(at, hostAddress(v, containsPte))
      .u32(at + 8, flags)
      .u32(at + 12, offer.ref)
      .u16(at + 16, offer.domid);
  } else if (command === 1 || command === 7) {
    const known = guest.handles.length > 0 && !draw.oneIn(6) ? draw.pick(guest.handles) : undefined;
    const handle = known?.handle ?? draw.pick([0, 1, 255, 256, 0xffffffff, draw.below(20)]);
    record.u64(
      at,
      known !== undefined && !draw.oneIn(6) ? known.va : draw.oneIn(2) ? wordOf(0) : hostAddress(v, false),
    );
    if (command === 1) record.u64(at + 8, known !== undefined && draw.oneIn(2) ? wordOf(known.mfn * 4096) : wordOf(0));
    else record.u64(at + 8, draw.oneIn(5) ? wordOf(0) : wordOf((8 + draw.below(90)) * 4096));
    record.u32(at + 16, handle);
  } else if (command === 5) {
    const flags = draw.oneIn(12) ? draw.below(8) : draw.pick([0, 1, 2, 3]);
    const side = (start: number, byGrant: boolean): void => {
      const offer = v.offeredGrant();
      record.u64(start, wordOf(byGrant ? offer.ref : v.frame())).u16(start + 8, byGrant ? offer.domid : v.domid());
      record.u16(start + 10, draw.pick([0, 0, 8, 1, 4095, 4096, 0xffff]));
    };
    side(at, (flags & 1) !== 0);
    side(at + 16, (flags & 2) !== 0);
    record.u16(at + 32, draw.pick([0, 1, 64, 4096, 4097, 0xffff])).u16(at + 34, flags);
  } else if (command === 11) {
    record.u32(at, v.ref()).u32(at + 4, v.ref());
  } else if (command === 8) {
    record.u32(at, draw.below(4));
  } else {
    record.u16(at, v.domid()).u32(at + 4, draw.pick([0, 1, 2, 4, 5, 0xffffffff]));
    if (command === 2) record.u64(at + 16, v.pointer(guest.put(new Uint8Array(64))));
  }
}

const STATUS_AT = [18, 20, 8, -1, -1, 36, 12, 20];

/** grant_table_op. The statuses of its records are counted, which the call's own result says nothing of. */
export function grantTableOp(v: Values, tally: Tally): Call {
  const { draw, guest } = v;
  const command = draw.weighted([
    [8, 0],
    [7, 1],
    [2, 2],
    [6, 5],
    [1, 6],
    [3, 7],
    [2, 11],
    [1, draw.below(14)],
  ]);
  const isList = [0, 1, 5, 7, 11].includes(command);
  const count = isList ? draw.count(64) : draw.oneIn(10) ? draw.below(3) : 1;
  const bytes = RECORD_BYTES[command] ?? 8;
  const record = new RecordBytes(Math.max(bytes, bytes * count));
  for (let i = 0; i < count; i++) grantRecord(v, command, record, bytes * i);
  const va = guest.put(record.bytes);
  const name = `grant_table_op ${GRANT_NAMES[command] ?? "unknown"}`;
  const before = new DataView(record.bytes.buffer);
  return {
    name,
    number: 20,
    args: [command, v.pointer(va), draw.oneIn(80) ? draw.pick([0x7fffffff, 0xffffffff]) : count],
    after: (result) => {
      const statusAt = STATUS_AT[command] ?? -1;
      if (result !== 0 || statusAt < 0) return;
      const answers = guest.read(va, bytes * count);
      for (let i = 0; i < count; i++) {
        const status = answers.getInt16(bytes * i + statusAt, true);
        tally.add(`${name} (record)`, status === 0 ? "okay" : `status ${status}`);
        if (command !== 0 || status !== 0) continue;
        const at = bytes * i;
        guest.handles.push({
          handle: answers.getUint32(at + 20, true),
          va: { lo: before.getUint32(at, true), hi: before.getUint32(at + 4, true) },
          mfn: Math.floor(answers.getUint32(at + 24, true) / 4096) + answers.getUint32(at + 28, true) * 0x100000,
        });
        if (guest.handles.length > 32) guest.handles.shift();
      }
    },
  };
}
