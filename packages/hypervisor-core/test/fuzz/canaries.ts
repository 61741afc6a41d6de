import type { Domain, Hypervisor } from "../../src/index.ts";

const WORDS = 1024;

interface Canary {
  domid: number;
  mfn: number;
}

/** Frames that nobody but their owner may read or change. Each word says whose it is and where it belongs. */
export class Canaries {
  private canaries: Canary[] = [];

  constructor(private readonly hv: Hypervisor) {}

  private static mark(domid: number): number {
    return (0x5ec20000 | domid) >>> 0;
  }

  /** Fills a frame of a domain. */
  plant(domid: number, mfn: number): void {
    const { u32 } = this.hv.mmu.memory;
    const at = this.hv.mmu.frames.hostAddress(mfn) >>> 2;
    for (let i = 0; i < WORDS; i += 2) {
      u32[at + i] = Canaries.mark(domid);
      u32[at + i + 1] = ((mfn << 10) | i) >>> 0;
    }
    this.canaries.push({ domid, mfn });
  }

  /** The domain is gone. */
  forget(domid: number): void {
    this.canaries = this.canaries.filter((canary) => canary.domid !== domid);
  }

  /** mfns of the frames of other domains. */
  of(others: (domid: number) => boolean): number[] {
    return this.canaries.filter(({ domid }) => others(domid)).map(({ mfn }) => mfn);
  }

  /** Sentences about frames that changed though their owner did nothing. @param actor who acted: it may spoil its own */
  changes(actor: number): string[] {
    const problems: string[] = [];
    this.canaries = this.canaries.filter((canary) => {
      const problem = this.changeOf(canary);
      if (problem !== undefined && canary.domid !== actor) problems.push(`domain ${actor}: ${problem}`);
      return problem === undefined;
    });
    return problems;
  }

  private changeOf({ domid, mfn }: Canary): string | undefined {
    const { memory, frames } = this.hv.mmu;
    const name = `frame 0x${mfn.toString(16)} of domain ${domid}`;
    if (frames.owner[mfn] !== domid) return `${name} belongs to ${frames.owner[mfn]}`;
    const at = frames.hostAddress(mfn) >>> 2;
    for (let i = 0; i < WORDS; i += 2) {
      if (memory.u32[at + i] !== Canaries.mark(domid)) return `${name} has changed at ${i * 4}`;
      if (memory.u32[at + i + 1] !== ((mfn << 10) | i) >>> 0) return `${name} has changed at ${i * 4 + 4}`;
    }
    return undefined;
  }

  /** Sentences about frames of a domain that hold another domain's words. */
  leaks(domain: Domain): string[] {
    const { memory, frames } = this.hv.mmu;
    const own = Canaries.mark(domain.domid);
    const marks = new Set(this.canaries.map(({ domid }) => Canaries.mark(domid)).filter((mark) => mark !== own));
    const problems: string[] = [];
    for (let mfn = frames.nextOwned(domain.domid); mfn >= 0; mfn = frames.nextOwned(domain.domid, mfn + 1)) {
      const at = frames.hostAddress(mfn) >>> 2;
      for (let i = 0; i < WORDS; i++) {
        const word = memory.u32[at + i];
        if (word >>> 16 !== 0x5ec2 || !marks.has(word)) continue;
        problems.push(`domain ${domain.domid} has words of domain ${word & 0xffff} in frame 0x${mfn.toString(16)}`);
        break;
      }
    }
    return problems;
  }
}
