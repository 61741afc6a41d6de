import { asByteSource, type ByteSource, openByteSource } from "./byte-source.ts";
import { BZIMAGE_HEAD_BYTES, isBzImage, readBzImage } from "./bzimage.ts";
import { type Compression, detectCompression, unpack } from "./compression.ts";
import { type ElfFile, EM_386, EM_X86_64, isElf, machineName, readElf, viewOf } from "./elf.ts";
import { ImageError } from "./image-error.ts";
import { readXenNotes, type XenNotes } from "./xen-notes.ts";

/** A kernel that can be built into a domain. */
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

/** Keeps what packed kernels unpack to, for whoever reads the same ones again. */
export interface UnpackedKernels {
  /** What `packed` holds: as it was kept, else from `unpack`. Fails only with the errors of these two. */
  get(packed: ByteSource, unpack: () => Promise<Uint8Array>): Promise<ByteSource>;
}

export interface KernelReadOptions {
  /** The kind of guest that it is to be, whose entry it must have. Default: "pv". */
  readonly guestType?: "pv" | "pvh";
  /** Default: a packed kernel is unpacked each time. */
  readonly unpackedKernels?: UnpackedKernels;
}

/**
 * Unpacks a kernel file (ELF, bzImage, or compressed ELF) and reads its Xen notes.
 * @throws ImageError of any code; see {@link ImageErrorCode}
 */
export async function readKernelImage(
  image: Uint8Array | ByteSource,
  options: KernelReadOptions = {},
): Promise<KernelImage> {
  const source = asByteSource(image);
  if (source.size === 0) {
    throw new ImageError("missing", "the kernel image is empty");
  }
  const { container, compression, unpack } = openContainer(source);
  const elf = readElf(await unpackWith(options.unpackedKernels, source, unpack));
  if (elf.machine !== EM_X86_64 && elf.machine !== EM_386) {
    throw new ImageError("architecture", `the kernel is built for ${machineName(elf.machine)}, not for x86-64`);
  }
  const notes = readXenNotes(elf);
  if (options.guestType === "pvh") {
    if (notes === null || notes.phys32Entry === null) {
      throw new ImageError(
        "not-pvh",
        "the kernel has no Xen note PHYS32_ENTRY, so it cannot run as a PVH guest (Linux: CONFIG_PVH)",
      );
    }
    return { elf, notes, container, compression };
  }
  if (notes === null) {
    throw new ImageError(
      "not-pv",
      "the kernel has no Xen notes, so it cannot run as a PV guest (Linux: CONFIG_XEN_PV)",
    );
  }
  checkGuest(notes);
  return { elf, notes, container, compression };
}

/**
 * {@link readKernelImage} of a file. Of a plain ELF file only what is wanted is read, and as long as the image is in use.
 * @throws ImageError `missing` if the file cannot be read
 */
export async function loadKernelImage(path: string, options: KernelReadOptions = {}): Promise<KernelImage> {
  let source: ByteSource;
  try {
    source = await openByteSource(path);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : String(cause);
    throw new ImageError("missing", `cannot read the kernel ${path}: ${reason}`, { cause });
  }
  return readKernelImage(source, options);
}

interface Container {
  readonly container: KernelImage["container"];
  readonly compression: Compression | null;
  /** Gives the ELF file inside; null: the image is one itself. */
  readonly unpack: (() => Promise<Uint8Array>) | null;
}

async function unpackWith(
  kept: UnpackedKernels | undefined,
  source: ByteSource,
  unpack: Container["unpack"],
): Promise<ByteSource> {
  if (unpack === null) {
    return source;
  }
  return kept === undefined ? asByteSource(await unpack()) : kept.get(source, unpack);
}

function openContainer(source: ByteSource): Container {
  const head = source.bytes(0, Math.min(source.size, BZIMAGE_HEAD_BYTES));
  if (isElf(head)) {
    return { container: "elf", compression: null, unpack: null };
  }
  if (isBzImage(head)) {
    const { offset, length, compression, unpackedSize } = readBzImage(source);
    const unpackPayload = async () => {
      const unpacked = await unpack(source.bytes(offset, length), compression, unpackedSize);
      if (!isElf(unpacked)) {
        throw new ImageError("corrupt", "the bzImage's payload unpacks to something that is no ELF kernel");
      }
      return unpacked;
    };
    return { container: "bzimage", compression, unpack: unpackPayload };
  }
  refuseForeignImage(head);
  const compression = detectCompression(head);
  if (compression === null) {
    throw new ImageError("not-a-kernel", "the file is neither an ELF kernel nor a bzImage nor a compressed ELF kernel");
  }
  const unpackFile = async () => {
    const unpacked = await unpack(source.bytes(0, source.size), compression);
    refuseForeignImage(unpacked);
    if (!isElf(unpacked)) {
      throw new ImageError("not-a-kernel", `the ${compression}-compressed file holds no ELF kernel`);
    }
    return unpacked;
  };
  return { container: "compressed-elf", compression, unpack: unpackFile };
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
