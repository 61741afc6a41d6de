/** A growing byte buffer with WebAssembly's LEB128 and name encodings. */
export class ByteWriter {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
  }

  private grow(extra: number): void {
    const bytes = new Uint8Array(Math.max(this.bytes.length * 2, this.length + extra));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }

  byte(value: number): this {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = value;
    return this;
  }

  append(source: Uint8Array, count = source.length): this {
    if (this.length + count > this.bytes.length) this.grow(count);
    this.bytes.set(count === source.length ? source : source.subarray(0, count), this.length);
    this.length += count;
    return this;
  }

  /** Unsigned 32-bit LEB128. */
  u32(value: number): this {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.byte(rest);
  }

  /** Signed 32-bit LEB128. */
  s32(value: number): this {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** Signed 64-bit LEB128. Numbers must be safe integers; larger constants come as bigint. */
  s64(value: number | bigint): this {
    if (typeof value === "number" && value === (value | 0)) return this.s32(value);
    let rest = BigInt.asIntN(64, BigInt(value));
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  f64(value: number): this {
    return this.append(new Uint8Array(new Float64Array([value]).buffer));
  }

  f32(value: number): this {
    return this.append(new Uint8Array(new Float32Array([value]).buffer));
  }

  /** A name or other ASCII string, length first. */
  name(text: string): this {
    this.u32(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
    return this;
  }

  toUint8Array(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length) as Uint8Array<ArrayBuffer>;
  }
}
