// A file (or host block device) that holds an image: opened, locked, and with the host's errors as DiskErrors.
import { type BigIntStats, close, constants, fstat, open, stat } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { DiskError } from "./block-device.ts";
import { listBytes } from "./buffer-list.ts";
import { readAt, readAtOnce, setLength, syncData, writeAt } from "./file-io.ts";
import { HolePuncher } from "./hole-punch.ts";
import { hostError } from "./host-errors.ts";
import { lockImage, type Unlock } from "./image-lock.ts";
import { isLocalFile, PromptReads } from "./prompt-reads.ts";
import { closedError } from "./requests.ts";

/** "exclusive": one writer or several readers, also between processes. "shared": no lock is taken or looked at. */
export type Sharing = "exclusive" | "shared";

export interface ImageFileOptions {
  readOnly?: boolean;
  /** Default "exclusive". */
  sharing?: Sharing;
}

const openAsync = promisify(open);
const statAsync = promisify(stat);
const closeAsync = promisify(close);

export class ImageFile {
  readonly path: string;
  readonly readOnly: boolean;
  readonly isBlockDevice: boolean;
  #fd: number;
  #unlock: Unlock;
  /** undefined: a call that waits for the file may wait for more than this machine. */
  #prompt: PromptReads | undefined;
  #puncher: Promise<HolePuncher | undefined> | undefined;
  #syncFailure: DiskError | undefined;
  #closed: Promise<void> | undefined;
  #active = 0;
  #onIdle: (() => void) | undefined;

  private constructor(
    path: string,
    fd: number,
    readOnly: boolean,
    isBlockDevice: boolean,
    unlock: Unlock,
    prompt: PromptReads | undefined,
  ) {
    this.path = path;
    this.#fd = fd;
    this.readOnly = readOnly;
    this.isBlockDevice = isBlockDevice;
    this.#unlock = unlock;
    this.#prompt = prompt;
  }

  static async open(path: string, options: ImageFileOptions = {}): Promise<ImageFile> {
    const readOnly = options.readOnly ?? false;
    let fd: number;
    let kind: { isFile(): boolean; isBlockDevice(): boolean; isDirectory(): boolean };
    try {
      // Looked at before it is opened: opening a FIFO would wait, and opening some devices has effects.
      kind = await statAsync(path);
      if (kind.isDirectory()) throw new DiskError("EISDIR", path, `${path} is a directory, not a disk image.`);
      if (!kind.isFile() && !kind.isBlockDevice()) {
        throw new DiskError("EINVAL", path, `${path} is neither a regular file nor a block device.`);
      }
      fd = await openAsync(path, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | (constants.O_NONBLOCK ?? 0));
    } catch (error) {
      throw hostError(error, path, readOnly ? "open" : "open for writing");
    }
    try {
      const shared = options.sharing === "shared";
      const unlock = shared ? async () => {} : await lockImage(fd, path, readOnly);
      const prompt = kind.isFile() && (await isLocalFile(path)) ? new PromptReads() : undefined;
      return new ImageFile(path, fd, readOnly, kind.isBlockDevice(), unlock, prompt);
    } catch (error) {
      await closeAsync(fd);
      throw error;
    }
  }

  /** In bytes, as it is now. */
  size(): Promise<number> {
    return this.#run("look up the size of", async (fd) => {
      const stats = await new Promise<BigIntStats>((resolve, reject) =>
        fstat(fd, { bigint: true }, (error, result) => (error ? reject(error) : resolve(result))),
      );
      return this.isBlockDevice ? blockDeviceBytes(Number(stats.rdev)) : Number(stats.size);
    });
  }

  /** Resolves to the bytes read; fewer than asked for only at the end of the file. */
  read(position: number, buffers: readonly Uint8Array[]): Promise<number> {
    // Noted before it is so: while the call is under way, nothing is prompt.
    this.#prompt?.moved(position, listBytes(buffers));
    return this.#run("read", (fd) => readAt(fd, position, buffers));
  }

  /** Fills the buffers; what lies beyond the end of the file rejects with EIO. */
  async readFully(position: number, buffers: readonly Uint8Array[], lengthBytes: number): Promise<void> {
    const bytes = await this.read(position, buffers);
    if (bytes !== lengthBytes) {
      throw new DiskError(
        "EIO",
        this.path,
        `Could not read ${lengthBytes} bytes at ${position} of ${this.path}: the file was truncated and ends before.`,
      );
    }
  }

  write(position: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.#prompt?.moved(position, listBytes(buffers));
    return this.#run("write to", (fd) => writeAt(fd, position, buffers));
  }

  /**
   * Fills the buffers before it returns, if this thread has nothing to wait for: what is read must be in the host's cache, and
   * nothing else be under way that the file's lock may be held for. False: `read` is the way.
   */
  readNow(position: number, buffers: readonly Uint8Array[]): boolean {
    if (this.#prompt === undefined || this.#active > 0 || this.#closed !== undefined) return false;
    return this.#prompt.attempt(position, listBytes(buffers), () => readAtOnce(this.#fd, position, buffers));
  }

  /**
   * fdatasync(2). After a failure the kernel has dropped what it could not write and calls the pages clean, so a second
   * try would succeed without the data: once failed, it fails for good.
   */
  async datasync(): Promise<void> {
    if (this.#syncFailure) throw this.#syncFailure;
    try {
      await this.#run("bring to stable storage the writes to", syncData);
    } catch (error) {
      if (error instanceof DiskError && error.code !== "EBADF") this.#syncFailure = error;
      throw error;
    }
  }

  truncate(bytes: number): Promise<void> {
    return this.#run("change the size of", (fd) => setLength(fd, bytes));
  }

  /** Makes punchHole possible; false where it is not. The first call starts a helper process. */
  startPunching(): Promise<boolean> {
    this.#puncher ??= this.#run("look up the size of", async (fd) => HolePuncher.start(fd, await this.size()));
    return this.#puncher.then((puncher) => puncher !== undefined);
  }

  /** The range reads as zeros afterwards and its blocks are free. Rejects with EOPNOTSUPP where that is not possible. */
  punchHole(offset: number, lengthBytes: number): Promise<void> {
    this.#prompt?.dropped(offset, lengthBytes);
    return this.#run("punch a hole into", async () => {
      const puncher = (await this.startPunching()) ? await this.#puncher : undefined;
      if (!puncher) throw new DiskError("EOPNOTSUPP", this.path, `The holes of ${this.path} cannot be punched here.`);
      await puncher.punch(offset, lengthBytes);
    });
  }

  /** Waits for what is under way. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // The descriptor's number may belong to another file the moment it is closed.
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await (await this.#puncher?.catch(() => undefined))?.close();
    try {
      await closeAsync(this.#fd);
    } catch (error) {
      throw hostError(error, this.path, "close");
    } finally {
      await this.#unlock();
    }
  }

  async #run<T>(action: string, operation: (fd: number) => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError(this.path);
    this.#active++;
    try {
      return await operation(this.#fd);
    } catch (error) {
      this.#prompt?.failed();
      throw hostError(error, this.path, action);
    } finally {
      if (--this.#active === 0) this.#onIdle?.();
    }
  }
}

/** `device` as stat(2) gives it, taken apart as Linux's makedev(3) puts it together. */
async function blockDeviceBytes(device: number): Promise<number> {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, "latin1")) * 512;
}
