// The host's end of a TCP connection, as the connection sees it.

/** Why a stream ended before its time: a code as Node's system errors have ("ECONNREFUSED"). */
export interface HostStreamError {
  readonly code: string;
}

export interface HostStreamEvents {
  /** The connection to the host's side is there. Not called for streams that came connected. */
  connected(): void;
  /** Bytes from the host's side; they are the receiver's to keep. */
  data(bytes: Uint8Array): void;
  /** The host's side sends no more. */
  ended(): void;
  /** `pendingBytes` has become less. */
  taken(): void;
  /** It is all over, and nothing comes any more. */
  closed(error: HostStreamError | undefined): void;
}

export interface HostStream {
  /** Bytes written that the host has not taken yet. */
  readonly pendingBytes: number;
  /** Copies the bytes and sends them. */
  write(bytes: Uint8Array): void;
  /** Sends no more, after what is pending. */
  end(): void;
  /** Ends both directions at once, by a reset where that is possible. `closed` may come later. */
  abort(): void;
  /** Stops `data`; a little that was read already may still come. */
  pause(): void;
  resume(): void;
}

/** Makes a stream; it calls `events` only later. */
export type OpenHostStream = (events: HostStreamEvents) => HostStream;
