import {
  XEN_ELFNOTE_BSD_SYMTAB,
  XEN_ELFNOTE_ENTRY,
  XEN_ELFNOTE_FEATURES,
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_GUEST_VERSION,
  XEN_ELFNOTE_HV_START_LOW,
  XEN_ELFNOTE_HYPERCALL_PAGE,
  XEN_ELFNOTE_INIT_P2M,
  XEN_ELFNOTE_L1_MFN_VALID,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_MOD_START_PFN,
  XEN_ELFNOTE_PADDR_OFFSET,
  XEN_ELFNOTE_PAE_MODE,
  XEN_ELFNOTE_PHYS32_ENTRY,
  XEN_ELFNOTE_SUPPORTED_FEATURES,
  XEN_ELFNOTE_SUSPEND_CANCEL,
  XEN_ELFNOTE_VIRT_BASE,
  XEN_ELFNOTE_XEN_VERSION,
} from "@xen-node/xen-abi";
import { type ElfFile, PT_NOTE, readAddress, readCString, SHT_NOTE, sectionBytes, viewOf } from "./elf.ts";
import { featureBits } from "./feature-names.ts";
import { ImageError } from "./image-error.ts";

/** Where the notes were found; the first of these that has any wins. */
export type NoteSource = "PT_NOTE" | "SHT_NOTE" | "__xen_guest";

/**
 * What a kernel says of itself to Xen (xen/include/public/elfnote.h). Addresses are signed canonical numbers; null =
 * the kernel does not say.
 */
export interface XenNotes {
  readonly source: NoteSource;
  readonly entry: number | null;
  /** Virtual address of the page that the builder fills with hypercall stubs. */
  readonly hypercallPage: number | null;
  readonly virtBase: number | null;
  /** What to subtract from the ELF's physical addresses. */
  readonly paddrOffset: number | null;
  readonly xenVersion: string;
  readonly guestOs: string;
  readonly guestVersion: string;
  readonly loader: string;
  readonly paeMode: string;
  /** Bit mask of features that the kernel cannot run without (bits from its own SUPPORTED_FEATURES taken off). */
  readonly requiredFeatures: number;
  /** Bit mask of features that the kernel can make use of. */
  readonly supportedFeatures: number;
  readonly bsdSymtab: boolean;
  readonly hvStartLow: number | null;
  /** Mask and value pairs that tell a valid L1 entry, as unsigned 64-bit words. */
  readonly l1MfnValid: readonly { readonly mask: bigint; readonly value: bigint }[];
  readonly suspendCancel: boolean;
  /** Virtual address where the kernel wants its physical-to-machine table. */
  readonly initP2m: number | null;
  /** The kernel can find its initrd by pfn, so it need not be mapped. */
  readonly modStartPfn: boolean;
  /** Entry point for PVH; says nothing about PV. */
  readonly phys32Entry: number | null;
}

type MutableNotes = { -readonly [K in keyof XenNotes]: XenNotes[K] };

const NOTE_HEADER_BYTES = 12;

