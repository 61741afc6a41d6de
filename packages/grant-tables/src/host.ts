/**
 * The part of the memory manager that grant tables touch. `Mmu` of @xen-node/mmu satisfies it.
 * Host addresses are byte offsets in the one WebAssembly.Memory; mfns are names of frames.
 */
export interface GrantMmu {
  readonly memory: { readonly u8: Uint8Array; readonly u16: Uint16Array; readonly u32: Uint32Array };
  readonly frames: {
    alloc(domid: number): number;
    /** For writing. */
    hostAddress(mfn: number): number;
    /** For reading, until the frame is written to. */
    readAddress(mfn: number): number;
  };
  readonly types: {
    getPage(mfn: number, domid: number): boolean;
    putPage(mfn: number): void;
    getPageType(mfn: number, type: number, domid: number): number;
    putPageType(mfn: number): void;
    shareWithGuest(mfn: number, domid: number, writable: boolean): void;
    unshare(mfn: number): void;
  };
  /** Tells the code cache that bytes of a frame were written by the host. */
  noteHostWrite(mfn: number, offset: number, length: number): void;
}

/**
 * Installs and removes page-table entries of one machine-code domain. Both calls answer GNTST_okay or
 * GNTST_general_error. `flags` are the map's GNTMAP_* bits: with GNTMAP_contains_pte the address is the machine address
 * of an L1 entry, without it a virtual address in the current address space. The frame's references are the grant
 * table's: the entry must be stored without taking any, and cleared without dropping any (`storeGrantEntry` and
 * `clearGrantEntry` of mmu's PageTypes).
 */
export interface HostMapper {
  create(hostAddrLo: number, hostAddrHi: number, mfn: number, flags: number): number;
  /**
   * Removes the entry after checking that it maps `mfn` with the right writability. A non-zero new address
   * (unmap_and_replace) moves that address's entry here.
   */
  replace(
    hostAddrLo: number,
    hostAddrHi: number,
    mfn: number,
    flags: number,
    newAddrLo: number,
    newAddrHi: number,
  ): number;
  /** After a batch of removals, before the frames' references are dropped. */
  flushTlb(): void;
}

export interface GrantDomainSettings {
  /** May act on other domains' tables, as Dom0 may. Default false. */
  privileged?: boolean;
  /** Default 64 (Xen's). At least 1. */
  maxGrantFrames?: number;
  /** 256 handles each. Default 1024 (Xen's). */
  maxMaptrackFrames?: number;
  /** For a domain of machine code. Without it host mappings are bookkeeping only: the caller uses the mfn. */
  hostMapper?: HostMapper;
  /**
   * For a domain whose physical address space is translated: the mfn behind what it calls a frame, or -1. Without it the
   * frames that it names are machine frames.
   */
  frameOf?(gfn: number): number;
}

/** GNTTABOP_map_grant_ref: one record, answered in place. 64-bit addresses are (lo, hi) pairs of uint32. */
export interface MapGrantRef {
  hostAddrLo?: number;
  hostAddrHi?: number;
  /** GNTMAP_* */
  flags: number;
  ref: number;
  /** Granting domain. */
  dom: number;
  /** Out: GNTST_*; the next two only if it is GNTST_okay. */
  status?: number;
  handle?: number;
  /** Out: the granted frame (dev_bus_addr is mfn * 4096). */
  mfn?: number;
}

/**
 * GNTTABOP_unmap_grant_ref and GNTTABOP_unmap_and_replace. A zero address leaves that kind of mapping alone; a domain
 * without a HostMapper unmaps all that the handle tracks, whatever the addresses.
 */
export interface UnmapGrantRef {
  handle: number;
  hostAddrLo?: number;
  hostAddrHi?: number;
  devBusAddrLo?: number;
  devBusAddrHi?: number;
  /** unmap_and_replace only. */
  newAddrLo?: number;
  newAddrHi?: number;
  /** Out: GNTST_*. */
  status?: number;
}

/** One side of GNTTABOP_copy: `ref` is a grant reference or, without the GNTCOPY_*_gref flag, a frame of the caller. */
export interface GrantCopyPointer {
  ref: number;
  domid: number;
  offset: number;
}

export interface GrantCopy {
  source: GrantCopyPointer;
  dest: GrantCopyPointer;
  len: number;
  /** GNTCOPY_* */
  flags: number;
  /** Out: GNTST_*. */
  status?: number;
}

/** Answer of `querySize`. */
export interface GrantTableSize {
  status: number;
  nrFrames: number;
  maxNrFrames: number;
}
