import { type KernelImage, PT_LOAD } from "@xen-node/guest-images";
import { DOMID_XEN, type Physmap } from "@xen-node/mmu";
import {
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  HVM_BELOW_4G_RAM_END,
  HVM_PARAM_CONSOLE_EVTCHN,
  HVM_PARAM_CONSOLE_PFN,
  HVM_PARAM_STORE_EVTCHN,
  HVM_PARAM_STORE_PFN,
  structs,
  XEN_HVM_MEMMAP_TYPE_ACPI,
  XEN_HVM_MEMMAP_TYPE_RAM,
  XEN_HVM_MEMMAP_TYPE_RESERVED,
  XEN_HVM_START_MAGIC_VALUE,
} from "@xen-node/xen-abi";
import type { MemoryMapEntry } from "../domain.ts";
import type { NativeBootState } from "../pvh/boot.ts";
import { BuildError } from "./build-error.ts";
import { PAGE_BYTES } from "./layout.ts";
import { PseudoPhysicalMemory } from "./pseudo-physical.ts";
import { loadSegments } from "./pv-domain.ts";
import { acpiTables } from "./pvh-acpi.ts";
import {
  type BuilderDomain,
  type BuilderGrants,
  type BuilderMachine,
  type BuilderTarget,
  builderTarget,
} from "./target.ts";

/** Guest frames that Xen's toolstack sets apart below 4 GiB; of the special ones the xenstore and console rings exist. */
const ACPI_GFN = 0xfc000;
const SPECIAL_GFN = 0xfeff8;
const SPECIAL_PAGES = 8;
const STORE_GFN = SPECIAL_GFN + 4;
const CONSOLE_GFN = SPECIAL_GFN + 7;
const START_INFO_VERSION = 1;
/** The entry code of kernels reaches the start information by their first page tables. */
const START_INFO_LIMIT = 2 ** 29;

/** The fields of a domain that building touches. */
export interface PvhDomain {
  readonly domid: number;
  readonly physmap: Physmap | undefined;
  readonly hvmParams: Map<number, number>;
  readonly vcpus: { readonly length: number };
  readonly sharedFrames: number[];
  totalPages: number;
  memoryMap: MemoryMapEntry[];
}

/** A builder's target that has frames beside the domain's memory, too. */
export interface PvhBuilderTarget extends BuilderTarget {
  /** A zero-filled frame that the domain may use and not give back, or -1 when there is none. */
  allocShared(): number;
}

/** The parts of the machine that {@link pvhBuilderTarget} joins. */
export interface PvhMachine extends BuilderMachine {
  readonly types: BuilderMachine["types"] & { shareWithGuest(mfn: number, domid: number, writable: boolean): void };
}

/** A PVH builder's target over the machine's parts. */
export function pvhBuilderTarget(
  machine: PvhMachine,
  grants: BuilderGrants,
  domain: PvhDomain & BuilderDomain,
): PvhBuilderTarget {
  return {
    ...builderTarget(machine, grants, domain),
    allocShared() {
      const mfn = machine.frames.alloc(DOMID_XEN);
      if (mfn < 0) return -1;
      machine.types.shareWithGuest(mfn, domain.domid, true);
      domain.sharedFrames.push(mfn);
      return mfn;
    },
  };
}

export interface PvhBuildOptions {
  readonly kernel: KernelImage;
  /** Handed over as it is, compressed or not. */
  readonly initrd?: Uint8Array;
  readonly commandLine?: string;
  /** RAM in 4 KiB pages; all of them are allocated. */
  readonly pages: number;
  /** The domain's ports to the xenstore and console daemons. */
  readonly storeEvtchn: number;
  readonly consoleEvtchn: number;
  /** Domains that run the daemons and so may map the two pages. Default 0. */
  readonly storeDomid?: number;
  readonly consoleDomid?: number;
}

export interface BuiltPvhDomain {
  readonly vcpu: NativeBootState;
  readonly storeMfn: number;
  readonly consoleMfn: number;
}

