// Addresses as people write them, and as bytes.

/** "52:54:00:12:34:56" (or with "-") as 6 bytes; undefined: no MAC address. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (part) => Number.parseInt(part, 16));
}

export function formatMac(bytes: Uint8Array, offset = 0): string {
  let text = "";
  for (let i = 0; i < 6; i++) text += `${i === 0 ? "" : ":"}${bytes[offset + i].toString(16).padStart(2, "0")}`;
  return text;
}

/** "192.0.2.1" as 4 bytes; undefined: no IPv4 address in dotted decimal. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

export function formatIpv4(bytes: Uint8Array, offset = 0): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/** An IPv6 address (RFC 4291, 2.2; no zone) as 16 bytes; undefined: none. */
export function parseIpv6(text: string): Uint8Array | undefined {
  let source = text;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const last = parseIpv4(dotted[2]);
    if (last === undefined) return undefined;
    source = `${dotted[1]}${((last[0] << 8) | last[1]).toString(16)}:${((last[2] << 8) | last[3]).toString(16)}`;
  }
  const halves = source.split("::");
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string | undefined): string[] => (half === undefined || half === "" ? [] : half.split(":"));
  const head = groupsOf(halves[0]);
  const tail = groupsOf(halves[1]);
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const bytes = new Uint8Array(16);
  for (const [index, group] of groups.entries()) {
    const value = Number.parseInt(group, 16);
    bytes[2 * index] = value >>> 8;
    bytes[2 * index + 1] = value & 0xff;
  }
  return bytes;
}

/** In the canonical form of RFC 5952. */
export function formatIpv6(bytes: Uint8Array, offset = 0): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[offset + 2 * i] << 8) | bytes[offset + 2 * i + 1]);
  let longest = 1; // a single zero group isn't shortened
  let start = -1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > longest) {
      longest = length;
      start = i;
    }
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + longest))}`;
}

/** Whether `length` bytes of two arrays are the same. */
export function sameBytes(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aOffset + i] !== b[bOffset + i]) return false;
  return true;
}

/** Whether the frame's destination is a group (multicast or broadcast). */
export const isGroupAddress = (bytes: Uint8Array, offset = 0): boolean => (bytes[offset] & 1) !== 0;
