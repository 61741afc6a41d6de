import { PageType } from "@xen-node/mmu";
import {
  DOMID_SELF,
  EINVAL,
  ENOMEM,
  ENOSYS,
  EPERM,
  ESRCH,
  GNTMAP_contains_pte,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_dev_addr,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_eagain,
  GNTST_general_error,
  GNTST_no_space,
  GNTST_okay,
  GNTST_permission_denied,
} from "@xen-node/xen-abi";
import { auditGrants } from "./audit.ts";
import { DomainGrants } from "./domain-grants.ts";
import { GrantCopier } from "./grant-copy.ts";
import type { GrantCopy, GrantDomainSettings, GrantMmu, GrantTableSize, MapGrantRef, UnmapGrantRef } from "./host.ts";
import { pinOf } from "./pin.ts";

const PAGE_SIZE = 4096;
const DEFAULT_MAX_GRANT_FRAMES = 64;
const DEFAULT_MAX_MAPTRACK_FRAMES = 1024;
/** Unmaps between two TLB flushes. */
const UNMAP_BATCH = 32;
const KINDS = GNTMAP_device_map | GNTMAP_host_map;
/** What else a handle remembers: an unmap says nothing of it. */
const KEPT = GNTMAP_readonly | GNTMAP_contains_pte;

/**
 * Version 1 grant tables of all domains (xen/include/public/grant_table.h). `caller` is always the domid that makes the
 * hypercall and must have been added; other domids are as guests give them. GNTST_* results are per record.
 */
export class GrantTables {
  private readonly byDomid: (DomainGrants | undefined)[] = [];
  /** Also tables that are gone and still pinned. */
  private readonly byId = new Map<number, DomainGrants>();
  private nextId = 1;
  private readonly copier: GrantCopier;

  /** What the first half of an unmap did, for the second: GNTMAP_* bits (0 = nothing), granting table, reference. */
  private readonly doneFlags = new Uint8Array(UNMAP_BATCH);
  private readonly doneGranter = new Uint32Array(UNMAP_BATCH);
  private readonly doneRef = new Uint32Array(UNMAP_BATCH);

  constructor(private readonly mmu: GrantMmu) {
    this.copier = new GrantCopier(mmu, (domid) => this.byDomid[domid]);
  }

  /**
   * Gives a domain a grant table of one frame. 0, -EINVAL (maxGrantFrames below 1) or -ENOMEM.
   * @throws if the domid is taken
   */
  addDomain(domid: number, settings: GrantDomainSettings = {}): number {
    if (this.byDomid[domid] !== undefined) throw new Error(`domain ${domid} has a grant table already`);
    const maxFrames = settings.maxGrantFrames ?? DEFAULT_MAX_GRANT_FRAMES;
    if (maxFrames < 1) return -EINVAL;
    const table = new DomainGrants(
      this.nextId++,
      domid,
      settings.privileged ?? false,
      maxFrames,
      settings.maxMaptrackFrames ?? DEFAULT_MAX_MAPTRACK_FRAMES,
      settings.hostMapper,
      this.mmu,
      settings.frameOf,
    );
    if (!table.grow(1)) return -ENOMEM;
    this.byDomid[domid] = table;
    this.byId.set(table.id, table);
    return 0;
  }

  /**
   * Releases all that the domain has mapped, and its own table. Its vcpus must have stopped for good, and its page tables
   * be gone (`releaseDomain` of mmu's PageTypes): their entries for grants held no references of their own. From now on
   * its grants are GNTST_bad_domain. Frames that others still have mapped stay referenced until they unmap.
   * @returns how many of its entries are still pinned; while `pinnedEntries(domid)` is not 0 keep the domid unused, since
   * frames of the old domain still bear it
   */
  removeDomain(domid: number): number {
    const table = this.byDomid[domid];
    if (table === undefined) return 0;
    const maptrack = table.maptrack;
    for (let handle = 0; handle < maptrack.limit && maptrack.used > 0; handle++) {
      const flags = maptrack.flags[handle];
      if (flags === 0) continue;
      const granter = this.byId.get(maptrack.granter[handle])!;
      const ref = maptrack.ref[handle];
      maptrack.free(handle);
      this.dropMapping(table, granter, ref, flags);
    }
    table.gone = true;
    table.dropFrames(0);
    this.byDomid[domid] = undefined;
    if (table.pinnedEntries === 0) this.byId.delete(table.id);
    return table.pinnedEntries;
  }

