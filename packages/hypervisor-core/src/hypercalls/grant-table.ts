import type { GrantCopy, GrantTableSize, MapGrantRef, UnmapGrantRef } from "@xen-node/grant-tables";
import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_host_map,
  GNTST_general_error,
  GNTST_okay,
} from "@xen-node/xen-abi";
import type { Domain } from "../domain.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { GrantCopyEnd, GrantMapping, GrantTableCalls } from "./interface.ts";

/** Grant table operations of one domain. */
export class DomainGrantTable implements GrantTableCalls {
  /** TypeScript domains: mfn behind each handle. */
  private readonly handles = new Map<number, number>();

  constructor(
    private readonly hv: Hypervisor,
    private readonly domain: Domain,
  ) {}

  mapGrantRef(domid: number, ref: number, flags: number): GrantMapping {
    const op: MapGrantRef = { dom: domid, ref, flags: flags | GNTMAP_host_map };
    this.map(op);
    const mapping = { status: op.status ?? GNTST_general_error, handle: op.handle ?? -1, mfn: op.mfn ?? -1 };
    if (mapping.status === GNTST_okay && this.domain.kind === "typescript") {
      const { mappedFrames } = this.domain;
      this.handles.set(mapping.handle, mapping.mfn);
      mappedFrames.set(mapping.mfn, (mappedFrames.get(mapping.mfn) ?? 0) + 1);
    }
    return mapping;
  }

  unmapGrantRef(handle: number): number {
    const op: UnmapGrantRef = { handle };
    this.unmap([op], 1);
    if (op.status === GNTST_okay) this.forget(handle);
    return op.status ?? GNTST_general_error;
  }

  private forget(handle: number): void {
    const mfn = this.handles.get(handle);
    if (mfn === undefined) return;
    this.handles.delete(handle);
    const { mappedFrames } = this.domain;
    const left = (mappedFrames.get(mfn) ?? 1) - 1;
    if (left > 0) mappedFrames.set(mfn, left);
    else mappedFrames.delete(mfn);
  }

  /** One record of GNTTABOP_map_grant_ref, answered in place. */
  map(op: MapGrantRef): void {
    this.hv.grants.mapGrantRef(this.domain.domid, op);
  }

  /** Records of GNTTABOP_unmap_grant_ref, answered in place. */
  unmap(ops: readonly UnmapGrantRef[], count: number): void {
    this.hv.grants.unmapGrantRefs(this.domain.domid, ops, count);
  }

  /** Records of GNTTABOP_unmap_and_replace, answered in place. */
  unmapAndReplace(ops: readonly UnmapGrantRef[], count: number): void {
    this.hv.grants.unmapAndReplace(this.domain.domid, ops, count);
  }

  copy(source: GrantCopyEnd, dest: GrantCopyEnd, length: number): number {
    const op: GrantCopy = {
      source: { domid: source.domid, ref: source.ref ?? source.gfn ?? 0, offset: source.offset },
      dest: { domid: dest.domid, ref: dest.ref ?? dest.gfn ?? 0, offset: dest.offset },
      len: length,
      flags: (source.ref !== undefined ? GNTCOPY_source_gref : 0) | (dest.ref !== undefined ? GNTCOPY_dest_gref : 0),
    };
    this.copyOne(op);
    return op.status ?? GNTST_general_error;
  }

  /** One record of GNTTABOP_copy, answered in place. */
  copyOne(op: GrantCopy): void {
    this.hv.grants.copy(this.domain.domid, op);
  }

  copyFromGrant(domid: number, ref: number, offset: number, into: Uint8Array): number {
    return this.hv.grants.copyFromGrant(this.domain.domid, domid, ref, offset, into);
  }

  copyToGrant(domid: number, ref: number, offset: number, from: Uint8Array): number {
    return this.hv.grants.copyToGrant(this.domain.domid, domid, ref, offset, from);
  }

  writeEntry(ref: number, flags: number, domid: number, mfn: number): boolean {
    return this.hv.grants.writeEntry(this.domain.domid, ref, flags, domid, mfn);
  }

  setupTable(domid: number, frames: number): number[] | number {
    const status = this.hv.grants.setupTable(this.domain.domid, domid, frames);
    if (status !== GNTST_okay) return status;
    const owner = domid === DOMID_SELF ? this.domain.domid : domid;
    return this.hv.grants.sharedFrames(owner).slice(0, frames);
  }

  querySize(domid: number): { status: number; frames: number; maxFrames: number } {
    const out: GrantTableSize = { status: 0, nrFrames: 0, maxNrFrames: 0 };
    this.hv.grants.querySize(this.domain.domid, domid, out);
    return { status: out.status, frames: out.nrFrames, maxFrames: out.maxNrFrames };
  }

  setVersion(version: number): number {
    const rc = this.hv.grants.setVersion(this.domain.domid, version);
    return rc < 0 ? rc : 1;
  }

  getVersion(domid: number): number {
    return this.hv.grants.getVersion(this.domain.domid, domid);
  }
}
