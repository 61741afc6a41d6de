import { type ElfFile, type KernelImage, PT_LOAD } from "@xen-node/guest-images";
import {
  ERESTART,
  errnoName,
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  XEN_LEGACY_MAX_VCPUS,
} from "@xen-node/xen-abi";
import { BuildError } from "./build-error.ts";
import { type KernelWidth, kernelWidth } from "./kernel-width.ts";
import { PAGE_BYTES, type PvLayout, planLayout } from "./layout.ts";
import { writePageTables } from "./page-tables.ts";
import { PseudoPhysicalMemory } from "./pseudo-physical.ts";
import { encodeCommandLine, writeStartInfo } from "./start-info.ts";
import type { BuilderTarget } from "./target.ts";

/** RFLAGS with IF and the bit that is always 1. */
const FIRST_RFLAGS = 0x202;

export interface BuildOptions {
  readonly kernel: KernelImage;
  /** Handed over as it is, compressed or not. */
  readonly initrd?: Uint8Array;
  readonly commandLine?: string;
  /** Memory in 4 KiB pages; all of them are allocated. */
  readonly pages: number;
  /** The domain's ports to the xenstore and console daemons. */
  readonly storeEvtchn: number;
  readonly consoleEvtchn: number;
  /** Domains that run the daemons and so may map the two pages. Default 0. */
  readonly storeDomid?: number;
  readonly consoleDomid?: number;
  /** More SIF_* flags for start_info: SIF_PRIVILEGED, SIF_INITDOMAIN. */
  readonly flags?: number;
}

/** Registers with which the first vcpu starts; all others are 0. Addresses are signed canonical numbers. */
export interface FirstVcpu {
  readonly rip: number;
  readonly rsp: number;
  /** Virtual address of start_info. */
  readonly rsi: number;
  readonly rflags: number;
  readonly cs: number;
  readonly ss: number;
  /** ds, es, fs, gs */
  readonly ds: number;
  /** Root page table; pinned, but without the reference that loading it takes. */
  readonly rootMfn: number;
}

export interface BuiltDomain {
  readonly layout: PvLayout;
  /** Machine frame of each pfn, as the guest's own list says. */
  readonly p2m: Uint32Array;
  readonly storeMfn: number;
  readonly consoleMfn: number;
  readonly startInfoMfn: number;
  readonly vcpu: FirstVcpu;
}

/**
 * Fills an empty domain with a PV kernel and everything that it expects at its entry. The shared_info frame gets its
 * event masks only: it is zero in a new domain, save for what the hypervisor itself already keeps there.
 * @throws BuildError, or ImageError if the kernel's file cannot be read (any more); the domain is then good for nothing
 * but being destroyed
 */
export function buildPvDomain(target: BuilderTarget, options: BuildOptions): BuiltDomain {
  const { kernel, initrd } = options;
  if (!Number.isInteger(options.pages) || options.pages <= 0) {
    throw new BuildError("options", `a domain cannot have ${options.pages} pages of memory`);
  }
  const commandLine = encodeCommandLine(options.commandLine ?? "");
  const initrdBytes = initrd?.length ?? 0;
  const width = kernelWidth(kernel);
  const layout = planLayout({ elf: kernel.elf, width, notes: kernel.notes, pages: options.pages, initrdBytes });

  const memory = new PseudoPhysicalMemory(target, options.pages);
  loadSegments(memory, kernel.elf, layout.paddrOffset);
  if (layout.hypercallPagePfn !== null) {
    memory.write(layout.hypercallPagePfn * PAGE_BYTES, width.hypercallPage());
  }
  if (layout.initrd !== null && initrd !== undefined) {
    memory.write(layout.initrd.pfn * PAGE_BYTES, initrd);
  }
  writeP2m(memory, layout, width);
  writeStartInfo(memory, layout, width, {
    commandLine,
    initrdBytes,
    sharedInfoMfn: target.sharedInfoMfn,
    storeEvtchn: options.storeEvtchn,
    consoleEvtchn: options.consoleEvtchn,
    flags: options.flags ?? 0,
  });
  maskEvents(memory.frame(target.sharedInfoMfn), width);
  writePageTables(memory, layout);

  const rootMfn = memory.p2m[layout.tables.pfn];
  pinRoot(target, rootMfn, width);
  const storeMfn = memory.p2m[layout.storePfn];
  const consoleMfn = memory.p2m[layout.consolePfn];
  grantPage(target, GNTTAB_RESERVED_CONSOLE, options.consoleDomid ?? 0, consoleMfn);
  grantPage(target, GNTTAB_RESERVED_XENSTORE, options.storeDomid ?? 0, storeMfn);
  const virt = (pfn: number) => layout.virtBase + pfn * PAGE_BYTES;
  return {
    layout,
    p2m: memory.p2m,
    storeMfn,
    consoleMfn,
    startInfoMfn: memory.p2m[layout.startInfoPfn],
    vcpu: {
      rip: layout.entry,
      rsp: virt(layout.bootStackPfn + 1),
      rsi: virt(layout.startInfoPfn),
      rflags: FIRST_RFLAGS,
      cs: width.cs,
      ss: width.ss,
      ds: width.ds,
      rootMfn,
    },
  };
}

/** Puts the parts of a kernel's file where its headers say, less an offset. */
export function loadSegments(memory: PseudoPhysicalMemory, elf: ElfFile, paddrOffset: number): void {
  for (const segment of elf.segments) {
    if (segment.type === PT_LOAD) {
      // What lies beyond the file's bytes is zero, as every new frame is.
      let address = segment.physicalAddress - paddrOffset;
      for (const piece of elf.source.pieces(segment.offset, segment.fileSize)) {
        memory.write(address, piece);
        address += piece.length;
      }
    }
  }
}

function writeP2m(memory: PseudoPhysicalMemory, { p2m: { list } }: PvLayout, { wordBytes }: KernelWidth): void {
  const entriesPerPage = PAGE_BYTES / wordBytes;
  for (let page = 0; page < list.pages; page++) {
    const view = memory.page(list.pfn + page);
    const first = page * entriesPerPage;
    for (let entry = 0; entry < entriesPerPage; entry++) {
      const inside = first + entry < memory.p2m.length;
      view.setUint32(entry * wordBytes, inside ? memory.p2m[first + entry] : 0xffffffff, true);
      if (wordBytes === 8) view.setUint32(entry * wordBytes + 4, inside ? 0 : 0xffffffff, true);
    }
  }
}

/** Every vcpu_info in shared_info starts with events masked. */
function maskEvents(sharedInfo: DataView, { structs }: KernelWidth): void {
  const { offsets } = structs.shared_info;
  for (let vcpu = 0; vcpu < XEN_LEGACY_MAX_VCPUS; vcpu++) {
    sharedInfo.setUint8(offsets["vcpu_info.evtchn_upcall_mask"] + vcpu * structs.vcpu_info.size, 1);
  }
}

function pinRoot(target: BuilderTarget, rootMfn: number, { levels }: KernelWidth): void {
  let result = target.pinRoot(rootMfn, levels);
  while (result === -ERESTART) {
    result = target.pinRoot(rootMfn, levels);
  }
  if (result !== 0) {
    throw new BuildError("machine", `the hypervisor refused the new domain's page tables (${errnoName(-result)})`);
  }
}

function grantPage(target: BuilderTarget, ref: number, grantee: number, mfn: number): void {
  if (!target.grant(ref, grantee, mfn)) {
    throw new BuildError("machine", `the new domain's grant table has no entry ${ref}`);
  }
}
