// What a frontend needs of the domain that it runs in. A guest written in TypeScript offers it.

/** A frame of the guest's own. */
export interface OwnPage {
  /** 4096 bytes. */
  readonly bytes: Uint8Array;
}

export interface GuestDomain {
  readonly domid: number;
  /** A page of zeros. */
  allocatePage(): OwnPage;
  freePage(page: OwnPage): void;
  /** Lets another domain map a page; returns the grant reference. */
  grant(domid: number, page: OwnPage, readOnly?: boolean): number;
  /** Ends a grant. False: it is still mapped, and stays. */
  revoke(ref: number): boolean;
  /** Opens a port for another domain. */
  openEventChannel(domid: number, onEvent: () => void): OwnChannel;
}

export interface OwnChannel {
  readonly port: number;
  notify(): void;
  close(): void;
}
