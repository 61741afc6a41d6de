import { RUNSTATE_offline } from "@xen-node/xen-abi";

/** Time spent in each RUNSTATE_* (xen/include/public/vcpu.h). Times in ns. */
export class Runstate {
  state: number = RUNSTATE_offline;
  entryNs = 0;
  readonly timeNs = new Float64Array(4);
  /** Guest address of a registered vcpu_runstate_info; NaN = none. */
  areaVa = Number.NaN;

  change(state: number, now: number): void {
    if (state === this.state) return;
    this.timeNs[this.state] += Math.max(0, now - this.entryNs);
    this.state = state;
    this.entryNs = now;
  }

  /**
   * Writes the structure; the time of the current state includes what has passed since it was entered.
   * @param wordBytes of the guest: its 64-bit numbers are aligned to so many bytes
   */
  encode(view: DataView, now: number, updating: boolean, wordBytes: 4 | 8): void {
    view.setUint32(0, this.state, true);
    if (wordBytes === 8) view.setUint32(4, 0, true);
    putU64(view, wordBytes, this.entryNs);
    // XEN_RUNSTATE_UPDATE: the top bit says that a write is going on.
    const top = wordBytes + 7;
    if (updating) view.setUint8(top, view.getUint8(top) | 0x80);
    for (let i = 0; i < 4; i++) {
      const open = i === this.state ? Math.max(0, now - this.entryNs) : 0;
      putU64(view, wordBytes + 8 + 8 * i, this.timeNs[i] + open);
    }
  }
}

/** Stores a non-negative safe integer as a little-endian u64. */
export function putU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 0x100000000), true);
}
