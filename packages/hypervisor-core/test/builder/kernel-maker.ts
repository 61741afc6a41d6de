import { asByteSource, type ElfSegment, type KernelImage, type XenNotes } from "@xen-node/guest-images";

/** A segment of a kernel made for a test: its bytes go to `paddr`. */
export interface SegmentParts {
  paddr: number;
  content: Uint8Array;
  memorySize?: number;
}

const plainNotes: XenNotes = {
  source: "PT_NOTE",
  entry: null,
  hypercallPage: null,
  virtBase: null,
  paddrOffset: null,
  xenVersion: "xen-3.0",
  guestOs: "test",
  guestVersion: "",
  loader: "generic",
  paeMode: "yes",
  requiredFeatures: 0,
  supportedFeatures: 0,
  bsdSymtab: false,
  hvStartLow: null,
  l1MfnValid: [],
  suspendCancel: false,
  initP2m: null,
  modStartPfn: false,
  phys32Entry: null,
};

/** A parsed kernel image without a file: what the reader would have made of one. */
export function makeKernel(parts: SegmentParts[], notes: Partial<XenNotes> = {}, entry = 0): KernelImage {
  const bytes = new Uint8Array(parts.reduce((sum, { content }) => sum + content.length, 0));
  const segments: ElfSegment[] = [];
  let offset = 0;
  for (const { paddr, content, memorySize = content.length } of parts) {
    bytes.set(content, offset);
    segments.push({
      type: 1,
      flags: 7,
      offset,
      virtualAddress: paddr + (notes.virtBase ?? 0) - (notes.paddrOffset ?? 0),
      physicalAddress: paddr,
      fileSize: content.length,
      memorySize,
    });
    offset += content.length;
  }
  const elf = {
    source: asByteSource(bytes),
    elfClass: 2 as const,
    type: 2,
    machine: 62,
    entry,
    segments,
    sections: [],
  };
  return { elf, notes: { ...plainNotes, ...notes }, container: "elf", compression: null };
}

/** A kernel with Debian's notes and the extent of its segments, but next to no bytes. */
export function linuxLikeKernel(): KernelImage {
  const virtBase = -0x80000000;
  return makeKernel(
    [
      { paddr: 0x1000000, content: Uint8Array.of(0x90, 0xf4), memorySize: 0x2044000 },
      { paddr: 0x3044000, content: new Uint8Array(5000).fill(0x5a), memorySize: 0x35000 },
      { paddr: 0x3079000, content: Uint8Array.of(1, 2, 3), memorySize: 0x1987000 },
    ],
    {
      virtBase,
      paddrOffset: 0,
      entry: virtBase + 0x30791c0,
      initP2m: 0x8000000000,
      modStartPfn: true,
      requiredFeatures: 0,
      supportedFeatures: 0x8811,
    },
  );
}
