import { pteMfn } from "@xen-node/mmu";

// In an image the entries of page tables name pages by the guest's own numbers (docs/specs/libxc-migration-stream.pandoc).

const ENTRIES = 512;
const FRAME_BITS = 0xfffff000;
const ADDRESS_HI = 0xfffff;
/** Xen's own slots of an L4 table. */
const FIRST_XEN_SLOT = 256;
const END_XEN_SLOT = 272;
const L4 = 4;

/**
 * Replaces the numbers in the present entries of a copied table.
 * @param words the table's 1024 words
 * @param numberOf the new number for one, or -1
 * @returns the index of the first entry that has no new number; -1 if all do
 */
export function renumberTable(words: Uint32Array, level: number, numberOf: (number: number) => number): number {
  for (let index = 0; index < ENTRIES; index++) {
    const at = index * 2;
    if (level === L4 && index >= FIRST_XEN_SLOT && index < END_XEN_SLOT) {
      words[at] = 0;
      words[at + 1] = 0;
      continue;
    }
    if ((words[at] & 1) === 0) continue;
    const number = numberOf(pteMfn(words[at], words[at + 1]));
    if (number < 0) return index;
    words[at] = ((words[at] & ~FRAME_BITS) | (number << 12)) >>> 0;
    words[at + 1] = ((words[at + 1] & ~ADDRESS_HI) | Math.floor(number / 0x100000)) >>> 0;
  }
  return -1;
}
