import type { GrantCopy, MapGrantRef, UnmapGrantRef } from "@xen-node/grant-tables";
import {
  EFAULT,
  EINVAL,
  ENOSYS,
  GNTST_okay,
  GNTTABOP_copy,
  GNTTABOP_get_status_frames,
  GNTTABOP_get_version,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_set_version,
  GNTTABOP_setup_table,
  GNTTABOP_swap_grant_ref,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_unmap_grant_ref,
} from "@xen-node/xen-abi";
import { isGuestRange } from "../address.ts";
import type { DomainGrantTable } from "../hypercalls/grant-table.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { putU64 } from "../runstate.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallArgs, HypercallHandler } from "./hypercall-args.ts";
import { RESTART } from "./results.ts";

/** Operations that are there, by number: the structures of their records. */
const RECORDS = [
  "gnttab_map_grant_ref",
  "gnttab_unmap_grant_ref",
  "gnttab_setup_table",
  undefined,
  undefined,
  "gnttab_copy",
  "gnttab_query_size",
  "gnttab_unmap_and_replace",
  "gnttab_set_version",
  "gnttab_get_status_frames",
  "gnttab_get_version",
  "gnttab_swap_grant_ref",
] as const;
const UNMAP_BATCH = 32;
const UNMAP_STATUS = 20;

const mapOp: MapGrantRef = { flags: 0, ref: 0, dom: 0 };
const copyOp: GrantCopy = {
  source: { ref: 0, domid: 0, offset: 0 },
  dest: { ref: 0, domid: 0, offset: 0 },
  len: 0,
  flags: 0,
};
const unmapOps: UnmapGrantRef[] = Array.from({ length: UNMAP_BATCH }, () => ({ handle: 0 }));

/** grant_table_op(cmd, records[], count): structures of xen/include/public/grant_table.h. */
export const grantTableOp: HypercallHandler = (hv, vcpu, args) => {
  const cmd = args.u32(0);
  const record = RECORDS[cmd];
  if (record === undefined) {
    hv.logOnce(vcpu.domain, "grant", `grant_table_op ${cmd} is not there: -ENOSYS`);
    return -ENOSYS;
  }
  const bytes = vcpu.domain.abi.structs[record].size;
  const count = args.u32(2);
  if (count > 0x7fffffff) return -EINVAL;
  if (!isGuestRange(args.va(1), count * bytes)) return -EFAULT;
  switch (cmd) {
    case GNTTABOP_unmap_grant_ref:
    case GNTTABOP_unmap_and_replace:
      return unmap(hv, vcpu, args, bytes, count);
    case GNTTABOP_setup_table:
    case GNTTABOP_query_size:
    case GNTTABOP_get_status_frames:
      if (count !== 1) return -EINVAL;
      return single(hv, vcpu, args, cmd, bytes);
    case GNTTABOP_set_version:
    case GNTTABOP_get_version:
      if (count !== 1) return -EINVAL;
      return version(hv, vcpu, args, cmd, bytes);
    default:
      return each(hv, vcpu, args, cmd, bytes, count);
  }
};

function grantsOf(vcpu: Vcpu): DomainGrantTable {
  return vcpu.domain.hypercalls.grantTable as DomainGrantTable;
}

/** map, copy, swap: one record after the other, preemptible between them. */
function each(hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs, cmd: number, bytes: number, count: number): number {
  const { guest } = hv;
  const calls = grantsOf(vcpu);
  let va = args.va(1);
  for (let left = count; left > 0; left--) {
    if (hv.dispatcher.spend()) {
      args.set(1, va);
      args.set(2, left);
      return RESTART;
    }
    if (!guest.fetch(va, bytes)) return -EFAULT;
    const { u32, u16 } = guest;
    if (cmd === GNTTABOP_map_grant_ref) {
      mapOp.hostAddrLo = u32[0];
      mapOp.hostAddrHi = u32[1];
      mapOp.flags = u32[2];
      mapOp.ref = u32[3];
      mapOp.dom = u16[8];
      calls.map(mapOp);
      // The record is the guest's page: read it again, a grant may have been mapped over it.
      if (!guest.fetch(va, bytes)) return -EFAULT;
      guest.view.setInt16(18, mapOp.status ?? 0, true);
      if (mapOp.status === GNTST_okay) {
        guest.u32[5] = mapOp.handle ?? 0;
        putU64(guest.view, 24, (mapOp.mfn ?? 0) * 4096);
      }
    } else if (cmd === GNTTABOP_copy) {
      const { words, structs } = vcpu.domain.abi;
      const { offsets } = structs.gnttab_copy;
      const dest = offsets["dest.domid"];
      // The reference or frame comes first, one word wide.
      copyOp.source.ref = u32[0];
      copyOp.source.domid = u16[words.bytes >>> 1];
      copyOp.source.offset = u16[(words.bytes >>> 1) + 1];
      copyOp.dest.ref = u32[(dest - words.bytes) >>> 2];
      copyOp.dest.domid = u16[dest >>> 1];
      copyOp.dest.offset = u16[(dest >>> 1) + 1];
      copyOp.len = u16[offsets.len >>> 1];
      copyOp.flags = u16[offsets.flags >>> 1];
      calls.copyOne(copyOp);
      guest.view.setInt16(offsets.status, copyOp.status ?? 0, true);
    } else if (cmd === GNTTABOP_swap_grant_ref) {
      guest.view.setInt16(8, hv.grants.swapGrantRef(vcpu.domain.domid, u32[0], u32[1]), true);
    }
    if (!guest.store(va, bytes)) return -EFAULT;
    va += bytes;
  }
  return 0;
}

