import { readFile } from "node:fs/promises";
import { isBzImage, readBzImage } from "./bzimage.ts";
import { type Compression, detectCompression, unpack } from "./compression.ts";
import { type ElfFile, EM_386, EM_X86_64, isElf, machineName, readElf, viewOf } from "./elf.ts";
import { ImageError } from "./image-error.ts";
import { readXenNotes, type XenNotes } from "./xen-notes.ts";

/** A kernel that can be built into a PV domain. */
export interface KernelImage {
  readonly elf: ElfFile;
  readonly notes: XenNotes;
  /** What the file was. */
  readonly container: "elf" | "compressed-elf" | "bzimage";
  readonly compression: Compression | null;
}

const AARCH64_IMAGE_MAGIC = 0x644d5241;
const AARCH64_IMAGE_MAGIC_AT = 0x38;
const RISCV_IMAGE_MAGIC = 0x05435352;

/**
 * Unpacks a kernel file (ELF, bzImage, or compressed ELF) and reads its Xen notes.
 * @throws ImageError of any code; see {@link ImageErrorCode}
 */
export async function readKernelImage(bytes: Uint8Array): Promise<KernelImage> {
  if (bytes.length === 0) {
    throw new ImageError("missing", "the kernel image is empty");
  }
  const unpacked = await unpackContainer(bytes);
  const elf = readElf(unpacked.bytes);
  if (elf.machine !== EM_X86_64 && elf.machine !== EM_386) {
    throw new ImageError("architecture", `the kernel is built for ${machineName(elf.machine)}, not for x86-64`);
  }
  const notes = readXenNotes(elf);
  if (notes === null) {
    throw new ImageError(
      "not-pv",
      "the kernel has no Xen notes, so it cannot run as a PV guest (Linux: CONFIG_XEN_PV)",
    );
  }
  checkGuest(notes);
  return { elf, notes, container: unpacked.container, compression: unpacked.compression };
}

/**
 * {@link readKernelImage} of a file.
 * @throws ImageError `missing` if the file cannot be read
 */
export async function loadKernelImage(path: string): Promise<KernelImage> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : String(cause);
    throw new ImageError("missing", `cannot read the kernel ${path}: ${reason}`, { cause });
  }
  return readKernelImage(bytes);
}

async function unpackContainer(
  bytes: Uint8Array,
): Promise<{ bytes: Uint8Array; container: KernelImage["container"]; compression: Compression | null }> {
  if (isElf(bytes)) {
    return { bytes, container: "elf", compression: null };
  }
  if (isBzImage(bytes)) {
    const payload = readBzImage(bytes);
    const unpacked = await unpack(payload.bytes, payload.compression, payload.unpackedSize);
    if (!isElf(unpacked)) {
      throw new ImageError("corrupt", "the bzImage's payload unpacks to something that is no ELF kernel");
    }
    return { bytes: unpacked, container: "bzimage", compression: payload.compression };
  }
  refuseForeignImage(bytes);
  const compression = detectCompression(bytes);
  if (compression === null) {
    throw new ImageError("not-a-kernel", "the file is neither an ELF kernel nor a bzImage nor a compressed ELF kernel");
  }
  const unpacked = await unpack(bytes, compression);
  refuseForeignImage(unpacked);
  if (!isElf(unpacked)) {
    throw new ImageError("not-a-kernel", `the ${compression}-compressed file holds no ELF kernel`);
  }
  return { bytes: unpacked, container: "compressed-elf", compression };
}

/** Other architectures' boot images are no ELF files, but carry a magic number in the same place. */
function refuseForeignImage(bytes: Uint8Array): void {
  if (bytes.length < AARCH64_IMAGE_MAGIC_AT + 4) {
    return;
  }
  const magic = viewOf(bytes).getUint32(AARCH64_IMAGE_MAGIC_AT, true);
  if (magic === AARCH64_IMAGE_MAGIC || magic === RISCV_IMAGE_MAGIC) {
    const machine = magic === AARCH64_IMAGE_MAGIC ? "AArch64" : "RISC-V";
    throw new ImageError("architecture", `the kernel is a Linux image for ${machine}, not for x86-64`);
  }
}

/** What Xen's own loader asks before it takes an image for a guest. */
function checkGuest(notes: XenNotes): void {
  if (!notes.loader.startsWith("generic") && !notes.guestOs.startsWith("linux")) {
    throw new ImageError("not-pv", `the kernel asks for the loader "${notes.loader}", not for Xen's generic one`);
  }
  if (!notes.xenVersion.startsWith("xen-3.0")) {
    throw new ImageError("not-pv", `the kernel is made for the interface "${notes.xenVersion}", not for xen-3.0`);
  }
}
