import {
  EFAULT,
  EINVAL,
  ENOSYS,
  ERESTART,
  ESRCH,
  MMU_MACHPHYS_UPDATE,
  MMU_NORMAL_PT_UPDATE,
  MMU_PT_UPDATE_NO_TRANSLATE,
  MMU_PT_UPDATE_PRESERVE_AD,
  UVMF_ALL,
  UVMF_FLUSHTYPE_MASK,
} from "@xen-node/xen-abi";
import { isGuestAddress, isGuestRange, vaOf } from "../address.ts";
import { TABLE_WORK } from "../address-spaces.ts";
import { pageOwner } from "../foreign-domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallArgs, HypercallHandler } from "./hypercall-args.ts";
import { RESTART } from "./results.ts";

const UPDATE_BYTES = 16;
/** Set in the count of a continued call: `done` so far lies where the guest wants it. */
const PREEMPTED = 0x80000000;
const NORMAL = { workBudget: TABLE_WORK } as const;
const PRESERVE_AD = { preserveAd: true, workBudget: TABLE_WORK } as const;

/** `done` of a list that goes on; written where the guest asked for it. */
export function startDone(hv: Hypervisor, args: HypercallArgs, countIndex: number, doneIndex: number): number {
  const continued = (args.lo[countIndex] & PREEMPTED) !== 0;
  args.set(countIndex, args.u32(countIndex) & 0x7fffffff);
  const va = args.va(doneIndex);
  return continued && va !== 0 && hv.guest.fetch(va, 4) ? hv.guest.u32[0] : 0;
}

/** Ends a list hypercall: stores the number done where that is possible. Answers `rc`. */
export function storeDone(hv: Hypervisor, args: HypercallArgs, doneIndex: number, done: number, rc: number): number {
  const va = args.va(doneIndex);
  if (va !== 0) hv.guest.writeU32(va, done);
  return rc;
}

/** mmu_update(mmu_update[], count, done *, foreign domid) */
export const mmuUpdate: HypercallHandler = (hv, vcpu, args) => {
  let done = startDone(hv, args, 1, 2);
  let left = args.u32(1);
  const { domain } = vcpu;
  const foreign = args.u32(3);
  // The upper half selects whose page tables are written, plus one.
  const tableDomid = (foreign >>> 16) - 1;
  const own = foreign >>> 16 === 0 || tableDomid === domain.domid;
  const tables = own ? domain.domid : pageOwner(hv, domain, tableDomid);
  if (tables < 0) return tables;
  const owner = pageOwner(hv, domain, foreign & 0xffff);
  if (owner < 0) return owner;
  let va = args.va(0);
  if (!isGuestRange(va, left * UPDATE_BYTES)) return -EFAULT;
  const { guest } = hv;
  let rc = 0;
  while (left > 0) {
    if (hv.dispatcher.spend()) {
      rc = RESTART;
      break;
    }
    const at = guest.wordsForRead(va, UPDATE_BYTES);
    if (at !== 0 || guest.fetch(va, UPDATE_BYTES)) {
      const w = at !== 0 ? hv.mmu.memory.u32 : guest.u32;
      rc = updateOne(hv, tables, owner, w[at], w[at + 1], w[at + 2], w[at + 3]);
    } else {
      rc = -EFAULT;
    }
    if (rc === -ERESTART) rc = RESTART;
    if (rc !== 0) break;
    done++;
    left--;
    va += UPDATE_BYTES;
  }
  if (rc === RESTART) {
    args.set(0, va);
    args.set(1, (left | PREEMPTED) >>> 0);
  }
  return storeDone(hv, args, 2, done, rc);
};

function updateOne(
  hv: Hypervisor,
  tables: number,
  owner: number,
  ptrLo: number,
  ptrHi: number,
  valLo: number,
  valHi: number,
): number {
  const mfn = (ptrLo >>> 12) + (ptrHi >>> 0) * 0x100000;
  const { mmu } = hv;
  switch (ptrLo & 7) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE:
      return mmu.types.modEntry(mfn, (ptrLo >>> 3) & 511, valLo, valHi, tables, NORMAL);
    case MMU_PT_UPDATE_PRESERVE_AD:
      return mmu.types.modEntry(mfn, (ptrLo >>> 3) & 511, valLo, valHi, tables, PRESERVE_AD);
    case MMU_MACHPHYS_UPDATE:
      if (!mmu.types.getPage(mfn, owner)) return -EINVAL;
      mmu.m2p.set(mfn, valLo, valHi);
      mmu.types.putPage(mfn);
      return 0;
    default:
      return -ENOSYS;
  }
}

