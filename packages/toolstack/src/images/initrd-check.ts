import { detectCompression, unpack } from "@xen-node/guest-images";
import { ConfigError } from "../config/config-error.ts";

const NEWC_HEADER = 110;
const NEWC_MAGICS = ["070701", "070702"];
const TRAILER = "TRAILER!!!";

/**
 * Checks that Linux will be able to unpack an initial ram disk: one or more cpio archives in newc format, each either
 * plain or compressed, with zeros between them. A guest given a damaged one panics a long way from the cause.
 *
 * @param name what an error message begins with.
 * @throws ConfigError, one sentence.
 */
export async function checkLinuxInitrd(bytes: Uint8Array, name: string): Promise<void> {
  if (bytes.length === 0) throw new ConfigError(`${name} is empty: give an initial ram disk or leave it out.`);
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    const rest = bytes.subarray(at);
    if (isCpio(rest)) {
      at += cpioLength(rest, name);
      continue;
    }
    const compression = detectCompression(rest);
    if (compression === null) {
      throw new ConfigError(
        at === 0
          ? `${name} is no initial ram disk (neither a cpio archive nor a compressed one): give another file.`
          : `${name} is damaged: byte ${at} begins neither a cpio archive nor a compressed one.`,
      );
    }
    // Linux unpacks these as well, but no decoder of ours does: the guest has the last word on them.
    if (compression === "lzma" || compression === "lzo") return;
    let archive: Uint8Array;
    try {
      archive = await unpack(rest, compression);
    } catch (error) {
      throw new ConfigError(`${name} is damaged: ${(error as Error).message.replace(/\.?$/, "")}.`);
    }
    if (!isCpio(archive)) {
      throw new ConfigError(`${name} is no initial ram disk: what its ${compression} data holds is no cpio archive.`);
    }
    cpioLength(archive, name);
    // A compressed archive is the last one, as the decoders take all that follows.
    return;
  }
}

function isCpio(bytes: Uint8Array): boolean {
  return NEWC_MAGICS.includes(ascii(bytes, 0, 6));
}

/** Walks the members to the trailer; returns where the archive ends. */
function cpioLength(bytes: Uint8Array, name: string): number {
  for (let at = 0; ; ) {
    if (at + NEWC_HEADER > bytes.length) throw truncated(name);
    if (!isCpio(bytes.subarray(at))) {
      throw new ConfigError(`${name} is damaged: its cpio archive has no valid header at byte ${at}.`);
    }
    const size = Number.parseInt(ascii(bytes, at + 54, 8), 16);
    const nameSize = Number.parseInt(ascii(bytes, at + 94, 8), 16);
    const end = align(align(at + NEWC_HEADER + nameSize) + size);
    if (!(nameSize > 0) || !(size >= 0)) {
      throw new ConfigError(`${name} is damaged: its cpio archive has no valid header at byte ${at}.`);
    }
    if (ascii(bytes, at + NEWC_HEADER, nameSize - 1) === TRAILER) return Math.min(end, bytes.length);
    if (end > bytes.length) throw truncated(name);
    at = end;
  }
}

function truncated(name: string): ConfigError {
  return new ConfigError(`${name} is cut short: its cpio archive has no end; copy or build it again.`);
}

const align = (offset: number): number => (offset + 3) & ~3;

function ascii(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