function unmap(hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs, bytes: number, count: number): number {
  const { guest } = hv;
  const replace = args.u32(0) === GNTTABOP_unmap_and_replace;
  let va = args.va(1);
  let left = count;
  while (left > 0) {
    if (hv.dispatcher.spend()) {
      args.set(1, va);
      args.set(2, left);
      return RESTART;
    }
    const batch = Math.min(UNMAP_BATCH, left);
    hv.dispatcher.spend(batch - 1);
    for (let i = 0; i < batch; i++) {
      if (!guest.fetch(va + i * bytes, bytes)) return -EFAULT;
      const { u32 } = guest;
      const op = unmapOps[i];
      op.hostAddrLo = u32[0];
      op.hostAddrHi = u32[1];
      op.devBusAddrLo = replace ? 0 : u32[2];
      op.devBusAddrHi = replace ? 0 : u32[3];
      op.newAddrLo = replace ? u32[2] : 0;
      op.newAddrHi = replace ? u32[3] : 0;
      op.handle = u32[4];
    }
    if (replace) grantsOf(vcpu).unmapAndReplace(unmapOps, batch);
    else grantsOf(vcpu).unmap(unmapOps, batch);
    for (let i = 0; i < batch; i++) {
      guest.view.setInt16(0, unmapOps[i].status ?? 0, true);
      if (!guest.store(va + i * bytes + UNMAP_STATUS, 2)) return -EFAULT;
    }
    va += batch * bytes;
    left -= batch;
  }
  return 0;
}

function single(hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs, cmd: number, bytes: number): number {
  const { guest } = hv;
  const va = args.va(1);
  if (!guest.fetch(va, bytes)) return -EFAULT;
  const domid = guest.u16[0];
  if (cmd === GNTTABOP_query_size) {
    const size = grantsOf(vcpu).querySize(domid);
    guest.u32[1] = size.frames;
    guest.u32[2] = size.maxFrames;
    guest.view.setInt16(12, size.status, true);
    return guest.store(va, bytes) ? 0 : -EFAULT;
  }
  const frames = guest.u32[1];
  const { words, structs } = vcpu.domain.abi;
  const list = words.readVa(guest.u32, structs.gnttab_setup_table.offsets.frame_list);
  if (cmd === GNTTABOP_get_status_frames) {
    guest.view.setInt16(6, hv.grants.getStatusFrames(vcpu.domain.domid, guest.u16[2], guest.u32[0]), true);
    return guest.store(va, bytes) ? 0 : -EFAULT;
  }
  const result = grantsOf(vcpu).setupTable(domid, frames);
  if (typeof result === "number") {
    guest.view.setInt16(8, result, true);
    return guest.store(va, bytes) ? 0 : -EFAULT;
  }
  guest.view.setInt16(8, GNTST_okay, true);
  if (!guest.store(va, bytes)) return -EFAULT;
  for (const [i, mfn] of result.entries()) {
    // A guest with a physical address space of its own sees where it has put them, if it has.
    words.write(guest.view, 0, vcpu.domain.physmap === undefined ? mfn : vcpu.domain.physmap.gfnOf(mfn));
    if (!guest.store(list + words.bytes * i, words.bytes)) return -EFAULT;
  }
  return 0;
}

function version(hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs, cmd: number, bytes: number): number {
  const { guest } = hv;
  const va = args.va(1);
  if (!guest.fetch(va, bytes)) return -EFAULT;
  const calls = grantsOf(vcpu);
  if (cmd === GNTTABOP_set_version) {
    const rc = calls.setVersion(guest.u32[0]);
    if (rc < 0) return rc;
    return guest.writeU32(va, rc) ? 0 : -EFAULT;
  }
  const rc = calls.getVersion(guest.u16[0]);
  if (rc < 0) return rc;
  return guest.writeU32(va + 4, rc) ? 0 : -EFAULT;
}
