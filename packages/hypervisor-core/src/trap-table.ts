/** A vcpu's trap table (xen/include/public/arch-x86/xen.h, struct trap_info), one entry a vector. */
export class TrapTable {
  /** Handler addresses; 0 = none. */
  readonly address = new Float64Array(256);
  readonly cs = new Uint16Array(256);
  /** Bits 0-1 DPL, bit 2: events are masked on entry. */
  readonly flags = new Uint8Array(256);

  set(vector: number, flags: number, cs: number, address: number): void {
    this.flags[vector] = flags;
    this.cs[vector] = cs;
    this.address[vector] = address;
  }

  clear(): void {
    this.address.fill(0);
    this.cs.fill(0);
    this.flags.fill(0);
  }

  dpl(vector: number): number {
    return this.flags[vector] & 3;
  }

  masksEvents(vector: number): boolean {
    return (this.flags[vector] & 4) !== 0;
  }
}

/** Vector whose entry holds the NMI callback. */
export const NMI_VECTOR = 2;