/**
 * Fills an empty PVH domain with a kernel and what it expects at its PVH entry: kernel, start information, ram disk from
 * low addresses on, ACPI tables and the rings' pages below 4 GiB (docs/misc/pvh.pandoc of Xen).
 * @throws BuildError, or ImageError if the kernel's file cannot be read (any more); the domain is then good for nothing
 * but being destroyed
 */
export function buildPvhDomain(target: PvhBuilderTarget, domain: PvhDomain, options: PvhBuildOptions): BuiltPvhDomain {
  const { kernel, initrd, pages } = options;
  const { physmap } = domain;
  if (physmap === undefined) throw new BuildError("options", "the domain is no PVH domain");
  if (!Number.isInteger(pages) || pages <= 0) {
    throw new BuildError("options", `a domain cannot have ${pages} pages of memory`);
  }
  if (pages * PAGE_BYTES > HVM_BELOW_4G_RAM_END) {
    throw new BuildError("options", `a PVH domain can have ${HVM_BELOW_4G_RAM_END / 2 ** 20} MiB of memory at most`);
  }
  const entry = kernel.notes?.phys32Entry ?? null;
  if (entry === null) {
    throw new BuildError("kernel", 'the kernel has no PVH entry (Xen note PHYS32_ENTRY): run it with type = "pv"');
  }
  const commandLine = new TextEncoder().encode(options.commandLine ?? "");
  if (commandLine.includes(0)) throw new BuildError("options", "the kernel command line holds a NUL character");

  const loaded = kernel.elf.segments.filter(({ type }) => type === PT_LOAD);
  const kernelEnd = Math.max(0, ...loaded.map(({ physicalAddress, memorySize }) => physicalAddress + memorySize));
  const startInfo = roundUp(kernelEnd);
  const initrdBytes = initrd?.length ?? 0;
  const infoBytes = startInfoBytes(commandLine.length, initrd !== undefined);
  const initrdAddress = roundUp(startInfo + infoBytes);
  const needed = initrdAddress + initrdBytes;
  if (needed > pages * PAGE_BYTES) {
    const mib = Math.ceil(needed / 2 ** 20);
    throw new BuildError(
      "memory",
      `kernel and ram disk need ${mib} MiB, but the domain has ${(pages * PAGE_BYTES) / 2 ** 20} MiB`,
    );
  }
  if (startInfo + infoBytes > START_INFO_LIMIT) {
    throw new BuildError("kernel", "the kernel is loaded too high for its entry code to find the start information");
  }

  const memory = new PseudoPhysicalMemory({ ...target, setM2p: (mfn, gfn) => physmap.map(gfn, mfn) }, pages);
  loadSegments(memory, kernel.elf, 0);
  if (initrd !== undefined) memory.write(initrdAddress, initrd);
  const tables = acpiTables(ACPI_GFN * PAGE_BYTES, domain.vcpus.length);
  placeBytes(target, physmap, ACPI_GFN, tables.bytes);
  const acpiBytes = roundUp(tables.bytes.length);
  domain.memoryMap = [
    { address: 0, size: pages * PAGE_BYTES, type: XEN_HVM_MEMMAP_TYPE_RAM },
    { address: ACPI_GFN * PAGE_BYTES, size: acpiBytes, type: XEN_HVM_MEMMAP_TYPE_ACPI },
    { address: SPECIAL_GFN * PAGE_BYTES, size: SPECIAL_PAGES * PAGE_BYTES, type: XEN_HVM_MEMMAP_TYPE_RESERVED },
  ];
  memory.write(
    startInfo,
    encodeStartInfo(startInfo, {
      commandLine,
      module: initrd === undefined ? undefined : { address: initrdAddress, size: initrdBytes },
      memoryMap: domain.memoryMap,
      rsdpAddress: tables.rsdpAddress,
    }),
  );

  const storeMfn = placeBytes(target, physmap, STORE_GFN, new Uint8Array());
  const consoleMfn = placeBytes(target, physmap, CONSOLE_GFN, new Uint8Array());
  for (const [ref, grantee, gfn] of [
    [GNTTAB_RESERVED_CONSOLE, options.consoleDomid ?? 0, CONSOLE_GFN],
    [GNTTAB_RESERVED_XENSTORE, options.storeDomid ?? 0, STORE_GFN],
  ] as const) {
    if (!target.grant(ref, grantee, gfn)) {
      throw new BuildError("machine", `the new domain's grant table has no entry ${ref}`);
    }
  }
  domain.hvmParams.set(HVM_PARAM_STORE_PFN, STORE_GFN);
  domain.hvmParams.set(HVM_PARAM_STORE_EVTCHN, options.storeEvtchn);
  domain.hvmParams.set(HVM_PARAM_CONSOLE_PFN, CONSOLE_GFN);
  domain.hvmParams.set(HVM_PARAM_CONSOLE_EVTCHN, options.consoleEvtchn);
  return { vcpu: { entry, startInfo }, storeMfn, consoleMfn };
}