  /** Entries of a domain, or of removed domains of that domid, that someone has mapped. */
  pinnedEntries(domid: number): number {
    let count = 0;
    for (const table of this.byId.values()) if (table.domid === domid) count += table.pinnedEntries;
    return count;
  }

  private tableOf(domid: number): DomainGrants {
    const table = this.byDomid[domid];
    if (table === undefined) throw new Error(`domain ${domid} has no grant table`);
    return table;
  }

  private resolve(caller: DomainGrants, dom: number): DomainGrants | undefined {
    return dom === DOMID_SELF ? caller : this.byDomid[dom];
  }

  private mayControl(caller: DomainGrants, target: DomainGrants): boolean {
    return caller === target || caller.privileged;
  }

  /**
   * GNTTABOP_setup_table: makes sure of `nrFrames` frames, which `sharedFrames` then lists. GNTST_okay, bad_domain,
   * permission_denied, general_error (over the limit, or out of memory).
   */
  setupTable(caller: number, dom: number, nrFrames: number): number {
    const self = this.tableOf(caller);
    const table = this.resolve(self, dom);
    if (table === undefined) return GNTST_bad_domain;
    if (!this.mayControl(self, table)) return GNTST_permission_denied;
    if (nrFrames > table.maxFrames) return GNTST_general_error;
    if (nrFrames > table.frames.length && !table.grow(nrFrames)) return GNTST_general_error;
    return GNTST_okay;
  }

  /**
   * XENMAPSPACE_grant_table: the frame of the shared table with an index, for the domain to map; the table grows for it.
   * mfn, or -EINVAL.
   */
  frameForMapping(domid: number, index: number): number {
    const table = this.tableOf(domid);
    if (!(index >= 0 && index < table.maxFrames)) return -EINVAL;
    if (index >= table.frames.length && !table.grow(index + 1)) return -EINVAL;
    return table.frames[index];
  }

  /** mfns of a domain's shared table, in order. */
  sharedFrames(domid: number): readonly number[] {
    return this.tableOf(domid).frames;
  }

  /** GNTTABOP_query_size, into `out`. */
  querySize(caller: number, dom: number, out: GrantTableSize): void {
    const self = this.tableOf(caller);
    const table = this.resolve(self, dom);
    if (table === undefined) {
      out.status = GNTST_bad_domain;
    } else if (!this.mayControl(self, table)) {
      out.status = GNTST_permission_denied;
    } else {
      out.nrFrames = table.frames.length;
      out.maxNrFrames = table.maxFrames;
      out.status = GNTST_okay;
    }
  }

  /**
   * GNTTABOP_map_grant_ref, one record. GNTST_bad_gntref (no kind of mapping asked for, or no such reference),
   * bad_domain, no_space (handles), bad_page (not the granter's frame), general_error (not granted to the caller,
   * read-only, too many pins, frame not writable, page-table entry refused).
   */
  mapGrantRef(caller: number, op: MapGrantRef): void {
    op.status = this.map(this.tableOf(caller), op);
  }

