const TYPES = 64;

/** Which VMASST_TYPE_* a domain has on. Asked at every trap, so it is an array and not a Set. */
export class VmAssists {
  private readonly on = new Uint8Array(TYPES);

  has(type: number): boolean {
    return this.on[type] !== 0;
  }

  /** @param type below 64 */
  set(type: number, on: boolean): void {
    this.on[type] = on ? 1 : 0;
  }

  /** As a word with a bit for each type, in halves. */
  mask(): { lo: number; hi: number } {
    const half = (first: number): number => {
      let word = 0;
      for (let bit = 0; bit < 32; bit++) if (this.on[first + bit] !== 0) word |= 1 << bit;
      return word >>> 0;
    };
    return { lo: half(0), hi: half(32) };
  }

  setMask(lo: number, hi: number): void {
    for (let bit = 0; bit < 32; bit++) {
      this.on[bit] = (lo >>> bit) & 1;
      this.on[32 + bit] = (hi >>> bit) & 1;
    }
  }
}