const roundUp = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;

/** Takes frames for bytes at a guest frame; one at least. @returns the first one's mfn */
function placeBytes(target: PvhBuilderTarget, physmap: Physmap, gfn: number, bytes: Uint8Array): number {
  const count = Math.max(1, Math.ceil(bytes.length / PAGE_BYTES));
  let first = -1;
  for (let i = 0; i < count; i++) {
    const mfn = target.allocShared();
    if (mfn < 0) throw new BuildError("machine", "the machine has no memory left for the domain's tables");
    if (i === 0) first = mfn;
    physmap.map(gfn + i, mfn);
    target.u8.set(bytes.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES), target.hostAddress(mfn));
  }
  return first;
}

interface StartInfoFacts {
  readonly commandLine: Uint8Array;
  readonly module: { readonly address: number; readonly size: number } | undefined;
  readonly memoryMap: readonly MemoryMapEntry[];
  readonly rsdpAddress: number;
}

const MEMORY_MAP_ENTRIES = 3;
const { hvm_start_info, hvm_modlist_entry, hvm_memmap_table_entry } = structs;

function startInfoBytes(commandLineBytes: number, hasModule: boolean): number {
  const modules = hasModule ? hvm_modlist_entry.size : 0;
  return hvm_start_info.size + modules + MEMORY_MAP_ENTRIES * hvm_memmap_table_entry.size + commandLineBytes + 1;
}

/** hvm_start_info, with the module list, the memory map and the command line behind it. */
function encodeStartInfo(address: number, facts: StartInfoFacts): Uint8Array {
  const { commandLine, module, memoryMap, rsdpAddress } = facts;
  const bytes = new Uint8Array(startInfoBytes(commandLine.length, module !== undefined));
  const view = new DataView(bytes.buffer);
  const modules = hvm_start_info.size;
  const map = modules + (module === undefined ? 0 : hvm_modlist_entry.size);
  const text = map + memoryMap.length * hvm_memmap_table_entry.size;
  hvm_start_info.set(view, 0, "magic", XEN_HVM_START_MAGIC_VALUE);
  hvm_start_info.set(view, 0, "version", START_INFO_VERSION);
  if (module !== undefined) {
    hvm_start_info.set(view, 0, "nr_modules", 1);
    hvm_start_info.set(view, 0, "modlist_paddr", address + modules);
    hvm_modlist_entry.set(view, modules, "paddr", module.address);
    hvm_modlist_entry.set(view, modules, "size", module.size);
  }
  hvm_start_info.set(view, 0, "cmdline_paddr", address + text);
  hvm_start_info.set(view, 0, "rsdp_paddr", rsdpAddress);
  hvm_start_info.set(view, 0, "memmap_paddr", address + map);
  hvm_start_info.set(view, 0, "memmap_entries", memoryMap.length);
  for (const [i, entry] of memoryMap.entries()) {
    const at = map + i * hvm_memmap_table_entry.size;
    hvm_memmap_table_entry.set(view, at, "addr", entry.address);
    hvm_memmap_table_entry.set(view, at, "size", entry.size);
    hvm_memmap_table_entry.set(view, at, "type", entry.type);
  }
  bytes.set(commandLine, text);
  return bytes;
}