/** A page-table entry and what is to be flushed, as update_va_mapping gets them. */
interface MappingUpdate {
  readonly va: number;
  readonly lo: number;
  readonly hi: number;
  readonly flags: number;
  /** `flags` without the kind of flush, as an address. */
  readonly bitmap: number;
}

function mappingUpdate(args: HypercallArgs): MappingUpdate {
  const bitmap = vaOf(args.lo[2] & ~UVMF_FLUSHTYPE_MASK, args.hi[2]);
  return { va: args.va(0), lo: args.lo[1], hi: args.hi[1], flags: args.u32(2), bitmap };
}

/** Of a 32-bit guest: the entry is two arguments. */
function mappingUpdate32(args: HypercallArgs): MappingUpdate {
  const flags = args.u32(3);
  return { va: args.va(0), lo: args.lo[1], hi: args.lo[2], flags, bitmap: (flags & ~UVMF_FLUSHTYPE_MASK) >>> 0 };
}

function updateMapping(hv: Hypervisor, vcpu: Vcpu, update: MappingUpdate, owner: number): number {
  const { va, flags, bitmap } = update;
  if (!isGuestAddress(va)) return -EINVAL;
  const { walker, types } = hv.mmu;
  if (walker.locateL1(vcpu.kernelRoot, va) < 0) return -EINVAL;
  const rc = types.modEntry(walker.l1Mfn, walker.l1Index, update.lo, update.hi, owner, NORMAL);
  if (rc === -ERESTART) return RESTART;
  if (rc !== 0) return rc;
  // The soft TLB never holds what the tables do not say, so a flush only has its arguments checked.
  if ((flags & UVMF_FLUSHTYPE_MASK) !== 0) {
    if (bitmap !== 0 && bitmap !== UVMF_ALL && !hv.guest.fetch(bitmap, vcpuBitmapBytes(vcpu))) return -EFAULT;
  }
  return 0;
}

/** Bytes of a bitmap of this domain's vcpus. */
export function vcpuBitmapBytes(vcpu: Vcpu): number {
  return (vcpu.domain.vcpus.length + 7) >>> 3;
}

/** update_va_mapping(va, pte, flags) */
export const updateVaMapping: HypercallHandler = (hv, vcpu, args) =>
  updateMapping(hv, vcpu, mappingUpdate(args), vcpu.domain.domid);

/** update_va_mapping(va, low word, high word, flags) of a 32-bit guest. */
export const updateVaMapping32: HypercallHandler = (hv, vcpu, args) =>
  updateMapping(hv, vcpu, mappingUpdate32(args), vcpu.domain.domid);

/** update_va_mapping_otherdomain(va, pte, flags, domid) */
export const updateVaMappingOtherdomain: HypercallHandler = (hv, vcpu, args) =>
  updateMappingOf(hv, vcpu, mappingUpdate(args), args.u32(3));

/** update_va_mapping_otherdomain(va, low word, high word, flags, domid) of a 32-bit guest. */
export const updateVaMappingOtherdomain32: HypercallHandler = (hv, vcpu, args) =>
  updateMappingOf(hv, vcpu, mappingUpdate32(args), args.u32(4));

function updateMappingOf(hv: Hypervisor, vcpu: Vcpu, update: MappingUpdate, domid: number): number {
  const owner = pageOwner(hv, vcpu.domain, domid & 0xffff);
  if (owner < 0) return owner;
  if (owner !== vcpu.domain.domid) {
    hv.logOnce(vcpu.domain, "hypercall", "update_va_mapping_otherdomain of another domain is not there: -ESRCH");
    return -ESRCH;
  }
  return updateMapping(hv, vcpu, update, owner);
}
