/**
 * The typed hypercall interface. Machine-code guests reach it through the adapters in `abi/`, which decode registers and
 * guest memory; TypeScript domains call it directly. Numbers returned are results >= 0 or negative Xen errnos.
 */

/** xen/include/public/event_channel.h, EVTCHNOP_status. */
export interface EventChannelStatus {
  status: number;
  vcpu: number;
  /** Only for EVTCHNSTAT_unbound and EVTCHNSTAT_interdomain. */
  remoteDomid: number;
  remotePort: number;
  /** Only for EVTCHNSTAT_virq. */
  virq: number;
}

/** Event channel operations of the calling domain. `domid` arguments accept DOMID_SELF. */
export interface EventChannelCalls {
  /** Allocates a port in `domid` that `remoteDomid` may bind. Port or -errno. */
  allocUnbound(domid: number, remoteDomid: number): number;
  /** Binds a new local port to an unbound remote one. Local port or -errno. */
  bindInterdomain(remoteDomid: number, remotePort: number): number;
  bindVirq(virq: number, vcpu: number): number;
  bindIpi(vcpu: number): number;
  bindVcpu(port: number, vcpu: number): number;
  close(port: number): number;
  send(port: number): number;
  status(domid: number, port: number): EventChannelStatus | number;
  unmask(port: number): number;
  reset(domid: number): number;
  /** FIFO ABI. */
  initControl(gfn: number, offset: number, vcpu: number): number;
  expandArray(gfn: number): number;
  setPriority(port: number, priority: number): number;
}

/** The outcome of a grant map: `status` is GNTST_*; handle and mfn are valid when it is GNTST_okay (0). */
export interface GrantMapping {
  status: number;
  handle: number;
  mfn: number;
}

/** One end of a grant copy: a grant reference of `domid`, or one of the caller's own frames. */
export interface GrantCopyEnd {
  domid: number;
  ref?: number;
  gfn?: number;
  offset: number;
}

/** Grant table operations of the calling domain. Statuses are GNTST_* (0 or negative). */
export interface GrantTableCalls {
  /** Maps a frame that `domid` granted to the caller. `flags` are GNTMAP_*; only for TypeScript domains it makes no PTE. */
  mapGrantRef(domid: number, ref: number, flags: number): GrantMapping;
  unmapGrantRef(handle: number): number;
  copy(source: GrantCopyEnd, dest: GrantCopyEnd, length: number): number;
  /** Fills all of `into`, the caller's own memory, from a granted frame. TypeScript domains only. */
  copyFromGrant(domid: number, ref: number, offset: number, into: Uint8Array): number;
  /** Copies all of `from`, the caller's own memory, into a granted frame. TypeScript domains only. */
  copyToGrant(domid: number, ref: number, offset: number, from: Uint8Array): number;
  /**
   * Writes an entry of the caller's own table, which machine code does in memory: GTF_* flags, who may use it, which
   * frame; GTF_invalid takes the grant back. False: there is no such entry, or it is in use. TypeScript domains only.
   */
  writeEntry(ref: number, flags: number, domid: number, mfn: number): boolean;
  /** Grows the table of `domid` to `frames` frames; returns their mfns, or the GNTST_* status. */
  setupTable(domid: number, frames: number): number[] | number;
  querySize(domid: number): { status: number; frames: number; maxFrames: number };
  /** -errno or the version in force. */
  setVersion(version: number): number;
  getVersion(domid: number): number;
}

/** Memory operations of the calling domain. */
export interface MemoryCalls {
  maximumRamPage(): number;
  currentReservation(domid: number): number;
  maximumReservation(domid: number): number;
  /** One more frame for the caller (zero-filled): its mfn, or -errno. */
  increaseReservation(): number;
  /** Gives one frame back. */
  decreaseReservation(mfn: number): number;
  /** Live bytes of a frame that the caller owns or has mapped by grant (4096 bytes); undefined otherwise. TypeScript domains only. */
  frameBytes(mfn: number): Uint8Array | undefined;
  /**
   * To be called after writing into a frame that stays mapped, before its owner is told: code in these bytes is decoded
   * anew. Mapping and unmapping do as much for all of a frame.
   */
  noteWritten(mfn: number, offset: number, length: number): void;
}

/** Scheduling operations of the calling domain. */
export interface SchedCalls {
  /** SHUTDOWN_* of the calling domain. */
  shutdown(reason: number): number;
  /** Shuts another domain down; privileged. */
  remoteShutdown(domid: number, reason: number): number;
}

/** xen/include/public/version.h. */
export interface VersionCalls {
  /** major << 16 | minor */
  version(): number;
  extraversion(): string;
  capabilities(): string;
  changeset(): string;
  /** XENFEAT_* bits of a sub-map. */
  features(submap: number): number;
  commandline(): string;
  /** The caller's UUID, 16 bytes. */
  guestHandle(): Uint8Array;
}

export interface ConsoleCalls {
  /** Hypervisor console output of the calling domain: bytes written or -errno (-EPERM when not permitted). */
  write(bytes: Uint8Array): number;
}

export interface Hypercalls {
  readonly domid: number;
  readonly eventChannel: EventChannelCalls;
  readonly grantTable: GrantTableCalls;
  readonly memory: MemoryCalls;
  readonly sched: SchedCalls;
  readonly version: VersionCalls;
  readonly console: ConsoleCalls;
}
