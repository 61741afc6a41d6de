/**
 * Cases and results as bytes, little endian. The stream is a sequence of backgrounds and cases; a case says only in what it
 * differs from the background before it, and a result in what it differs from its case.
 *
 *   background: u8 1, 3 bytes, u32 memory seed, u64 x 16 general registers, 512 bytes FXSAVE image
 *   case:       u8 2, u8 mode (bit 0 = compatibility mode), u8 code length, u8 patches, u16 code offset, u16 entry offset,
 *               u32 RFLAGS, u16 GPR mask, u16 XMM mask, u16 floating (1 = MXCSR, 2 = x87);
 *               u64 for each GPR, 16 bytes for each XMM, u32 MXCSR, 104 bytes x87 (24 bytes of the image's head, then
 *               8 x 10 bytes ST0-ST7); the code; for each patch u64 address, u8 length, bytes
 *   result:     u8 trap, u8 memory runs, u16 GPR mask, u32 error code, u64 RIP, u32 RFLAGS, u64 CR2, u16 XMM mask,
 *               u16 floating (1 = MXCSR, 2 = x87, 4 = segments);
 *               u64s, XMMs, u32 MXCSR, x87 as above, segments (u16 x 6 ES CS SS DS FS GS, u64 FS base, u64 GS base);
 *               for each run u64 address, u8 length, bytes
 */
export const FX_BYTES = 512;
export const X87_BYTES = 104;
export const FX_MXCSR = 24;
export const FX_ST = 32;
export const FX_XMM = 160;

/** `trap` of a result: the case did not end. */
export const TRAP_TIMEOUT = 0xff;

export interface Background {
  readonly memorySeed: number;
  readonly gpr: BigUint64Array;
  readonly fx: Uint8Array;
}

export interface MemoryBytes {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface VectorCase {
  compatibility: boolean;
  code: Uint8Array;
  /** Offset in the code page where `code` lies, and where execution starts. */
  codeOffset: number;
  entry: number;
  flags: number;
  /** By register number; undefined = as in the background. */
  gpr: (bigint | undefined)[];
  xmm: (Uint8Array | undefined)[];
  mxcsr: number | undefined;
  x87: Uint8Array | undefined;
  patches: MemoryBytes[];
}

export interface SegmentState {
  readonly selectors: readonly number[];
  readonly fsBase: bigint;
  readonly gsBase: bigint;
}

export interface VectorResult {
  trap: number;
  errorCode: number;
  rip: bigint;
  flags: number;
  cr2: bigint;
  gpr: (bigint | undefined)[];
  xmm: (Uint8Array | undefined)[];
  mxcsr: number | undefined;
  x87: Uint8Array | undefined;
  segments: SegmentState | undefined;
  memory: MemoryBytes[];
}

export function emptyCase(): VectorCase {
  return {
    compatibility: false,
    code: new Uint8Array(0),
    codeOffset: 0,
    entry: 0,
    flags: 0,
    gpr: new Array(16).fill(undefined),
    xmm: new Array(16).fill(undefined),
    mxcsr: undefined,
    x87: undefined,
    patches: [],
  };
}

function maskOf(values: readonly unknown[]): number {
  return values.reduce<number>((mask, value, i) => (value === undefined ? mask : mask | (1 << i)), 0);
}

/** Grows as it is written to. */
export class CaseWriter {
  private buffer = Buffer.alloc(1 << 20);
  private length = 0;

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  private room(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const grown = Buffer.alloc(this.buffer.length * 2);
    this.buffer.copy(grown);
    this.buffer = grown;
  }

  private raw(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  private u64(value: bigint): void {
    this.length = this.buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.length);
  }

  background(background: Background): void {
    this.room(1024);
    this.length = this.buffer.writeUInt32LE(1, this.length);
    this.length = this.buffer.writeUInt32LE(background.memorySeed, this.length);
    for (const value of background.gpr) this.u64(value);
    this.raw(background.fx);
  }

