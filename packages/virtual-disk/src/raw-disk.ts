// A raw image: byte n of the disk is byte n of the file.
import { type BlockDevice, DiskError } from "./block-device.ts";
import { listBytes } from "./buffer-list.ts";
import { ImageFile, type ImageFileOptions } from "./image-file.ts";
import { checkDiscard, checkTransfer, checkWritable } from "./requests.ts";

export interface RawDiskOptions extends ImageFileOptions {
  /** Default true: discard punches holes where the host can. False: discard is not offered. */
  discard?: boolean;
  /** Default 512. */
  sectorBytes?: 512 | 4096;
}

const HOLE_BYTES = 4096;

/** Opens a regular file, sparse or not, or a host block device. Rejects with DiskError. */
export async function openRawDisk(path: string, options: RawDiskOptions = {}): Promise<RawDisk> {
  const file = await ImageFile.open(path, options);
  try {
    const sectorBytes = options.sectorBytes ?? 512;
    const sizeBytes = wholeSectors(await file.size(), sectorBytes);
    if (sizeBytes === 0) {
      throw new DiskError("EINVAL", path, `${path} is empty or smaller than one sector of ${sectorBytes} bytes.`);
    }
    const holes = !file.readOnly && options.discard !== false && (await file.startPunching());
    return new RawDisk(file, sizeBytes, sectorBytes, holes ? HOLE_BYTES : 0);
  } catch (error) {
    await file.close();
    throw error;
  }
}

const wholeSectors = (bytes: number, sectorBytes: number): number => bytes - (bytes % sectorBytes);

export class RawDisk implements BlockDevice {
  readonly name: string;
  readonly readOnly: boolean;
  readonly sectorBytes: number;
  readonly discardGranularityBytes: number;
  onResize?: (sizeBytes: number) => void;
  #file: ImageFile;
  #sizeBytes: number;

  constructor(file: ImageFile, sizeBytes: number, sectorBytes: number, discardGranularityBytes: number) {
    this.name = file.path;
    this.readOnly = file.readOnly;
    this.sectorBytes = sectorBytes;
    this.discardGranularityBytes = discardGranularityBytes;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  /** The file's size without the part sector at its end, if it has one. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const lengthBytes = checkTransfer(this, offset, buffers);
    await this.#file.readFully(offset, buffers, lengthBytes);
  }

  async write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    checkTransfer(this, offset, buffers);
    checkWritable(this);
    await this.#file.write(offset, buffers);
  }

  readNow(offset: number, buffers: readonly Uint8Array[]): boolean {
    // The promise of a request that leaves the disk tells what is wrong.
    const end = offset + listBytes(buffers);
    return offset >= 0 && end <= this.#sizeBytes && this.#file.readNow(offset, buffers);
  }

  async flush(): Promise<void> {
    if (!this.readOnly) await this.#file.datasync();
  }

  /** Punches a hole: the range reads as zeros. */
  async discard(offset: number, lengthBytes: number): Promise<void> {
    checkDiscard(this, offset, lengthBytes);
    if (lengthBytes > 0) await this.#file.punchHole(offset, lengthBytes);
  }

  /** Grows the image by a hole. Shrinking is refused with EINVAL: it would destroy data that the guest still names. */
  async resize(bytes: number): Promise<void> {
    checkWritable(this);
    if (!Number.isSafeInteger(bytes) || bytes < this.#sizeBytes || bytes % this.sectorBytes !== 0) {
      throw new DiskError(
        "EINVAL",
        this.name,
        `${this.name} has ${this.#sizeBytes} bytes and can only grow, by whole sectors, not become ${bytes} bytes.`,
      );
    }
    if (!this.#file.isBlockDevice) {
      // A file that was appended to by someone else keeps what it has.
      if ((await this.#file.size()) < bytes) await this.#file.truncate(bytes);
    } else if ((await this.#file.size()) < bytes) {
      throw new DiskError("EINVAL", this.name, `${this.name} is a block device and smaller than ${bytes} bytes.`);
    }
    this.#setSize(bytes);
  }

  /** Looks whether the file was resized from outside, and if so calls onResize. Resolves to the size. */
  async refreshSize(): Promise<number> {
    this.#setSize(wholeSectors(await this.#file.size(), this.sectorBytes));
    return this.#sizeBytes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #setSize(bytes: number): void {
    if (bytes === this.#sizeBytes) return;
    this.#sizeBytes = bytes;
    this.onResize?.(bytes);
  }
}
