import { MAX_GUEST_CMDLINE, SIF_MOD_START_PFN, SIF_VIRT_P2M_4TOOLS } from "@xen-node/xen-abi";
import { BuildError } from "./build-error.ts";
import type { KernelWidth } from "./kernel-width.ts";
import { PAGE_BYTES, type PvLayout } from "./layout.ts";
import type { PseudoPhysicalMemory } from "./pseudo-physical.ts";

/** What start_info says besides the layout. */
export interface StartInfoFacts {
  /** Command line as bytes, without the final NUL. */
  readonly commandLine: Uint8Array;
  readonly initrdBytes: number;
  readonly sharedInfoMfn: number;
  readonly storeEvtchn: number;
  readonly consoleEvtchn: number;
  /** SIF_* to set besides those that follow from the layout. */
  readonly flags: number;
}

/**
 * A command line as start_info can carry it.
 * @throws BuildError `options` if it is too long or holds a NUL
 */
export function encodeCommandLine(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length >= MAX_GUEST_CMDLINE) {
    throw new BuildError(
      "options",
      `the kernel command line has ${bytes.length} bytes, but a PV domain can be given ${MAX_GUEST_CMDLINE - 1} at most`,
    );
  }
  if (bytes.includes(0)) {
    throw new BuildError("options", "the kernel command line holds a NUL character");
  }
  return bytes;
}

/** Fills the start_info page (xen/include/public/xen.h), which is zero until now. */
export function writeStartInfo(
  memory: PseudoPhysicalMemory,
  layout: PvLayout,
  width: KernelWidth,
  facts: StartInfoFacts,
): void {
  const { p2m } = memory;
  const { initrd } = layout;
  const page = memory.page(layout.startInfoPfn);
  const { start_info } = width.structs;
  const virt = (pfn: number) => layout.virtBase + pfn * PAGE_BYTES;
  const text = (path: "magic" | "cmd_line", bytes: Uint8Array) => {
    new Uint8Array(page.buffer, page.byteOffset + start_info.offsets[path], bytes.length).set(bytes);
  };
  text("magic", new TextEncoder().encode(`xen-3.0-${width.abi}`));
  start_info.set(page, 0, "nr_pages", p2m.length);
  start_info.set(page, 0, "shared_info", facts.sharedInfoMfn * PAGE_BYTES);
  const modStartIsPfn = initrd !== null && !initrd.mapped;
  start_info.set(page, 0, "flags", facts.flags | SIF_VIRT_P2M_4TOOLS | (modStartIsPfn ? SIF_MOD_START_PFN : 0));
  start_info.set(page, 0, "store_mfn", p2m[layout.storePfn]);
  start_info.set(page, 0, "store_evtchn", facts.storeEvtchn);
  start_info.set(page, 0, "console.domU.mfn", p2m[layout.consolePfn]);
  start_info.set(page, 0, "console.domU.evtchn", facts.consoleEvtchn);
  start_info.set(page, 0, "pt_base", virt(layout.tables.pfn));
  start_info.set(page, 0, "nr_pt_frames", layout.tables.pages);
  start_info.set(page, 0, "mfn_list", layout.p2m.virtualAddress);
  if (initrd !== null) {
    start_info.set(page, 0, "mod_start", initrd.mapped ? virt(initrd.pfn) : initrd.pfn);
    start_info.set(page, 0, "mod_len", facts.initrdBytes);
  }
  text("cmd_line", facts.commandLine);
  if (!layout.p2m.mapped) {
    // The frames that the kernel may free once it has moved the list: the list and the tables that map it.
    start_info.set(page, 0, "first_p2m_pfn", layout.p2m.list.pfn);
    start_info.set(page, 0, "nr_p2m_frames", layout.p2m.list.pages + layout.p2m.tables.pages);
  }
}
