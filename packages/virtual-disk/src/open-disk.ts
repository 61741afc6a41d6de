// One way to open a disk from what a configuration says of it.
import { open, realpath } from "node:fs/promises";
import { type BlockDevice, DiskError } from "./block-device.ts";
import { hostError } from "./host-errors.ts";
import { type HttpDiskOptions, openHttpDisk } from "./http/http-disk.ts";
import type { Sharing } from "./image-file.ts";
import { openQcow2Disk } from "./qcow2/open-qcow2.ts";
import { openRawDisk } from "./raw-disk.ts";

/** "vhd" and "qed" are names that xl knows; they are refused. */
export type DiskFormat = "raw" | "qcow2" | "auto" | "vhd" | "qed";

export interface DiskSpec {
  /** A path, or a URL that begins with http:// or https://. */
  target: string;
  /**
   * Default "raw". Only "auto" looks into the image: a guest that writes a qcow2 header to its raw disk could otherwise
   * have any file of the host opened as its backing file the next time.
   */
  format?: DiskFormat;
  /** Default false. */
  readOnly?: boolean;
  /** Default true: offered where it is possible. */
  discard?: boolean;
  /** Default "exclusive"; "shared" takes no lock, for guests that know how to share (xl's "!"). */
  sharing?: Sharing;
  /** Default true. False refuses qcow2 images with a backing file: the image names it, so it must be trusted. */
  backingFiles?: boolean;
  http?: HttpDiskOptions;
}

const MAX_CHAIN = 64;

/** Rejects with DiskError, in one sentence that fits on a terminal. */
export function openDisk(spec: DiskSpec): Promise<BlockDevice> {
  return openLink(spec, []);
}

/** `chain`: the real paths of the images that lead here by their backing files. */
async function openLink(spec: DiskSpec, chain: readonly string[]): Promise<BlockDevice> {
  const { target, format = "raw" } = spec;
  if (target === "") throw new DiskError("EINVAL", target, "The disk has no file.");
  if (/^https?:\/\//i.test(target)) return openUrl(spec, format);
  const actual = format === "auto" ? await detectFormat(target) : format;
  const { readOnly, discard, sharing } = spec;
  if (actual === "raw") return openRawDisk(target, { readOnly, discard, sharing });
  if (actual !== "qcow2") throw unsupported(target, actual);
  const path = await realpath(target).catch((error) => {
    throw hostError(error, target, "open");
  });
  if (chain.includes(path)) {
    throw new DiskError("EINVAL", target, `The backing files of ${chain[0]} lead in a circle at ${target}.`);
  }
  if (chain.length >= MAX_CHAIN) {
    throw new DiskError("EINVAL", target, `${chain[0]} has more than ${MAX_CHAIN} backing files.`);
  }
  const openBacking = (backing: string, backingFormat: string | undefined): Promise<BlockDevice> => {
    if (backingFormat === undefined && format !== "auto") {
      const remedy = '"qemu-img rebase -u -F FORMAT" adds it';
      const message = `${target} does not say the format of its backing file ${backing}, and it is not guessed; ${remedy}.`;
      throw new DiskError("EINVAL", target, message);
    }
    const next = { ...spec, target: backing, format: knownFormat(backing, backingFormat ?? "auto"), readOnly: true };
    return openLink(next, [...chain, path]);
  };
  return openQcow2Disk(target, {
    readOnly,
    discard,
    sharing,
    openBacking: spec.backingFiles === false ? undefined : openBacking,
  });
}

async function openUrl(spec: DiskSpec, format: DiskFormat): Promise<BlockDevice> {
  const { target } = spec;
  if (!spec.readOnly) {
    throw new DiskError("EROFS", target, `${target} can only be opened for reading; an overlay can take the changes.`);
  }
  if (format !== "raw" && format !== "auto") throw unsupported(target, format, " by HTTP");
  const disk = await openHttpDisk(target, spec.http);
  if (format === "raw") return disk;
  const start = Buffer.alloc(512);
  await disk.read(0, [start]);
  const found = formatOf(start);
  if (found === "raw") return disk;
  await disk.close();
  throw unsupported(target, found, " by HTTP");
}

function unsupported(target: string, format: string, how = ""): DiskError {
  return new DiskError("EINVAL", target, `${target} is of format "${format}", which is not supported${how}.`);
}

function knownFormat(target: string, format: string): DiskFormat {
  if (format === "raw" || format === "qcow2" || format === "auto" || format === "vhd" || format === "qed")
    return format;
  throw unsupported(target, format);
}

async function detectFormat(target: string): Promise<string> {
  const start = Buffer.alloc(512);
  try {
    const file = await open(target, "r");
    try {
      await file.read(start, 0, start.byteLength, 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw hostError(error, target, "open");
  }
  return formatOf(start);
}

const MAGICS: readonly (readonly [magic: string, format: string])[] = [
  ["QFI\xfb", "qcow2"],
  ["QED\0", "qed"],
  ["conectix", "vhd"],
  ["vhdxfile", "vhdx"],
  ["KDMV", "vmdk"],
];

function formatOf(start: Buffer): string {
  const text = start.toString("latin1");
  return MAGICS.find(([magic]) => text.startsWith(magic))?.[1] ?? "raw";
}
