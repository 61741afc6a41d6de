/** A file of an initial ram disk. Names are relative to the root, without a leading slash. */
export type CpioEntry =
  | { name: string; type: "directory"; mode?: number }
  | { name: string; type: "file"; mode?: number; data: Uint8Array }
  | { name: string; type: "symlink"; target: string }
  | { name: string; type: "character-device"; mode?: number; major: number; minor: number };

const FILE_TYPES = { directory: 0o040000, file: 0o100000, symlink: 0o120000, "character-device": 0o020000 };
const DEFAULT_MODES = { directory: 0o755, file: 0o644, symlink: 0o777, "character-device": 0o600 };

const encoder = new TextEncoder();

/**
 * Writes a cpio archive in the "newc" format, the one that Linux unpacks as initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Owner is root and times are zero, so the same entries
 * give the same bytes.
 */
export function writeCpio(entries: Iterable<CpioEntry>): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const push = (bytes: Uint8Array): void => {
    parts.push(bytes);
    length += bytes.length;
    const padding = -length & 3;
    if (padding > 0) parts.push(new Uint8Array(padding));
    length += padding;
  };
  const member = (
    inode: number,
    mode: number,
    links: number,
    name: string,
    data: Uint8Array,
    device = [0, 0],
  ): void => {
    const nameBytes = encoder.encode(`${name}\0`);
    const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, device[0], device[1], nameBytes.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0")).join("")}`;
    const head = new Uint8Array(header.length + nameBytes.length);
    head.set(encoder.encode(header));
    head.set(nameBytes, header.length);
    push(head);
    push(data);
  };

  let inode = 0;
  for (const entry of entries) {
    const permissions = entry.type === "symlink" ? undefined : entry.mode;
    const mode = FILE_TYPES[entry.type] | (permissions ?? DEFAULT_MODES[entry.type]);
    const data =
      entry.type === "file" ? entry.data : entry.type === "symlink" ? encoder.encode(entry.target) : new Uint8Array(0);
    const device = entry.type === "character-device" ? [entry.major, entry.minor] : undefined;
    member(++inode, mode, entry.type === "directory" ? 2 : 1, entry.name, data, device);
  }
  member(0, 0, 1, "TRAILER!!!", new Uint8Array(0));

  const archive = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}
