// Names of virtual disks and their numbers (xen/docs/man/xen-vbd-interface.7, "Concrete encoding in the VBD interface").

/** A virtual disk's name in the guest, and the number under which xenstore lists it. */
export interface VirtualDevice {
  /** As Linux names it: "xvda", "xvda1". */
  name: string;
  number: number;
}

const XVD_MAJOR = 202;
const EXTENDED = 1 << 28;
/** Disks and partitions that the first encoding has room for. */
const SHORT = 16;
const MOST_DISKS = 1 << 20;
const MOST_PARTITIONS = 1 << 8;

function xvdNumber(disk: number, partition: number): number {
  if (disk < SHORT && partition < SHORT) return (XVD_MAJOR << 8) | (disk << 4) | partition;
  return EXTENDED | (disk << 8) | partition;
}

/** "a" is 0, "z" 25, "aa" 26. */
function diskOfLetters(letters: string): number {
  let disk = 0;
  for (const letter of letters) disk = disk * 26 + (letter.charCodeAt(0) - 96);
  return disk - 1;
}

function lettersOf(disk: number): string {
  let letters = "";
  for (let rest = disk + 1; rest > 0; rest = Math.floor((rest - 1) / 26))
    letters = String.fromCharCode(97 + ((rest - 1) % 26)) + letters;
  return letters;
}

const xvdName = (disk: number, partition: number): string => `xvd${lettersOf(disk)}${partition === 0 ? "" : partition}`;

/**
 * Reads a virtual device's name: "xvda", "xvdb3", "d2p1", "sda1", "hdc", or its number in decimal or hexadecimal.
 * undefined: no such name.
 */
export function parseVirtualDevice(text: string): VirtualDevice | undefined {
  const named = /^(xvd|sd|hd)([a-z]{1,4})(\d{0,3})$/.exec(text);
  if (named !== null) {
    const [, kind, letters, digits] = named;
    const disk = diskOfLetters(letters);
    const partition = Number(digits || 0);
    if (/^0/.test(digits) || disk >= MOST_DISKS || partition >= MOST_PARTITIONS) return undefined;
    if (kind === "xvd") return { name: text, number: xvdNumber(disk, partition) };
    if (kind === "sd")
      return disk < SHORT && partition < SHORT ? { name: text, number: (8 << 8) | (disk << 4) | partition } : undefined;
    if (disk > 3 || partition > 63) return undefined;
    const major = disk < 2 ? 3 : 22;
    return { name: text, number: (major << 8) | ((disk & 1) << 6) | partition };
  }
  const portable = /^d(0|[1-9]\d{0,6})(?:p(0|[1-9]\d{0,2}))?$/.exec(text);
  if (portable !== null) {
    const disk = Number(portable[1]);
    const partition = Number(portable[2] ?? 0);
    if (disk >= MOST_DISKS || partition >= MOST_PARTITIONS) return undefined;
    return { name: xvdName(disk, partition), number: xvdNumber(disk, partition) };
  }
  if (/^(0x[0-9a-fA-F]{1,8}|[1-9]\d{0,9})$/.test(text)) {
    const number = Number(text);
    return number > 0 && number < 2 ** 29 ? { name: nameOfNumber(number), number } : undefined;
  }
  return undefined;
}

function nameOfNumber(number: number): string {
  if ((number & EXTENDED) !== 0) return xvdName((number >>> 8) & (MOST_DISKS - 1), number & 0xff);
  if (number >>> 8 === XVD_MAJOR) return xvdName((number >>> 4) & 15, number & 15);
  return String(number);
}
