/** Memory that cases run in: the same addresses natively and on the Cpu. harness.c has the same table. */
export interface Region {
  readonly address: number;
  readonly pages: number;
  readonly writable: boolean;
  readonly code: boolean;
}

export const PAGE = 4096;
export const CODE = 0x10000000;
export const DATA = 0x20000000;
export const READ_ONLY = 0x20003000;
export const STACK = 0x30000000;
export const HIGH = 0x500000000000;
export const FS_BASE = 0x20000400;
export const GS_BASE = 0x500000000800;

/** All other pages are unmapped, in particular those before and behind each region. */
export const regions: readonly Region[] = [
  { address: CODE, pages: 1, writable: true, code: true },
  { address: DATA, pages: 2, writable: true, code: false },
  { address: READ_ONLY, pages: 1, writable: false, code: false },
  { address: STACK, pages: 2, writable: true, code: false },
  { address: HIGH, pages: 2, writable: true, code: false },
];

/** Selectors of Linux on x86-64, as a native case has them. */
export const SELECTOR_CODE64 = 0x33;
export const SELECTOR_CODE32 = 0x23;
export const SELECTOR_DATA = 0x2b;
/** FS's, by which compatibility mode reaches its base. */
export const SELECTOR_THREAD = 0x63;

/** Contents of the regions for a seed: INT3 in the code page, random words (xorshift32) elsewhere. */
export function fillMemory(seed: number, write: (region: Region, bytes: Uint8Array) => void): void {
  let state = seed | 0;
  for (const region of regions) {
    const bytes = new Uint8Array(region.pages * PAGE);
    if (region.code) bytes.fill(0xcc);
    else {
      const words = new Int32Array(bytes.buffer);
      for (let i = 0; i < words.length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        words[i] = state;
      }
    }
    write(region, bytes);
  }
}

export function regionOf(address: number): Region | undefined {
  return regions.find((region) => address >= region.address && address < region.address + region.pages * PAGE);
}