function emptyNotes(source: NoteSource): MutableNotes {
  return {
    source,
    entry: null,
    hypercallPage: null,
    virtBase: null,
    paddrOffset: null,
    xenVersion: "",
    guestOs: "",
    guestVersion: "",
    loader: "",
    paeMode: "",
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
}

/**
 * Reads an ELF kernel's Xen notes: from its note segments, else from its note sections, else from the legacy
 * `__xen_guest` string.
 * @returns null if there are none: the kernel knows nothing of Xen
 * @throws ImageError `corrupt` if a note cannot be meant as it stands
 */
export function readXenNotes(elf: ElfFile): XenNotes | null {
  const notes = readNoteAreas(elf) ?? readLegacyString(elf);
  if (notes === null) {
    return null;
  }
  // A kernel that supports a feature's absence or presence by its own mask does not really require it: Linux names
  // '!writable_page_tables' for the sake of old builders.
  notes.requiredFeatures &= ~notes.supportedFeatures;
  if (notes.paddrOffset !== null && notes.virtBase === null) {
    throw new ImageError("corrupt", "the kernel has a Xen note PADDR_OFFSET but none for VIRT_BASE");
  }
  return notes;
}

function readNoteAreas(elf: ElfFile): MutableNotes | null {
  const segments = elf.segments
    .filter((segment) => segment.type === PT_NOTE)
    .map((segment) => elf.source.bytes(segment.offset, segment.fileSize));
  const sections = elf.sections
    .filter((section) => section.type === SHT_NOTE)
    .map((section) => sectionBytes(elf, section))
    .filter((bytes) => bytes !== null);
  return readNotes(segments, "PT_NOTE") ?? readNotes(sections, "SHT_NOTE");
}

function readNotes(areas: readonly Uint8Array[], source: NoteSource): MutableNotes | null {
  const notes = emptyNotes(source);
  let found = false;
  for (const area of areas) {
    const view = viewOf(area);
    for (let at = 0; at + NOTE_HEADER_BYTES <= area.length; ) {
      const nameSize = view.getUint32(at, true);
      const contentSize = view.getUint32(at + 4, true);
      const type = view.getUint32(at + 8, true);
      const nameAt = at + NOTE_HEADER_BYTES;
      const contentAt = nameAt + Math.ceil(nameSize / 4) * 4;
      const end = contentAt + Math.ceil(contentSize / 4) * 4;
      // The last one may say that it is longer than it is, as GRUB's PAE_MODE does: Xen reads such a text up to its NUL.
      const content = area.subarray(contentAt, contentAt + contentSize);
      if (contentAt > area.length || (content.length < contentSize && !content.includes(0))) {
        throw new ImageError("corrupt", "an ELF note reaches beyond the end of its segment");
      }
      if (nameSize === 4 && readCString(area, nameAt, nameAt + 4) === "Xen") {
        found = true;
        applyNote(notes, type, content);
      }
      at = end;
    }
  }
  return found ? notes : null;
}

function applyNote(notes: MutableNotes, type: number, content: Uint8Array): void {
  switch (type) {
    case XEN_ELFNOTE_ENTRY:
      notes.entry = addressOf(content, "ENTRY");
      break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
      notes.hypercallPage = addressOf(content, "HYPERCALL_PAGE");
      break;
    case XEN_ELFNOTE_VIRT_BASE:
      notes.virtBase = addressOf(content, "VIRT_BASE");
      break;
    case XEN_ELFNOTE_PADDR_OFFSET:
      notes.paddrOffset = addressOf(content, "PADDR_OFFSET");
      break;
    case XEN_ELFNOTE_XEN_VERSION:
      notes.xenVersion = readCString(content, 0);
      break;
    case XEN_ELFNOTE_GUEST_OS:
      notes.guestOs = readCString(content, 0);
      break;
    case XEN_ELFNOTE_GUEST_VERSION:
      notes.guestVersion = readCString(content, 0);
      break;
    case XEN_ELFNOTE_LOADER:
      notes.loader = readCString(content, 0);
      break;
    case XEN_ELFNOTE_PAE_MODE:
      notes.paeMode = readCString(content, 0);
      break;
    case XEN_ELFNOTE_FEATURES:
      applyFeatures(notes, readCString(content, 0));
      break;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
      notes.supportedFeatures |= Number(wordOf(content) & 0xffffffffn) | 0;
      break;
    case XEN_ELFNOTE_BSD_SYMTAB:
      notes.bsdSymtab = readCString(content, 0) === "yes" || (content.length === 4 && wordOf(content) === 1n);
      break;
    case XEN_ELFNOTE_HV_START_LOW:
      notes.hvStartLow = addressOf(content, "HV_START_LOW");
      break;
    case XEN_ELFNOTE_L1_MFN_VALID: {
      const half = content.length / 2;
      notes.l1MfnValid = [
        ...notes.l1MfnValid,
        { mask: wordOf(content.subarray(0, half)), value: wordOf(content.subarray(half)) },
      ];
      break;
    }
    case XEN_ELFNOTE_SUSPEND_CANCEL:
      notes.suspendCancel = wordOf(content) !== 0n;
      break;
    case XEN_ELFNOTE_INIT_P2M:
      notes.initP2m = addressOf(content, "INIT_P2M");
      break;
    case XEN_ELFNOTE_MOD_START_PFN:
      notes.modStartPfn = wordOf(content) !== 0n;
      break;
    case XEN_ELFNOTE_PHYS32_ENTRY:
      notes.phys32Entry = addressOf(content, "PHYS32_ENTRY");
      break;
    default:
      // Notes that we do not know are by definition optional.
      break;
  }
}

/** A note's number: 1, 2, 4 or 8 bytes, little-endian; anything else counts as 0, as in Xen's own loader. */
function wordOf(content: Uint8Array): bigint {
  const view = viewOf(content);
  switch (content.length) {
    case 1:
      return BigInt(view.getUint8(0));
    case 2:
      return BigInt(view.getUint16(0, true));
    case 4:
      return BigInt(view.getUint32(0, true));
    case 8:
      return view.getBigUint64(0, true);
    default:
      return 0n;
  }
}

function addressOf(content: Uint8Array, name: string): number {
  if (content.length === 4) {
    return viewOf(content).getUint32(0, true);
  }
  if (content.length !== 8) {
    throw new ImageError("corrupt", `the kernel's Xen note ${name} has ${content.length} bytes instead of 4 or 8`);
  }
  return canonical(readAddress(viewOf(content), 0), name);
}

function canonical(address: number, name: string): number {
  if (address < -(2 ** 47) || address >= 2 ** 47) {
    throw new ImageError("corrupt", `the kernel's Xen note ${name} holds an address that x86-64 cannot have`);
  }
  return address;
}

/** Names joined by '|', each with an optional '!' for "required". */
function applyFeatures(notes: MutableNotes, list: string): void {
  for (const item of list.split("|").map((part) => part.trim())) {
    if (item === "") {
      continue;
    }
    const required = item.startsWith("!");
    const name = required ? item.slice(1) : item;
    const bit = featureBits.get(name);
    if (bit !== undefined) {
      if (required) {
        notes.requiredFeatures |= 1 << bit;
      } else {
        notes.supportedFeatures |= 1 << bit;
      }
    } else if (required) {
      throw new ImageError("not-pv", `the kernel requires the Xen feature "${name}", which is not known here`);
    }
  }
}

/** The KEY=VALUE,… string of section `__xen_guest`, older than notes. */
function readLegacyString(elf: ElfFile): MutableNotes | null {
  const section = elf.sections.find((candidate) => candidate.name === "__xen_guest");
  const content = section === undefined ? null : sectionBytes(elf, section);
  if (content === null) {
    return null;
  }
  const notes = emptyNotes("__xen_guest");
  let hypercallPfn: number | null = null;
  for (const pair of readCString(content, 0).split(",")) {
    const equals = pair.indexOf("=");
    const key = equals < 0 ? pair : pair.slice(0, equals);
    const value = equals < 0 ? "" : pair.slice(equals + 1);
    switch (key) {
      case "LOADER":
        notes.loader = value;
        break;
      case "GUEST_OS":
        notes.guestOs = value;
        break;
      case "GUEST_VER":
        notes.guestVersion = value;
        break;
      case "XEN_VER":
        notes.xenVersion = value;
        break;
      case "PAE":
        notes.paeMode = value;
        break;
      case "BSD_SYMTAB":
        notes.bsdSymtab = true;
        break;
      case "FEATURES":
        applyFeatures(notes, value);
        break;
      case "VIRT_BASE":
        notes.virtBase = parseAddress(value, key);
        break;
      case "VIRT_ENTRY":
        notes.entry = parseAddress(value, key);
        break;
      case "ELF_PADDR_OFFSET":
        notes.paddrOffset = parseAddress(value, key);
        break;
      case "HYPERCALL_PAGE":
        hypercallPfn = parseAddress(value, key);
        break;
      default:
        break;
    }
  }
  // Here the hypercall page is a pfn, and physical addresses in the file were written as virtual ones.
  if (hypercallPfn !== null) {
    notes.hypercallPage = canonical((notes.virtBase ?? 0) + hypercallPfn * 4096, "HYPERCALL_PAGE");
  }
  notes.paddrOffset ??= notes.virtBase;
  return notes;
}

function parseAddress(text: string, name: string): number {
  if (!/^(0x[0-9a-f]{1,16}|[0-9]{1,18})$/i.test(text)) {
    throw new ImageError("corrupt", `the kernel's __xen_guest string gives ${name} as "${text}", which is no number`);
  }
  return canonical(Number(BigInt.asIntN(64, BigInt(text))), name);
}
