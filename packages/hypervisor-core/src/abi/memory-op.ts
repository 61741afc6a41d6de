import {
  EACCES,
  EFAULT,
  EINVAL,
  ENOSYS,
  EOPNOTSUPP,
  EPERM,
  XENMEM_acquire_resource,
  XENMEM_add_to_physmap,
  XENMEM_add_to_physmap_batch,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_get_vnumainfo,
  XENMEM_increase_reservation,
  XENMEM_machine_memory_map,
  XENMEM_machphys_mapping,
  XENMEM_machphys_mfn_list,
  XENMEM_maximum_gpfn,
  XENMEM_maximum_ram_page,
  XENMEM_maximum_reservation,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
  XENMEM_remove_from_physmap,
  XENMEM_set_memory_map,
} from "@xen-node/xen-abi";
import { u64Number } from "../address.ts";
import type { Domain, MemoryMapEntry } from "../domain.ts";
import { targetDomain } from "../foreign-domain.ts";
import type { WordFormat } from "../guest-abi/words.ts";
import type { DomainMemory } from "../hypercalls/memory.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { putU64 } from "../runstate.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallArgs, HypercallHandler } from "./hypercall-args.ts";
import { memoryExchange } from "./memory-exchange.ts";
import { RESTART } from "./results.ts";

/** The command's upper bits: extents done by earlier entries of this call. */
const EXTENT_SHIFT = 6;
const CMD_MASK = 0x3f;
const MOST_EXTENTS = 0xffffffff >>> EXTENT_SHIFT;
/** Largest extent order of a domain without hardware. */
const MAX_ORDER = 9;
const E820_ENTRY_BYTES = 20;
const E820_MAX = 128;

/** memory_op(cmd, argument *) */
export const memoryOp: HypercallHandler = (hv, vcpu, args) => {
  const { guest } = hv;
  const va = args.va(1);
  const cmd = args.u32(0) & CMD_MASK;
  const memory = memoryOf(vcpu.domain);
  switch (cmd) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
      return reservation(hv, vcpu, args, cmd);
    case XENMEM_exchange:
      return memoryExchange(hv, vcpu, va);
    case XENMEM_maximum_ram_page:
      return memory.maximumRamPage();
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
      if (!guest.fetch(va, 2)) return -EFAULT;
      if (cmd === XENMEM_current_reservation) return memory.currentReservation(guest.u16[0]);
      if (cmd === XENMEM_maximum_reservation) return memory.maximumReservation(guest.u16[0]);
      return memory.maximumGpfn(guest.u16[0]);
    case XENMEM_machphys_mapping: {
      const { words, structs, machToPhysStart, machToPhysEnd } = vcpu.domain.abi;
      // Not what there is behind it on this machine: the guest asks once, and may go on on a machine with more memory.
      const lastMfn = (machToPhysEnd - machToPhysStart) / words.bytes - 1;
      words.write(guest.view, 0, machToPhysStart);
      words.write(guest.view, words.bytes, machToPhysEnd);
      words.write(guest.view, 2 * words.bytes, lastMfn);
      return guest.store(va, structs.xen_machphys_mapping.size) ? 0 : -EFAULT;
    }
    case XENMEM_machphys_mfn_list:
      // The table has no 2 MiB frames to name.
      return -EINVAL;
    case XENMEM_memory_map:
      return memoryMap(hv, vcpu.domain, va);
    case XENMEM_set_memory_map:
      return setMemoryMap(hv, vcpu.domain, va);
    case XENMEM_machine_memory_map:
      return -EPERM;
    case XENMEM_add_to_physmap:
    case XENMEM_add_to_physmap_batch:
    case XENMEM_remove_from_physmap:
      // Only for domains whose physical address space the hypervisor translates.
      return -EACCES;
    case XENMEM_get_vnumainfo:
      return -EOPNOTSUPP;
    case XENMEM_acquire_resource:
      return -EPERM;
    default:
      hv.logOnce(vcpu.domain, "mm", `memory_op ${cmd} is not there: -ENOSYS`);
      return -ENOSYS;
  }
};

function memoryOf(domain: Domain): DomainMemory {
  return domain.hypercalls.memory as DomainMemory;
}

/**
 * increase_reservation, decrease_reservation, populate_physmap: memory_reservation {extent_start, nr_extents,
 * extent_order, mem_flags, domid}. The result is the number of extents done, whatever stopped it.
 */