  private map(mapper: DomainGrants, op: MapGrantRef): number {
    const flags = op.flags & (KINDS | KEPT);
    const host = (flags & GNTMAP_host_map) !== 0;
    const device = (flags & GNTMAP_device_map) !== 0;
    const readonly = (flags & GNTMAP_readonly) !== 0;
    if (!host && !device) return GNTST_bad_gntref;
    const granter = this.byDomid[op.dom];
    if (granter === undefined) return GNTST_bad_domain;
    const maptrack = mapper.maptrack;
    const handle = maptrack.alloc();
    if (handle < 0) return GNTST_no_space;

    const pin = pinOf(host, device, readonly);
    let status = granter.acquire(op.ref, mapper.domid, readonly, pin, true);
    if (status === GNTST_okay) {
      const mfn = granter.frame[op.ref];
      status = this.reference(granter, mfn, host, device, readonly);
      if (status === GNTST_okay && host && mapper.hostMapper !== undefined) {
        status = mapper.hostMapper.create(op.hostAddrLo ?? 0, op.hostAddrHi ?? 0, mfn, op.flags);
        if (status !== GNTST_okay) this.dereference(mfn, host, device, readonly);
      }
      if (status === GNTST_okay) {
        if (host && !readonly && mapper.hostMapper === undefined) this.mmu.noteHostWrite(mfn, 0, PAGE_SIZE);
        maptrack.ref[handle] = op.ref;
        maptrack.granter[handle] = granter.id;
        maptrack.flags[handle] = flags;
        op.handle = handle;
        op.mfn = mfn;
        return GNTST_okay;
      }
      granter.release(op.ref, readonly, pin);
    }
    maptrack.free(handle);
    return status;
  }

  /**
   * Completes a mapping's references on a frame: a general one for each kind (the first is held already) and, if it can
   * write, a writable-type one for each. On failure that first one is gone, too.
   */
  private reference(granter: DomainGrants, mfn: number, host: boolean, device: boolean, readonly: boolean): number {
    const types = this.mmu.types;
    const kinds = (host ? 1 : 0) + (device ? 1 : 0);
    let general = 1;
    let typed = 0;
    for (let kind = 0; kind < kinds; kind++) {
      if (kind > 0) {
        if (!types.getPage(mfn, granter.domid)) break;
        general++;
      }
      if (!readonly) {
        if (types.getPageType(mfn, PageType.writable, granter.domid) !== 0) break;
        typed++;
      }
    }
    if (general === kinds && (readonly || typed === kinds)) return GNTST_okay;
    for (; typed > 0; typed--) types.putPageType(mfn);
    for (; general > 0; general--) types.putPage(mfn);
    return GNTST_general_error;
  }

  private dereference(mfn: number, host: boolean, device: boolean, readonly: boolean): void {
    for (let kinds = (host ? 1 : 0) + (device ? 1 : 0); kinds > 0; kinds--) {
      if (!readonly) this.mmu.types.putPageType(mfn);
      this.mmu.types.putPage(mfn);
    }
  }

  /** Drops the references and pins of a mapping's kinds (`flags`), after nothing can reach the frame by it. */
  private dropMapping(mapper: DomainGrants, granter: DomainGrants, ref: number, flags: number): void {
    const host = (flags & GNTMAP_host_map) !== 0;
    const device = (flags & GNTMAP_device_map) !== 0;
    const readonly = (flags & GNTMAP_readonly) !== 0;
    const mfn = granter.frame[ref];
    // A TypeScript domain writes without page-table entries that would have told of it.
    if (host && !readonly && mapper.hostMapper === undefined) this.mmu.noteHostWrite(mfn, 0, PAGE_SIZE);
    this.dereference(mfn, host, device, readonly);
    granter.release(ref, readonly, pinOf(host, device, readonly));
    if (granter.gone && granter.pinnedEntries === 0) this.byId.delete(granter.id);
  }

  /**
   * GNTTABOP_unmap_grant_ref on the first `count` records: entries are cleared, the TLB is flushed, then references go,
   * in batches of 32. GNTST_bad_handle, bad_dev_addr, or the HostMapper's refusal, record by record.
   */
  unmapGrantRefs(caller: number, ops: readonly UnmapGrantRef[], count = ops.length): void {
    this.unmapAll(caller, ops, count, false);
  }

