// The one interface of the package, and the one error that its promises reject with.

/** Host error names (errno) that a DiskError can carry. */
export type DiskErrorCode =
  | "EIO"
  | "ENOSPC"
  | "EROFS"
  | "EINVAL"
  | "ENOENT"
  | "EACCES"
  | "EBADF"
  | "EBUSY"
  | "EEXIST"
  | "EISDIR"
  | "EOPNOTSUPP";

/** One sentence in `message` that names the file and says what happened. */
export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly code: DiskErrorCode;
  /** The file or URL. */
  readonly file: string;

  constructor(code: DiskErrorCode, file: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.file = file;
  }
}

/**
 * A disk. Requests may be in flight together; overlapping writes in flight have no order, but a write that was resolved
 * is seen by every later read. A request outside [0, sizeBytes) rejects with EINVAL, and no request touches its buffers
 * after it has settled.
 */
export interface BlockDevice {
  /** For messages: the file or URL. */
  readonly name: string;
  /** A multiple of 512; may change (see onResize). */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Logical sector size: 512 or 4096 (a request is always aligned to it). */
  readonly sectorBytes: number;
  /** 0: discard is not offered. */
  readonly discardGranularityBytes: number;
  /** Fills the buffers, one after the other, from byte `offset` of the disk. Rejects with DiskError. */
  read(offset: number, buffers: readonly Uint8Array[]): Promise<void>;
  write(offset: number, buffers: readonly Uint8Array[]): Promise<void>;
  /**
   * Does a read before it returns, if that takes no waiting: true, the buffers are full. False: it was not done, for whatever
   * reason, and `read` is the way. Not to be called while an overlapping request is in flight that changes the range. Never throws.
   */
  readNow?(offset: number, buffers: readonly Uint8Array[]): boolean;
  /** All writes that were resolved before are on stable storage when this resolves (fsync/fdatasync). */
  flush(): Promise<void>;
  /** The range's contents may be dropped; every implementation of this package reads zeros afterwards. */
  discard(offset: number, lengthBytes: number): Promise<void>;
  /** Set by the consumer; called when the size has changed. */
  onResize?: (sizeBytes: number) => void;
  close(): Promise<void>;
}
