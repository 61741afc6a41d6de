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
}
