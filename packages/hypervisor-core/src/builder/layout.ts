import { type ElfFile, featureName, PT_LOAD, type XenNotes } from "@xen-node/guest-images";
import {
  XENFEAT_auto_translated_physmap,
  XENFEAT_hvm_callback_vector,
  XENFEAT_hvm_pirqs,
  XENFEAT_hvm_safe_pvclock,
  XENFEAT_supervisor_mode_kernel,
} from "@xen-node/xen-abi";
import { BuildError } from "./build-error.ts";
import type { KernelWidth } from "./kernel-width.ts";
import { TablePlan } from "./table-plan.ts";

export const PAGE_BYTES = 4096;
const MAPPED_ALIGN = 4 * 1024 * 1024;
const SLACK_PAGES = (512 * 1024) / PAGE_BYTES;
const BOOT_STACK_PAGES = 1;

// What a kernel may not require of a PV domain: these belong to guests that Xen translates for.
const FOREIGN_FEATURES =
  (1 << XENFEAT_auto_translated_physmap) |
  (1 << XENFEAT_supervisor_mode_kernel) |
  (1 << XENFEAT_hvm_callback_vector) |
  (1 << XENFEAT_hvm_safe_pvclock) |
  (1 << XENFEAT_hvm_pirqs);

/** A run of the domain's pseudo-physical pages. */
export interface PfnRange {
  readonly pfn: number;
  readonly pages: number;
}

/** Where a kernel's parts go. Virtual addresses are signed canonical numbers. */
export interface PvLayout {
  readonly virtBase: number;
  readonly entry: number;
  readonly kernel: PfnRange;
  /** Subtracted from a segment's physical address to get its place in the domain's pseudo-physical memory. */
  readonly paddrOffset: number;
  readonly hypercallPagePfn: number | null;
  readonly startInfoPfn: number;
  readonly storePfn: number;
  readonly consolePfn: number;
  /** Root, L3s, L2s, L1s of the mapping at VIRT_BASE. */
  readonly tables: PfnRange;
  readonly bootStackPfn: number;
  /** First pfn that is not mapped at VIRT_BASE. */
  readonly mappedEndPfn: number;
  readonly initrd: (PfnRange & { readonly mapped: boolean }) | null;
  readonly p2m: {
    readonly virtualAddress: number;
    /** Pages of the list, then, if the kernel chose its address, the tables that map it. */
    readonly list: PfnRange;
    readonly tables: PfnRange;
    readonly mapped: boolean;
  };
  readonly tablePlan: TablePlan;
  /** First pfn that nothing occupies. */
  readonly endPfn: number;
}

export interface LayoutRequest {
  readonly elf: ElfFile;
  readonly width: KernelWidth;
  readonly notes: XenNotes;
  /** Pages of the domain. */
  readonly pages: number;
  readonly initrdBytes: number;
}

/**
 * Places a kernel and everything that it finds at its entry, in the order of Xen's own domain builder: kernel, initrd and
 * p2m (unless the kernel wants them out of the mapping), start_info, xenstore page, console page, page tables, boot
 * stack, padding to 4 MiB with at least 512 KiB free; then the unmapped initrd and p2m.
 * @throws BuildError
 */
export function planLayout({ elf, width, notes, pages, initrdBytes }: LayoutRequest): PvLayout {
  if (notes.bsdSymtab) {
    throw new BuildError("kernel", "the kernel wants its symbol table loaded (BSD_SYMTAB), which is not supported");
  }
  refuseFeatures(notes.requiredFeatures & FOREIGN_FEATURES);
  const virtBase = notes.virtBase ?? 0;
  const paddrOffset = notes.paddrOffset ?? 0;
  const kernel = kernelRange(elf, virtBase, paddrOffset);
  const virt = (pfn: number) => virtBase + pfn * PAGE_BYTES;

  let next = kernel.pfn + kernel.pages;
  const take = (count: number): PfnRange => {
    const range = { pfn: next, pages: count };
    next += count;
    return range;
  };
  const initrdPages = Math.ceil(initrdBytes / PAGE_BYTES);
  const listPages = Math.ceil((pages * width.wordBytes) / PAGE_BYTES);
  let initrd: PvLayout["initrd"] = null;
  if (initrdBytes > 0 && !notes.modStartPfn) {
    initrd = { ...take(initrdPages), mapped: true };
  }
  const { initP2m } = width.hasOwnP2mAddress ? notes : { initP2m: null };
  const linearList = initP2m === null ? take(listPages) : null;
  const startInfoPfn = take(1).pfn;
  const storePfn = take(1).pfn;
  const consolePfn = take(1).pfn;

  const tablePlan = new TablePlan(width.levels, width.requiredL2Slots);
  const mappedEndPfn = mappedEnd(tablePlan, virtBase, next);
  const mapping = { virtualStart: virtBase, pfn: 0, pages: mappedEndPfn };
  checkRange(width, "the kernel", virtBase, virt(mappedEndPfn));
  const tables = take(tablePlan.add(mapping, next));
  const bootStackPfn = take(BOOT_STACK_PAGES).pfn;
  next = mappedEndPfn;

  if (initrdBytes > 0 && initrd === null) {
    initrd = { ...take(initrdPages), mapped: false };
  }
  const p2m = linearList
    ? { virtualAddress: virt(linearList.pfn), list: linearList, tables: { pfn: next, pages: 0 }, mapped: true }
    : placeP2m(width, tablePlan, initP2m ?? 0, take(listPages), (count) => take(count));
  requireMemory(next, pages);
  return {
    virtBase,
    entry: placeEntry(notes.entry ?? elf.entry, virtBase, kernel),
    kernel,
    paddrOffset,
    hypercallPagePfn: notes.hypercallPage === null ? null : placeHypercallPage(notes.hypercallPage, virtBase, kernel),
    startInfoPfn,
    storePfn,
    consolePfn,
    tables,
    bootStackPfn,
    mappedEndPfn,
    initrd,
    p2m,
    tablePlan,
    endPfn: next,
  };
}

