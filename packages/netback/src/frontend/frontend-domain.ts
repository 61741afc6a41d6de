// What a frontend written in TypeScript needs of the domain that it runs in.

/** A port that waits for a backend to bind to it. */
export interface FrontendChannel {
  readonly port: number;
  /** Sends an event to whoever bound. */
  notify(): void;
  close(): void;
}

export interface FrontendDomain {
  /** A frame of the domain's own, 4096 zero bytes. */
  allocateFrame(): Uint8Array;
  freeFrame(frame: Uint8Array): void;
  /** Grants a frame to a domain; returns the grant reference. */
  grantAccess(domid: number, frame: Uint8Array, readOnly: boolean): number;
  /** Takes the grant back. False: it is still mapped; the frame must not be used for anything else. */
  endAccess(ref: number): boolean;
  /** Opens a port for `domid`. `onEvent` may be called inside of a hypercall. */
  openEventChannel(domid: number, onEvent: () => void): FrontendChannel;
}
