/** Bytes of one frame. */
export const PAGE_SIZE = 4096;

/** Host addresses below this belong to the processor (x86-cpu): the active vcpu's registers and its scratch space. */
export const CPU_STATE_BYTES = 0x10000;

const WASM_PAGE = 0x10000;
const MAX_BYTES = 2 ** 32 - WASM_PAGE;

export interface MachineMemoryOptions {
  /** Size in bytes, rounded down to 64 KiB. Default 1 GiB; from 1 MiB to 4 GiB - 64 KiB. */
  bytes?: number;
}

/**
 * The machine's memory: one WebAssembly.Memory that holds processor state, soft TLBs, the frame table and all frames.
 * It never grows, so the views stay valid; pages that nobody touched cost the host nothing.
 * A "host address" is a byte offset in it, an unsigned number.
 */
export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly byteLength: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly view: DataView;
  private cursor = CPU_STATE_BYTES;
  /** What was set aside and is not reserved yet: host addresses, one past the end the second. */
  private aside = 0;
  private asideEnd = 0;
  private carveTop: ((byteLength: number, align: number) => number) | undefined;

  /** @throws RangeError if `bytes` is out of range or the host cannot reserve it */
  constructor(options: MachineMemoryOptions = {}) {
    const bytes = options.bytes ?? 2 ** 30;
    if (!(bytes >= 2 ** 20 && bytes <= MAX_BYTES)) {
      throw new RangeError(`machine memory of ${bytes} bytes: must be from 1 MiB to 4 GiB - 64 KiB`);
    }
    const pages = Math.floor(bytes / WASM_PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.byteLength = pages * WASM_PAGE;
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.view = new DataView(buffer);
  }

  /**
   * Takes a private, zero-filled region that is never given back. Before the frame table exists it comes from the
   * bottom; afterwards from what was set aside there, and then from the top, out of frames that were never used.
   * @param align power of two
   * @param label what it is for, in error messages
   * @returns its host address
   * @throws RangeError if there is no room
   */
  reserve(byteLength: number, align: number, label: string): number {
    if (align < 1 || (align & (align - 1)) !== 0 || !(byteLength >= 0)) {
      throw new RangeError(`reserve ${label}: bad size ${byteLength} or alignment ${align}`);
    }
    const address = this.carveTop
      ? (this.carveAside(byteLength, align) ?? this.carveTop(byteLength, align))
      : this.carveBottom(byteLength, align);
    if (address < 0) throw new RangeError(`machine memory is too small for ${label} (${byteLength} bytes)`);
    return address;
  }

  /**
   * Keeps a region at the bottom for reservations that are made when the frame table has the rest: their addresses are
   * below 2 GiB then, whatever the memory's size, so that they are the same number here and as an i32 of generated code.
   */
  setAside(byteLength: number): void {
    this.aside = this.reserve(byteLength, PAGE_SIZE, "what is set aside");
    this.asideEnd = this.aside + byteLength;
  }

  private carveAside(byteLength: number, align: number): number | undefined {
    const start = Math.ceil(this.aside / align) * align;
    if (start + byteLength > this.asideEnd) return undefined;
    this.aside = start + byteLength;
    return start;
  }

  private carveBottom(byteLength: number, align: number): number {
    const start = Math.ceil(this.cursor / align) * align;
    if (start + byteLength > this.byteLength) return -1;
    this.cursor = start + byteLength;
    return start;
  }

  /** Bytes that `reserve` has not handed out yet, before the frame table takes them. */
  get unreserved(): number {
    return this.byteLength - this.cursor;
  }

  /**
   * The frame table takes the rest of the memory; later reservations go through `carveTop`, which returns a host
   * address or -1.
   */
  seal(carveTop: (byteLength: number, align: number) => number): void {
    if (this.carveTop) throw new Error("machine memory has a frame table already");
    this.carveTop = carveTop;
  }
}
