import {
  DOMID_SELF,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOSYS,
  EPERM,
  ESRCH,
  XENMAPSPACE_grant_table,
  XENMAPSPACE_shared_info,
  XENMEM_add_to_physmap,
  XENMEM_add_to_physmap_batch,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_get_vnumainfo,
  XENMEM_increase_reservation,
  XENMEM_maximum_gpfn,
  XENMEM_maximum_ram_page,
  XENMEM_maximum_reservation,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
  XENMEM_remove_from_physmap,
  XENMEM_set_memory_map,
} from "@xen-node/xen-abi";
import type { HypercallArgs, HypercallHandler } from "../abi/hypercall-args.ts";
import { memoryOp } from "../abi/memory-op.ts";
import { RESTART } from "../abi/results.ts";
import { u64Number, vaOf } from "../address.ts";
import type { Domain } from "../domain.ts";
import type { DomainMemory } from "../hypercalls/memory.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";

const EXTENT_SHIFT = 6;
const CMD_MASK = 0x3f;
const MOST_EXTENTS = 0xffffffff >>> EXTENT_SHIFT;
const MAX_ORDER = 9;
/** Guest-physical addresses have 40 bits. */
const MOST_GFN = 2 ** 28;

/** What a PV guest may ask, too, and means the same here. */
const SHARED: ReadonlySet<number> = new Set([
  XENMEM_current_reservation,
  XENMEM_maximum_reservation,
  XENMEM_maximum_ram_page,
  XENMEM_memory_map,
  XENMEM_set_memory_map,
  XENMEM_get_vnumainfo,
]);

/** memory_op of a guest whose physical address space the hypervisor translates: frames are named by gfn. */
export const nativeMemoryOp: HypercallHandler = (hv, vcpu, args) => {
  const cmd = args.u32(0) & CMD_MASK;
  const { guest } = hv;
  const va = args.va(1);
  switch (cmd) {
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
    case XENMEM_increase_reservation:
      return reservation(hv, vcpu, args, cmd);
    case XENMEM_add_to_physmap: {
      if (!guest.fetch(va, 24)) return -EFAULT;
      if (!isSelf(vcpu, guest.u16[0])) return -EPERM;
      return addToPhysmap(hv, vcpu.domain, guest.u32[1], guest.u32[2], u64Number(guest.u32[4], guest.u32[5]));
    }
    case XENMEM_add_to_physmap_batch:
      return addBatch(hv, vcpu, args);
    case XENMEM_remove_from_physmap: {
      if (!guest.fetch(va, 16)) return -EFAULT;
      if (!isSelf(vcpu, guest.u16[0])) return -EPERM;
      return removeFromPhysmap(hv, vcpu.domain, u64Number(guest.u32[2], guest.u32[3]));
    }
    case XENMEM_maximum_gpfn:
      if (!guest.fetch(va, 2)) return -EFAULT;
      return isSelf(vcpu, guest.u16[0]) ? (vcpu.domain.physmap?.highest ?? -1) : -EPERM;
    default:
      return SHARED.has(cmd) ? memoryOp(hv, vcpu, args) : -ENOSYS;
  }
};

function isSelf(vcpu: Vcpu, domid: number): boolean {
  return domid === DOMID_SELF || domid === vcpu.domain.domid;
}

/** Puts a frame behind a gfn of the domain; what was there before, if it is the domain's own memory, is given back. */
function place(hv: Hypervisor, domain: Domain, gfn: number, mfn: number): number {
  const { physmap } = domain;
  if (physmap === undefined || gfn >= MOST_GFN) return -EINVAL;
  const before = physmap.lookup(gfn);
  if (before === mfn) return 0;
  physmap.map(gfn, mfn);
  hv.mmu.tlb.flushDomain(domain.domid);
  if (before >= 0) (domain.hypercalls.memory as DomainMemory).release(domain, before);
  return 0;
}

/** XENMEM_add_to_physmap: shared_info and the grant table's frames. */
function addToPhysmap(hv: Hypervisor, domain: Domain, space: number, index: number, gfn: number): number {
  switch (space) {
    case XENMAPSPACE_shared_info:
      return index === 0 ? place(hv, domain, gfn, domain.sharedInfoMfn) : -EINVAL;
    case XENMAPSPACE_grant_table: {
      const mfn = hv.grants.frameForMapping(domain.domid, index);
      return mfn < 0 ? mfn : place(hv, domain, gfn, mfn);
    }
    default:
      hv.logOnce(domain, "mm", `add_to_physmap of space ${space} is not there: -ENOSYS`);
      return -ENOSYS;
  }
}