function reservation(hv: Hypervisor, vcpu: Vcpu, args: HypercallArgs, cmd: number): number {
  const { guest } = hv;
  const start = Math.floor(args.u64(0) / (1 << EXTENT_SHIFT));
  const { words, structs } = vcpu.domain.abi;
  const { offsets, size } = structs.xen_memory_reservation;
  if (!guest.fetch(args.va(1), size)) return start;
  const extents = words.readVa(guest.u32, offsets.extent_start);
  const count = words.read(guest.u32, offsets.nr_extents);
  const order = guest.u32[offsets.extent_order >>> 2];
  const domid = guest.u16[offsets.domid >>> 1];
  // More could not be encoded in a continuation.
  if (count > MOST_EXTENTS || start >= count) return start;
  if (order > MAX_ORDER || Number.isNaN(extents)) return start;
  const target = targetDomain(hv, vcpu.domain, domid);
  if (typeof target === "number") return start;
  if (extents === 0 && cmd !== XENMEM_increase_reservation) return start;
  for (let i = start; i < count; i++) {
    if (hv.dispatcher.spend()) {
      args.set(0, cmd + i * (1 << EXTENT_SHIFT));
      return RESTART;
    }
    if (!oneExtent(hv, target, words, cmd, extents === 0 ? 0 : extents + words.bytes * i, order)) return i;
  }
  return count;
}

function oneExtent(hv: Hypervisor, target: Domain, words: WordFormat, cmd: number, va: number, order: number): boolean {
  const { guest } = hv;
  const memory = memoryOf(target);
  if (cmd === XENMEM_decrease_reservation) {
    if (!guest.fetch(va, words.bytes)) return false;
    const first = words.read(guest.u32, 0);
    hv.dispatcher.spend(1 << order);
    for (let i = 0; i < 1 << order; i++) if (memory.release(target, first + i) !== 0) return false;
    return true;
  }
  // Frames are handed out one by one: there are no larger extents.
  if (order !== 0) return false;
  let pfn = -1;
  if (cmd === XENMEM_populate_physmap) {
    if (!guest.fetch(va, words.bytes)) return false;
    pfn = words.read(guest.u32, 0);
  }
  const mfn = memory.allocate(target);
  if (mfn < 0) return false;
  if (pfn >= 0) hv.mmu.m2p.set(mfn, pfn >>> 0, Math.floor(pfn / 0x100000000));
  if (va === 0) return true;
  words.write(guest.view, 0, mfn);
  return guest.store(va, words.bytes);
}

function memoryMap(hv: Hypervisor, domain: Domain, va: number): number {
  const { guest } = hv;
  const { words, structs } = domain.abi;
  const { offsets, size } = structs.xen_memory_map;
  if (!guest.fetch(va, size)) return -EFAULT;
  const room = guest.u32[0];
  const buffer = words.readVa(guest.u32, offsets.buffer);
  const entries = domain.memoryMap.slice(0, room);
  for (const [i, entry] of entries.entries()) {
    putU64(guest.view, 0, entry.address);
    putU64(guest.view, 8, entry.size);
    guest.u32[4] = entry.type;
    if (!guest.store(buffer + i * E820_ENTRY_BYTES, E820_ENTRY_BYTES)) return -EFAULT;
  }
  return guest.writeU32(va, entries.length) ? 0 : -EFAULT;
}

/** xen_foreign_memory_map {domid, memory_map}: a domain may set its own. */
function setMemoryMap(hv: Hypervisor, domain: Domain, va: number): number {
  const { guest } = hv;
  const { words, structs } = domain.abi;
  const { offsets, size } = structs.xen_foreign_memory_map;
  if (!guest.fetch(va, size)) return -EFAULT;
  const count = guest.u32[offsets["map.nr_entries"] >>> 2];
  const buffer = words.readVa(guest.u32, offsets["map.buffer"]);
  if (count > E820_MAX) return -EINVAL;
  const target = targetDomain(hv, domain, guest.u16[0]);
  if (typeof target === "number") return target;
  const entries: MemoryMapEntry[] = [];
  for (let i = 0; i < count; i++) {
    if (!guest.fetch(buffer + i * E820_ENTRY_BYTES, E820_ENTRY_BYTES)) return -EFAULT;
    entries.push({
      address: u64Number(guest.u32[0], guest.u32[1]),
      size: u64Number(guest.u32[2], guest.u32[3]),
      type: guest.u32[4],
    });
  }
  target.memoryMap = entries;
  return 0;
}
