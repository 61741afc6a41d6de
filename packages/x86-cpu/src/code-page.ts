import type { Block } from "./block.ts";

/** Somebody who wants to know when bytes change that code was made from. */
export interface CodeUse {
  readonly place: number;
  /** Bytes [start, end) of it. */
  readonly start: number;
  readonly end: number;
  /** They changed, are forgotten, or a frame has left their place. */
  onChange(): void;
}

/** What is known of the code in a page. */
export class CodePage {
  readonly uses = new Set<CodeUse>();
  /** Samples of the interpreter that met this page. */
  heat = 0;
  /** How often it was looked for the same page elsewhere. */
  trials = 0;
  /** The block that starts at `offset | mode << 12`. */
  readonly starts = new Map<number, Block>();
  readonly blocks = new Set<Block>();
  /** One bit for each 64-byte line that code was made from. */
  private linesLow = 0;
  private linesHigh = 0;

  /** @param changed bytes with code have changed since it was looked for the same page elsewhere */
  constructor(public changed: boolean) {}

  /** Code was made from bytes [start, end). */
  mark(start: number, end: number): void {
    for (let line = start >> 6; line <= (end - 1) >> 6; line++) {
      if (line < 32) this.linesLow |= 1 << line;
      else this.linesHigh |= 1 << (line - 32);
    }
  }

  /** Whether code may have been made from some of bytes [start, end). */
  touches(start: number, end: number): boolean {
    for (let line = start >> 6; line <= Math.min(63, (end - 1) >> 6); line++) {
      if (((line < 32 ? this.linesLow >>> line : this.linesHigh >>> (line - 32)) & 1) !== 0) return true;
    }
    return false;
  }
}