  unmapGrantRef(caller: number, op: UnmapGrantRef): void {
    this.unmapAll(caller, [op], 1, false);
  }

  /** GNTTABOP_unmap_and_replace: as `unmapGrantRefs`, host mappings only; the entry at newAddr moves into the gap. */
  unmapAndReplace(caller: number, ops: readonly UnmapGrantRef[], count = ops.length): void {
    this.unmapAll(caller, ops, count, true);
  }

  private unmapAll(caller: number, ops: readonly UnmapGrantRef[], count: number, replace: boolean): void {
    const mapper = this.tableOf(caller);
    for (let first = 0; first < count; first += UNMAP_BATCH) {
      const batch = Math.min(UNMAP_BATCH, count - first);
      for (let i = 0; i < batch; i++) ops[first + i].status = this.unmapEntry(mapper, ops[first + i], i, replace);
      mapper.hostMapper?.flushTlb();
      for (let i = 0; i < batch; i++) {
        const done = this.doneFlags[i];
        if ((done & KINDS) === 0) continue;
        this.dropMapping(mapper, this.byId.get(this.doneGranter[i])!, this.doneRef[i], done);
      }
    }
  }

  /** First half of an unmap: takes the mapping out of page tables and maptrack, and notes in `slot` what is to drop. */
  private unmapEntry(mapper: DomainGrants, op: UnmapGrantRef, slot: number, replace: boolean): number {
    this.doneFlags[slot] = 0;
    const maptrack = mapper.maptrack;
    const handle = op.handle;
    if (!(handle < maptrack.limit)) return GNTST_bad_handle;
    // A TypeScript domain may give any number, such as the -1 of a mapping that failed.
    const flags = maptrack.flags[handle] ?? 0;
    if (flags === 0) return GNTST_bad_handle;
    const granter = this.byId.get(maptrack.granter[handle])!;
    const ref = maptrack.ref[handle];
    const mfn = granter.frame[ref];

    const { hostAddrLo = 0, hostAddrHi = 0, devBusAddrLo = 0, devBusAddrHi = 0 } = op;
    const hostMapper = mapper.hostMapper;
    let done = flags & KINDS;
    if (hostMapper !== undefined) {
      if (hostAddrLo === 0 && hostAddrHi === 0) done &= ~GNTMAP_host_map;
      if (replace || (devBusAddrLo === 0 && devBusAddrHi === 0)) done &= ~GNTMAP_device_map;
      if (done & GNTMAP_device_map && devBusAddrLo + devBusAddrHi * 2 ** 32 !== mfn * PAGE_SIZE) {
        return GNTST_bad_dev_addr;
      }
      if (done & GNTMAP_host_map) {
        const newLo = replace ? (op.newAddrLo ?? 0) : 0;
        const newHi = replace ? (op.newAddrHi ?? 0) : 0;
        const status = hostMapper.replace(hostAddrLo, hostAddrHi, mfn, flags, newLo, newHi);
        if (status !== GNTST_okay) return status;
      }
    }
    const left = flags & KINDS & ~done;
    if (left === 0) maptrack.free(handle);
    else maptrack.flags[handle] = left | (flags & KEPT);
    this.doneFlags[slot] = done | (flags & GNTMAP_readonly);
    this.doneGranter[slot] = granter.id;
    this.doneRef[slot] = ref;
    return GNTST_okay;
  }

  /**
   * GNTTABOP_copy, one record. GNTST_permission_denied (a frame of another domain without a grant), bad_domain,
   * bad_gntref, bad_page, bad_copy_arg (over a page's end), general_error (not granted, read-only, not writable).
   */
  copy(caller: number, op: GrantCopy): void {
    op.status = this.copier.copy(this.tableOf(caller), op);
  }