function refuseFeatures(mask: number): void {
  for (let bit = 0; bit < 32; bit++) {
    if ((mask >>> bit) & 1) {
      throw new BuildError("kernel", `the kernel requires "${featureName(bit)}", which PV domains do not have`);
    }
  }
}

function kernelRange(elf: ElfFile, virtBase: number, paddrOffset: number): PfnRange {
  if (virtBase % PAGE_BYTES !== 0) {
    throw new BuildError("kernel", "the kernel's VIRT_BASE is not at the start of a page");
  }
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const segment of elf.segments) {
    if (segment.type === PT_LOAD && segment.memorySize > 0) {
      low = Math.min(low, segment.physicalAddress - paddrOffset);
      high = Math.max(high, segment.physicalAddress - paddrOffset + segment.memorySize);
    }
  }
  if (high <= low) {
    throw new BuildError("kernel", "the kernel has no loadable segment");
  }
  if (low < 0) {
    throw new BuildError("kernel", "the kernel has a segment below its PADDR_OFFSET");
  }
  if (low % PAGE_BYTES !== 0) {
    throw new BuildError("kernel", "the kernel's first segment does not start at a page boundary");
  }
  const pfn = low / PAGE_BYTES;
  return { pfn, pages: Math.ceil(high / PAGE_BYTES) - pfn };
}

/** The mapped area's end depends on the number of tables, which depends on the mapped area: the least that holds itself. */
function mappedEnd(plan: TablePlan, virtBase: number, usedPages: number): number {
  const allocated = virtBase + usedPages * PAGE_BYTES;
  let pages = BOOT_STACK_PAGES + SLACK_PAGES;
  for (;;) {
    // An area that would end exactly at the boundary gets another 4 MiB, as in Xen's builder.
    const end = (Math.floor((allocated + pages * PAGE_BYTES) / MAPPED_ALIGN) + 1) * MAPPED_ALIGN;
    const mapped = (end - virtBase) / PAGE_BYTES;
    pages = plan.count(virtBase, mapped) + BOOT_STACK_PAGES + SLACK_PAGES;
    if (allocated + pages * PAGE_BYTES <= end) {
      return mapped;
    }
  }
}

function placeP2m(
  width: KernelWidth,
  plan: TablePlan,
  virtualAddress: number,
  list: PfnRange,
  take: (count: number) => PfnRange,
): PvLayout["p2m"] {
  if (virtualAddress % PAGE_BYTES !== 0) {
    throw new BuildError("kernel", "the kernel's INIT_P2M is not at the start of a page");
  }
  const end = virtualAddress + list.pages * PAGE_BYTES;
  checkRange(width, "the kernel's p2m table", virtualAddress, end);
  const [main] = plan.mappings;
  if (virtualAddress < main.virtualStart + main.pages * PAGE_BYTES && main.virtualStart < end) {
    throw new BuildError("kernel", "the kernel's INIT_P2M lies inside the kernel's own mapping");
  }
  const tablesPfn = list.pfn + list.pages;
  const tables = take(plan.add({ virtualStart: virtualAddress, pfn: list.pfn, pages: list.pages }, tablesPfn));
  return { virtualAddress, list, tables, mapped: false };
}

function checkRange(width: KernelWidth, what: string, start: number, end: number): void {
  if (!width.isGuestRange(start, end)) {
    throw new BuildError(
      "kernel",
      `${what} does not fit between its virtual address and the end of the guest's address space`,
    );
  }
}

function placeEntry(entry: number, virtBase: number, kernel: PfnRange): number {
  const pfn = Math.floor((entry - virtBase) / PAGE_BYTES);
  if (pfn < kernel.pfn || pfn >= kernel.pfn + kernel.pages) {
    throw new BuildError("kernel", "the kernel's entry point lies outside of the kernel");
  }
  return entry;
}

function placeHypercallPage(address: number, virtBase: number, kernel: PfnRange): number {
  const pfn = (address - virtBase) / PAGE_BYTES;
  if (!Number.isInteger(pfn) || pfn < kernel.pfn || pfn >= kernel.pfn + kernel.pages) {
    throw new BuildError("kernel", "the kernel's HYPERCALL_PAGE is not a page of the kernel");
  }
  return pfn;
}

function requireMemory(needed: number, pages: number): void {
  if (needed > pages) {
    const mib = (count: number) => Math.ceil((count * PAGE_BYTES) / 1024 ** 2);
    throw new BuildError(
      "memory",
      `the kernel needs at least ${mib(needed)} MiB of memory to be loaded, but the domain has ${Math.floor((pages * PAGE_BYTES) / 1024 ** 2)} MiB`,
    );
  }
}
