// Where the changed blocks of an overlay lie.
import type { BlockStates } from "./block-states.ts";

/** Offsets are those of the disk. Only blocks in state BLOCK_DATA are read. */
export interface OverlayStore {
  readonly states: BlockStates;
  readonly name: string;
  read(offset: number, buffers: readonly Uint8Array[], lengthBytes: number): Promise<void>;
  write(offset: number, buffers: readonly Uint8Array[], lengthBytes: number): Promise<void>;
  /** Whole blocks that will not be read before they are written again. */
  drop(offset: number, lengthBytes: number): Promise<void>;
  /** Data first, then states: after a crash a block is either old or new. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