  /**
   * GNTTABOP_copy for a TypeScript domain, whose own memory is no frame: all of `into` is filled from a granted frame.
   * @returns as `copy`.
   */
  copyFromGrant(caller: number, dom: number, ref: number, offset: number, into: Uint8Array): number {
    return this.copier.copyOut(this.tableOf(caller), dom, ref, offset, into);
  }

  /** As `copyFromGrant`: all of `from` goes into a granted frame. */
  copyToGrant(caller: number, dom: number, ref: number, offset: number, from: Uint8Array): number {
    return this.copier.copyIn(this.tableOf(caller), dom, ref, offset, from);
  }

  /**
   * GNTTABOP_set_version as a Xen whose highest version is 1: 0, -EINVAL (neither 1 nor 2), -ENOSYS (2). The answer's
   * version field is 1 in each case.
   */
  setVersion(_caller: number, version: number): number {
    if (version !== 1 && version !== 2) return -EINVAL;
    return version === 1 ? 0 : -ENOSYS;
  }

  /** GNTTABOP_get_version: 1, -ESRCH or -EPERM. */
  getVersion(caller: number, dom: number): number {
    const self = this.tableOf(caller);
    const table = this.resolve(self, dom);
    if (table === undefined) return -ESRCH;
    return this.mayControl(self, table) ? 1 : -EPERM;
  }

  /** GNTTABOP_get_status_frames: version 1 has none, so GNTST_general_error for any number but 0. */
  getStatusFrames(caller: number, dom: number, nrFrames: number): number {
    const self = this.tableOf(caller);
    const table = this.resolve(self, dom);
    if (table === undefined) return GNTST_bad_domain;
    if (!this.mayControl(self, table)) return GNTST_permission_denied;
    return nrFrames > 0 ? GNTST_general_error : GNTST_okay;
  }

  /** GNTTABOP_swap_grant_ref: GNTST_okay, bad_gntref, eagain (one of them is pinned). */
  swapGrantRef(caller: number, refA: number, refB: number): number {
    const table = this.tableOf(caller);
    if (refA >= table.entryCount || refB >= table.entryCount) return GNTST_bad_gntref;
    if (refA === refB) return GNTST_okay;
    if (table.pin[refA] !== 0 || table.pin[refB] !== 0) return GNTST_eagain;
    const u32 = this.mmu.memory.u32;
    const a = table.entryAt(refA) >>> 2;
    const b = table.entryAt(refB) >>> 2;
    for (let i = 0; i < 2; i++) {
      const word = u32[a + i];
      u32[a + i] = u32[b + i];
      u32[b + i] = word;
    }
    return GNTST_okay;
  }

  /**
   * Writes an entry of a domain's shared table: for the domain builder (GNTTAB_RESERVED_*) and for TypeScript domains,
   * which have no other way to reach theirs.
   * @param flags GTF_*; GTF_invalid takes the grant back
   * @returns false if there is no such entry or it is in use
   */
  writeEntry(domid: number, ref: number, flags: number, grantee: number, frame: number): boolean {
    const table = this.tableOf(domid);
    if (!(ref < table.entryCount) || table.pin[ref] !== 0) return false;
    const { u16, u32 } = this.mmu.memory;
    const entry = table.entryAt(ref);
    u16[(entry + 2) >>> 1] = grantee;
    u32[(entry + 4) >>> 2] = frame;
    u16[entry >>> 1] = flags;
    return true;
  }

  /**
   * Live view of a frame's 4096 bytes, for a TypeScript domain that has mapped it (or owns it). Whoever keeps a writable
   * mapping for long calls `mmu.noteHostWrite` after writing; short ones are covered by map and unmap.
   */
  frameBytes(mfn: number): Uint8Array {
    const host = this.mmu.frames.hostAddress(mfn);
    return this.mmu.memory.u8.subarray(host, host + PAGE_SIZE);
  }

  /** Violations of the tables' invariants, recounted from scratch; empty = all hold. */
  audit(): string[] {
    return auditGrants([...this.byId.values()]);
  }
}
