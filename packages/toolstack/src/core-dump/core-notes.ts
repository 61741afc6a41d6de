import {
  XEN_CAPABILITIES,
  XEN_CHANGESET,
  XEN_COMPILER,
  XEN_EXTRAVERSION,
  XEN_VERSION,
} from "@xen-node/hypervisor-core";
import {
  HYPERVISOR_VIRT_START,
  XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION,
  XEN_ELFNOTE_DUMPCORE_HEADER,
  XEN_ELFNOTE_DUMPCORE_NONE,
  XEN_ELFNOTE_DUMPCORE_XEN_VERSION,
} from "@xen-node/xen-abi";

// docs/misc/dump-core-format.txt of Xen: the notes of .note.Xen.

const MAGIC_PV = 0xf00febed;
const FORMAT_VERSION = 1;
const PAGE_BYTES = 4096;
const NAME = "Xen\0";
const NOTE_HEADER_BYTES = 12;

/** Fixed lengths of texts in struct xen_dumpcore_elfnote_xen_version_desc. */
const Text = {
  extraVersion: 16,
  compiler: 64,
  compileBy: 16,
  compileDomain: 32,
  compileDate: 32,
  capabilities: 1024,
  changeset: 64,
};

/** The contents of .note.Xen. */
export function coreNotes(counts: { vcpus: number; pages: number }): Uint8Array {
  const { vcpus, pages } = counts;
  return joined(
    note(XEN_ELFNOTE_DUMPCORE_NONE, new Uint8Array(0)),
    note(XEN_ELFNOTE_DUMPCORE_HEADER, numbers(MAGIC_PV, vcpus, pages, PAGE_BYTES)),
    note(
      XEN_ELFNOTE_DUMPCORE_XEN_VERSION,
      joined(
        numbers(XEN_VERSION >>> 16, XEN_VERSION & 0xffff),
        text(XEN_EXTRAVERSION, Text.extraVersion),
        text(XEN_COMPILER, Text.compiler),
        text("", Text.compileBy + Text.compileDomain + Text.compileDate),
        text(XEN_CAPABILITIES, Text.capabilities),
        text(XEN_CHANGESET, Text.changeset),
        numbers(HYPERVISOR_VIRT_START, PAGE_BYTES),
      ),
    ),
    note(XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, numbers(FORMAT_VERSION)),
  );
}

function note(type: number, content: Uint8Array): Uint8Array {
  const head = new Uint8Array(NOTE_HEADER_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, NAME.length, true);
  view.setUint32(4, content.length, true);
  view.setUint32(8, type, true);
  return joined(head, new TextEncoder().encode(NAME), content);
}

function numbers(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  values.forEach((value, i) => {
    new DataView(bytes.buffer).setBigInt64(8 * i, BigInt(value), true);
  });
  return bytes;
}

function text(value: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(new TextEncoder().encode(value).subarray(0, length - 1));
  return bytes;
}

/** Bytes one after the other. */
export function joined(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
