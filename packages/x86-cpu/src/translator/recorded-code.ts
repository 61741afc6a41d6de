import type { Mmu } from "@xen-node/mmu";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code-cache.ts";
import type { Recording } from "./recording.ts";

const PAGE = 4096;
/** Instructions of a recorded way that are better interpreted than translated by themselves. */
const SHORTEST_STRETCH = 16;

/** Finds what is worth a region in what was recorded. */
export class RecordedCode {
  constructor(
    private readonly mmu: Mmu,
    private readonly code: CodeCache,
  ) {}

  private frameAt(va: number, { l4Mfn }: Recording): number {
    return this.mmu.walker.executedFrame(l4Mfn, va | 0, Math.floor(va / 2 ** 32) | 0);
  }

  blockAt(va: number, recording: Recording): Block | undefined {
    const mfn = this.frameAt(va, recording);
    return mfn < 0 ? undefined : this.code.blockAt(mfn, va & (PAGE - 1), recording.mode);
  }

  /** What is interpreted most of a recording, and no thunk of a single instruction. */
  hottestOf(recording: Recording): number | undefined {
    let hottest: number | undefined;
    let most = 1;
    for (const [va, count] of recording.counts) {
      if (count <= most) continue;
      const block = this.blockAt(va, recording);
      if (block === undefined || block.regionWord !== 0 || block.instructions < 2) continue;
      hottest = va;
      most = count;
    }
    return hottest;
  }

  /** Where the longest stretch of a recorded way begins that no region holds. */
  longestStretchOf(recording: Recording): number | undefined {
    let longest: number | undefined;
    let most = SHORTEST_STRETCH;
    let start = 0;
    let instructions = 0;
    for (const va of recording.counts.keys()) {
      const block = this.blockAt(va, recording);
      if (block === undefined || this.code.isWatched(this.frameAt(va, recording), va & (PAGE - 1))) {
        instructions = 0;
        continue;
      }
      if (instructions === 0) start = va;
      instructions += block.instructions;
      if (instructions <= most) continue;
      longest = start;
      most = instructions;
    }
    return longest;
  }
}
