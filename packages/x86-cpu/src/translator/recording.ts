/** Blocks that are executed one by one before hot code is translated. */
const RECORDED_BLOCKS = 1000;
/** Share of a recording in blocks of which it holds others of the same: below it hardly anything goes round in it. */
const LEAST_REPEATED = 0.7;

/**
 * What the interpreter did from the moment that code turned out hot: a short run, block by block, shows which blocks belong
 * together and where indirect jumps lead, at a fraction of what it costs to translate the blocks that do not.
 */
export class Recording {
  /** How often each block was executed, by its linear address. */
  readonly counts = new Map<number, number>();
  /**
   * Where control went from each block, by the address behind its last instruction: the interpreter's blocks go on behind
   * conditional jumps, so that several may end with the same one.
   */
  readonly followers = new Map<number, Set<number>>();
  private last = Number.NaN;
  private left = RECORDED_BLOCKS;
  /** `isWay`, once the recording is over and somebody has asked: every block of a region asks. */
  private way: boolean | undefined;

  constructor(
    readonly l4Mfn: number,
    readonly mode: number,
    /** The block that was found hot. */
    readonly start: number,
  ) {}

  /** The block from `va` up to `end` is about to be executed. */
  enter(va: number, end: number): void {
    const count = this.counts.get(va);
    this.counts.set(va, (count ?? 0) + 1);
    if (!Number.isNaN(this.last)) {
      const followers = this.followers.get(this.last);
      if (followers) followers.add(va);
      else this.followers.set(this.last, new Set([va]));
    }
    this.last = end;
    this.left--;
  }

  /** A block of another address space is about to be executed. */
  skip(): void {
    this.last = Number.NaN;
    this.left--;
  }

  /**
   * When it is over: whether it is a long way through a lot of code, as a kernel's work for a process is, rather than
   * rounds of some loops. Such code is hot as a whole or not at all.
   */
  get isWay(): boolean {
    this.way ??= this.hardlyRepeats();
    return this.way;
  }

  private hardlyRepeats(): boolean {
    let all = 0;
    let once = 0;
    for (const count of this.counts.values()) {
      all += count;
      if (count === 1) once++;
    }
    return once > (1 - LEAST_REPEATED) * all;
  }

  /** Executions of a block that make it worth translating. */
  get leastCount(): number {
    return this.isWay ? 1 : 2;
  }

  get isOver(): boolean {
    return this.left <= 0;
  }
}