  add(c: VectorCase): void {
    this.room(4096);
    const at = this.length;
    const b = this.buffer;
    b[at] = 2;
    b[at + 1] = c.compatibility ? 1 : 0;
    b[at + 2] = c.code.length;
    b[at + 3] = c.patches.length;
    b.writeUInt16LE(c.codeOffset, at + 4);
    b.writeUInt16LE(c.entry, at + 6);
    b.writeUInt32LE(c.flags, at + 8);
    b.writeUInt16LE(maskOf(c.gpr), at + 12);
    b.writeUInt16LE(maskOf(c.xmm), at + 14);
    b.writeUInt16LE((c.mxcsr === undefined ? 0 : 1) | (c.x87 === undefined ? 0 : 2), at + 16);
    this.length += 18;
    for (const value of c.gpr) if (value !== undefined) this.u64(value);
    for (const value of c.xmm) if (value !== undefined) this.raw(value);
    if (c.mxcsr !== undefined) this.length = b.writeUInt32LE(c.mxcsr, this.length);
    if (c.x87 !== undefined) this.raw(c.x87);
    this.raw(c.code);
    for (const { address, bytes } of c.patches) {
      this.u64(BigInt(address));
      b[this.length++] = bytes.length;
      this.raw(bytes);
    }
  }
}

class Reader {
  protected at = 0;
  constructor(readonly buffer: Buffer) {}

  get done(): boolean {
    return this.at >= this.buffer.length;
  }
  protected u8(): number {
    return this.buffer[this.at++];
  }
  protected u16(): number {
    this.at += 2;
    return this.buffer.readUInt16LE(this.at - 2);
  }
  protected u32(): number {
    this.at += 4;
    return this.buffer.readUInt32LE(this.at - 4);
  }
  protected u64(): bigint {
    this.at += 8;
    return this.buffer.readBigUInt64LE(this.at - 8);
  }
  protected raw(length: number): Uint8Array {
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }
  protected masked<T>(mask: number, read: () => T): (T | undefined)[] {
    const out: (T | undefined)[] = new Array(16).fill(undefined);
    if (mask !== 0) for (let i = 0; i < 16; i++) if ((mask >> i) & 1) out[i] = read();
    return out;
  }
  protected memory(count: number): MemoryBytes[] {
    const out: MemoryBytes[] = [];
    for (let i = 0; i < count; i++) {
      const address = Number(this.u64());
      out.push({ address, bytes: this.raw(this.u8()) });
    }
    return out;
  }
}

export class CaseReader extends Reader {
  /** The background before the case that was read last. */
  background: Background | undefined;

  next(): VectorCase {
    while (this.buffer[this.at] === 1) {
      this.at += 4;
      const memorySeed = this.u32();
      const gpr = BigUint64Array.from({ length: 16 }, () => this.u64());
      this.background = { memorySeed, gpr, fx: this.raw(FX_BYTES) };
    }
    this.at++;
    const compatibility = (this.u8() & 1) !== 0;
    const codeLength = this.u8();
    const patches = this.u8();
    const codeOffset = this.u16();
    const entry = this.u16();
    const flags = this.u32();
    const gprMask = this.u16();
    const xmmMask = this.u16();
    const floating = this.u16();
    const gpr = this.masked(gprMask, () => this.u64());
    const xmm = this.masked(xmmMask, () => this.raw(16));
    const mxcsr = (floating & 1) !== 0 ? this.u32() : undefined;
    const x87 = (floating & 2) !== 0 ? this.raw(X87_BYTES) : undefined;
    const code = this.raw(codeLength);
    return { compatibility, code, codeOffset, entry, flags, gpr, xmm, mxcsr, x87, patches: this.memory(patches) };
  }
}

export class ResultReader extends Reader {
  next(): VectorResult {
    const trap = this.u8();
    const runs = this.u8();
    const gprMask = this.u16();
    const errorCode = this.u32();
    const rip = this.u64();
    const flags = this.u32();
    const cr2 = this.u64();
    const xmmMask = this.u16();
    const floating = this.u16();
    const gpr = this.masked(gprMask, () => this.u64());
    const xmm = this.masked(xmmMask, () => this.raw(16));
    const mxcsr = (floating & 1) !== 0 ? this.u32() : undefined;
    const x87 = (floating & 2) !== 0 ? this.raw(X87_BYTES) : undefined;
    let segments: SegmentState | undefined;
    if ((floating & 4) !== 0) {
      const selectors = Array.from({ length: 6 }, () => this.u16());
      segments = { selectors, fsBase: this.u64(), gsBase: this.u64() };
    }
    return { trap, errorCode, rip, flags, cr2, gpr, xmm, mxcsr, x87, segments, memory: this.memory(runs) };
  }
}
