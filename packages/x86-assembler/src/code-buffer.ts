/** A reference to a label whose place is not known yet. */
interface Fixup {
  readonly label: string;
  /** Where the bytes of the reference lie. */
  readonly at: number;
  /** What the label's offset is counted from: undefined for an absolute address of eight bytes. */
  readonly from: number | undefined;
  readonly addend: number;
}

/** Bytes that grow, labels, and the references between them. */
export class CodeBuffer {
  private bytes = new Uint8Array(4096);
  private view = new DataView(this.bytes.buffer);
  private readonly labels = new Map<string, number>();
  private readonly fixups: Fixup[] = [];
  /** Bytes so far. */
  size = 0;

  u8(value: number): void {
    this.grow(1);
    this.bytes[this.size++] = value;
  }

  /** `value` may be signed or unsigned. */
  integer(size: 1 | 2 | 4 | 8, value: number | bigint): void {
    const bits = BigInt(value);
    const unsigned = BigInt.asUintN(size * 8, bits);
    if (bits !== unsigned && bits !== BigInt.asIntN(size * 8, bits))
      throw new Error(`${value} does not fit ${size} bytes`);
    this.grow(8);
    this.view.setBigUint64(this.size, unsigned, true);
    this.size += size;
  }

  append(bytes: ArrayLike<number>): void {
    this.grow(bytes.length);
    this.bytes.set(bytes, this.size);
    this.size += bytes.length;
  }

  define(label: string, at: number): void {
    if (this.labels.has(label)) throw new Error(`the label ${label} is defined twice`);
    this.labels.set(label, at);
  }

  /** Four bytes: the distance to `label` from a place `bytesAfter` behind them. */
  relative(label: string, addend: number, bytesAfter: number): void {
    this.fixups.push({ label, at: this.size, from: this.size + 4 + bytesAfter, addend });
    this.integer(4, 0);
  }

  /** Eight bytes: the address of `label`. */
  absolute(label: string): void {
    this.fixups.push({ label, at: this.size, from: undefined, addend: 0 });
    this.integer(8, 0);
  }

  /** The bytes with all references filled in, and the labels' offsets. @throws Error for a label that is nowhere. */
  link(origin: number): { bytes: Uint8Array; labels: Map<string, number> } {
    for (const { label, at, from, addend } of this.fixups) {
      const place = this.labels.get(label);
      if (place === undefined) throw new Error(`the label ${label} is not defined`);
      if (from === undefined) this.view.setBigInt64(at, BigInt(origin + place + addend), true);
      else this.view.setInt32(at, place + addend - from, true);
    }
    return { bytes: this.bytes.slice(0, this.size), labels: this.labels };
  }

  private grow(more: number): void {
    // Eight bytes are left free, so that an integer of any size can be stored as one of eight.
    if (this.size + more + 8 <= this.bytes.length) return;
    const larger = new Uint8Array((this.size + more + 8) * 2);
    larger.set(this.bytes);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}
