import { PageType } from "@xen-node/mmu";
import {
  EACCES,
  EFAULT,
  EINVAL,
  ENOSYS,
  EOPNOTSUPP,
  EPERM,
  ERESTART,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_COPY_PAGE,
  MMUEXT_FLUSH_CACHE,
  MMUEXT_FLUSH_CACHE_GLOBAL,
  MMUEXT_INVLPG_ALL,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_INVLPG_MULTI,
  MMUEXT_MARK_SUPER,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_SET_LDT,
  MMUEXT_TLB_FLUSH_ALL,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_TLB_FLUSH_MULTI,
  MMUEXT_UNMARK_SUPER,
  MMUEXT_UNPIN_TABLE,
} from "@xen-node/xen-abi";
import { isGuestRange } from "../address.ts";
import { TABLE_WORK } from "../address-spaces.ts";
import { pageOwner } from "../foreign-domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { releaseLdt } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";
import type { HypercallHandler } from "./hypercall-args.ts";
import { startDone, storeDone, vcpuBitmapBytes } from "./page-tables.ts";
import { RESTART } from "./results.ts";

const PREEMPTED = 0x80000000;
const MAX_LDT_ENTRIES = 8192;
const PAGE_BYTES = 4096;

/** mmuext_op(mmuext_op[], count, done *, foreign domid) */
export const mmuextOp: HypercallHandler = (hv, vcpu, args) => {
  let done = startDone(hv, args, 1, 2);
  let left = args.u32(1);
  const owner = pageOwner(hv, vcpu.domain, args.u32(3) & 0xffff);
  if (owner < 0) return owner;
  let va = args.va(0);
  const bytes = vcpu.domain.abi.structs.mmuext_op.size;
  if (!isGuestRange(va, left * bytes)) return -EFAULT;
  let rc = 0;
  while (left > 0) {
    rc = hv.dispatcher.spend() ? RESTART : operationAt(hv, vcpu, owner, va, bytes);
    if (rc === -ERESTART) rc = RESTART;
    if (rc !== 0) break;
    done++;
    left--;
    va += bytes;
  }
  if (rc === RESTART) {
    args.set(0, va);
    args.set(1, (left | PREEMPTED) >>> 0);
  }
  return storeDone(hv, args, 2, done, rc);
};

function operationAt(hv: Hypervisor, vcpu: Vcpu, owner: number, va: number, bytes: number): number {
  const { guest } = hv;
  const at = guest.wordsForRead(va, bytes);
  if (at === 0 && !guest.fetch(va, bytes)) return -EFAULT;
  return operation(hv, vcpu, owner, at !== 0 ? hv.mmu.memory.u32 : guest.u32, at * 4);
}

/** One struct mmuext_op at a byte offset: the command and two words, each in the place of one. */
function operation(hv: Hypervisor, vcpu: Vcpu, owner: number, w: Uint32Array, at: number): number {
  const { types } = hv.mmu;
  const { words, rootLevel } = vcpu.domain.abi;
  const foreign = owner !== vcpu.domain.domid;
  const cmd = w[at >>> 2];
  const first = at + words.bytes;
  const second = first + words.bytes;
  const mfn = words.read(w, first);
  if (cmd >= MMUEXT_PIN_L1_TABLE && cmd <= MMUEXT_PIN_L4_TABLE) {
    // A 32-bit guest has no L4 tables; Xen says nothing about it.
    if (cmd - MMUEXT_PIN_L1_TABLE >= rootLevel) return 0;
    return types.pin(mfn, cmd - MMUEXT_PIN_L1_TABLE + 1, owner, TABLE_WORK);
  }
  switch (cmd) {
    case MMUEXT_UNPIN_TABLE: {
      // Unpinned even if work is left: that is done before the domain runs on.
      const rc = types.unpin(mfn, owner, TABLE_WORK);
      return rc === -ERESTART ? 0 : rc;
    }
    case MMUEXT_NEW_BASEPTR:
      return foreign ? -EPERM : hv.addressSpaces.setKernelRoot(vcpu, mfn);
    case MMUEXT_NEW_USER_BASEPTR:
      if (foreign) return -EPERM;
      return rootLevel === PageType.l4 ? hv.addressSpaces.setUserRoot(vcpu, mfn) : -EINVAL;
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_ALL:
      // The soft TLB follows the tables by itself; there is nothing left to flush.
      return foreign ? -EPERM : 0;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
      if (foreign) return -EPERM;
      return hv.guest.fetch(words.readVa(w, second), vcpuBitmapBytes(vcpu)) ? 0 : -EINVAL;
    // Only domains with hardware may flush caches; Xen 4.17 refuses the two with different errnos.
    case MMUEXT_FLUSH_CACHE:
      return foreign ? -EPERM : -EACCES;
    case MMUEXT_FLUSH_CACHE_GLOBAL:
      return foreign ? -EPERM : -EINVAL;
    case MMUEXT_SET_LDT:
      return foreign ? -EPERM : setLdt(hv, vcpu, words.readVa(w, first), w[second >>> 2]);
    case MMUEXT_CLEAR_PAGE:
      return clearPage(hv, owner, mfn);
    case MMUEXT_COPY_PAGE:
      return copyPage(hv, owner, words.read(w, second), mfn);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
      return -EOPNOTSUPP;
    default:
      return -ENOSYS;
  }
}

function setLdt(hv: Hypervisor, vcpu: Vcpu, base: number, entries: number): number {
  if (entries > MAX_LDT_ENTRIES) return -EINVAL;
  if (entries > 0 && (!isGuestRange(base, entries * 8) || base % PAGE_BYTES !== 0)) return -EINVAL;
  if (vcpu.ldtEntries !== entries || vcpu.ldtBase !== base) {
    releaseLdt(hv, vcpu);
    vcpu.ldtBase = entries === 0 ? 0 : base;
    vcpu.ldtEntries = entries;
  }
  return 0;
}

function clearPage(hv: Hypervisor, owner: number, mfn: number): number {
  if (!takeWritable(hv, owner, mfn)) return -EINVAL;
  const host = hv.mmu.frames.hostAddress(mfn);
  hv.mmu.memory.u8.fill(0, host, host + PAGE_BYTES);
  putWritable(hv, mfn);
  return 0;
}

function copyPage(hv: Hypervisor, owner: number, source: number, dest: number): number {
  const { types, frames, memory } = hv.mmu;
  if (!types.getPage(source, owner)) return -EINVAL;
  let rc = -EINVAL;
  if (takeWritable(hv, owner, dest)) {
    // The destination first: they may be one frame, and it may move.
    const to = frames.hostAddress(dest);
    const from = frames.readAddress(source);
    memory.u8.copyWithin(to, from, from + PAGE_BYTES);
    putWritable(hv, dest);
    rc = 0;
  }
  types.putPage(source);
  return rc;
}

function takeWritable(hv: Hypervisor, owner: number, mfn: number): boolean {
  const { types, frames } = hv.mmu;
  if (types.getPageAndType(mfn, PageType.writable, owner) !== 0) return false;
  frames.noteHostWrite(mfn, 0, PAGE_BYTES);
  return true;
}

function putWritable(hv: Hypervisor, mfn: number): void {
  hv.mmu.types.putPageAndType(mfn);
}