/** xen_add_to_physmap_batch {domid, space, size, extra, idxs, gpfns, errs}. */
function addBatch(hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs): number {
  const { guest } = hv;
  if (!guest.fetch(args.va(1), 32)) return -EFAULT;
  const [first, second] = guest.u32;
  if (!isSelf(vcpu, first & 0xffff)) return -ESRCH;
  const space = first >>> 16;
  const size = second & 0xffff;
  const indices = vaOf(guest.u32[2], guest.u32[3]);
  const gfns = vaOf(guest.u32[4], guest.u32[5]);
  const errors = vaOf(guest.u32[6], guest.u32[7]);
  const start = Math.floor(args.u64(0) / (1 << EXTENT_SHIFT));
  for (let i = start; i < size; i++) {
    if (hv.dispatcher.spend()) {
      args.set(0, XENMEM_add_to_physmap_batch + i * (1 << EXTENT_SHIFT));
      return RESTART;
    }
    if (!guest.fetch(indices + 8 * i, 8)) return -EFAULT;
    const index = guest.u32[0];
    if (!guest.fetch(gfns + 8 * i, 8)) return -EFAULT;
    const rc = addToPhysmap(hv, vcpu.domain, space, index, u64Number(guest.u32[0], guest.u32[1]));
    if (!guest.writeU32(errors + 4 * i, rc)) return -EFAULT;
  }
  return 0;
}

/** What the hypervisor shares goes out of sight; the domain's own memory goes back to the machine. */
function removeFromPhysmap(hv: Hypervisor, domain: Domain, gfn: number): number {
  const { physmap } = domain;
  const mfn = physmap?.lookup(gfn) ?? -1;
  if (physmap === undefined || mfn < 0) return -ENOENT;
  giveBack(hv, domain, gfn, mfn);
  return 0;
}

function giveBack(hv: Hypervisor, domain: Domain, gfn: number, mfn: number): void {
  domain.physmap?.unmap(gfn);
  hv.mmu.tlb.flushDomain(domain.domid);
  // A frame of the hypervisor's is not the domain's to give, and stays where it is.
  (domain.hypercalls.memory as DomainMemory).release(domain, mfn);
}

function reservation(hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs, cmd: number): number {
  const { guest } = hv;
  const { domain } = vcpu;
  const start = Math.floor(args.u64(0) / (1 << EXTENT_SHIFT));
  if (!guest.fetch(args.va(1), 32)) return start;
  const extents = vaOf(guest.u32[0], guest.u32[1]);
  const count = u64Number(guest.u32[2], guest.u32[3]);
  const order = guest.u32[4];
  if (count > MOST_EXTENTS || start >= count || order > MAX_ORDER || Number.isNaN(extents)) return start;
  if (!isSelf(vcpu, guest.u16[12])) return start;
  // Frames without a gfn would be out of the guest's reach.
  if (extents === 0 || cmd === XENMEM_increase_reservation) return start;
  for (let i = start; i < count; i++) {
    if (hv.dispatcher.spend(1 << order)) {
      args.set(0, cmd + i * (1 << EXTENT_SHIFT));
      return RESTART;
    }
    if (!guest.fetch(extents + 8 * i, 8)) return i;
    const gfn = u64Number(guest.u32[0], guest.u32[1]);
    for (let k = 0; k < 1 << order; k++) {
      const ok = cmd === XENMEM_populate_physmap ? populate(hv, domain, gfn + k) : decrease(hv, domain, gfn + k);
      if (!ok) return i;
    }
  }
  return count;
}

function decrease(hv: Hypervisor, domain: Domain, gfn: number): boolean {
  const mfn = domain.frameOf(gfn);
  if (mfn < 0) return false;
  giveBack(hv, domain, gfn, mfn);
  return true;
}

function populate(hv: Hypervisor, domain: Domain, gfn: number): boolean {
  const { physmap } = domain;
  if (physmap === undefined || gfn >= MOST_GFN) return false;
  if (physmap.lookup(gfn) >= 0) return true;
  const mfn = (domain.hypercalls.memory as DomainMemory).allocate(domain);
  if (mfn < 0) return false;
  physmap.map(gfn, mfn);
  // What reads saw where nothing was must not be seen any more.
  hv.mmu.tlb.flushDomain(domain.domid);
  return true;
}
