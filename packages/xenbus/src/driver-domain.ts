// What a backend needs of the domain that it runs in. Dom0 of @xen-node/toolstack offers it, and so may a driver domain.

/** A frame of another domain, mapped by its grant. */
export interface GrantedPage {
  /** The frame's 4096 bytes, live. Read-only if it was mapped so: then nothing may be written. */
  readonly bytes: Uint8Array;
  /**
   * To be called after writing into a page that stays mapped, before the guest is told: what the processor knows of code
   * in those bytes is forgotten. A page that is unmapped before the guest is told needs none.
   */
  noteWritten(offset: number, length: number): void;
  unmap(): void;
}

/** A bound event channel. */
export interface EventChannel {
  /** Sends an event to the other end; nothing happens if that is closed. */
  notify(): void;
  close(): void;
}

/** What a backend can ask of its own domain. Statuses are GNTST_* (xen/include/public/grant_table.h): 0, or negative. */
export interface DriverDomain {
  readonly domid: number;
  /** Maps a granted frame; a status, if that is refused. */
  mapGrant(domid: number, ref: number, readOnly?: boolean): GrantedPage | number;
  /** Copies bytes out of a granted frame, into all of `into`. */
  copyFromGrant(domid: number, ref: number, offset: number, into: Uint8Array): number;
  /** Copies all of `from` into a granted frame. */
  copyToGrant(domid: number, ref: number, offset: number, from: Uint8Array): number;
  /**
   * Binds to a port that a domain opened; undefined, if that is refused. `onEvent` runs inside the other domain's
   * hypercall: it should note that there is work, and have that done later.
   */
  bindEventChannel(domid: number, port: number, onEvent: () => void): EventChannel | undefined;
}
