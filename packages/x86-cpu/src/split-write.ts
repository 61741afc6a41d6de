import { type Mmu, PAGE_SIZE } from "@xen-node/mmu";
import { SPLIT_WRITE } from "./state.ts";

/**
 * A store that is put together in the buffer at SPLIT_WRITE first: because it crosses pages, or because its frame has
 * decoded instructions, which must be forgotten behind the store rather than in the middle of it.
 */
export class SplitWrite {
  private host = 0;
  private mfn = 0;
  private length = 0;
  private secondHost = 0;
  private secondMfn = 0;
  private secondLength = 0;

  constructor(private readonly mmu: Mmu) {}

  /** Where the buffer's first bytes, or all of them, belong. */
  begin(host: number, mfn: number, length: number): void {
    this.host = host;
    this.mfn = mfn;
    this.length = length;
    this.secondLength = 0;
  }

  /** Where the rest belongs: the start of another frame. */
  crossInto(host: number, mfn: number, length: number): void {
    this.secondHost = host;
    this.secondMfn = mfn;
    this.secondLength = length;
  }

  /** The buffer is complete: stores it and reports the change. */
  commit(): void {
    const { u8 } = this.mmu.memory;
    const { frames } = this.mmu;
    u8.copyWithin(this.host, SPLIT_WRITE, SPLIT_WRITE + this.length);
    if (this.secondLength > 0) {
      const second = SPLIT_WRITE + this.length;
      u8.copyWithin(this.secondHost, second, second + this.secondLength);
    }
    frames.noteHostWrite(this.mfn, this.host & (PAGE_SIZE - 1), this.length);
    if (this.secondLength > 0) frames.noteHostWrite(this.secondMfn, 0, this.secondLength);
  }
}
