/** The disk behind a virtual block device. Disks of @xen-node/virtual-disk are such. */
export interface BlockDevice {
  /** Names the disk to people: in most cases its file. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** 512 or 4096: requests are aligned to it. */
  readonly sectorBytes: number;
  /** 0: it can't discard. */
  readonly discardGranularityBytes: number;
  /** Fills all buffers from `offset` on. Rejects with an Error whose message names the file and the reason. */
  read(offset: number, buffers: readonly Uint8Array[]): Promise<void>;
  write(offset: number, buffers: readonly Uint8Array[]): Promise<void>;
  /** Does a read before it returns, if that takes no waiting. False: it wasn't done, and `read` is the way. Never throws. */
  readNow?(offset: number, buffers: readonly Uint8Array[]): boolean;
  /** Resolves when all writes that were resolved before the call are on stable storage. */
  flush(): Promise<void>;
  discard(offset: number, lengthBytes: number): Promise<void>;
  /** Called by the disk when its size changed; the backend sets it. */
  onResize?: (sizeBytes: number) => void;
  close(): Promise<void>;
}
