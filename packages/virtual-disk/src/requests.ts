// Checks that every disk makes of a request before it does anything.
import { type BlockDevice, DiskError } from "./block-device.ts";

/** The request's length in bytes; throws EINVAL if it leaves the disk. */
export function checkTransfer(
  disk: Pick<BlockDevice, "name" | "sizeBytes">,
  offset: number,
  buffers: readonly Uint8Array[],
): number {
  let lengthBytes = 0;
  for (let i = 0; i < buffers.length; i++) lengthBytes += buffers[i].byteLength;
  checkRange(disk, offset, lengthBytes);
  return lengthBytes;
}

/** Throws EINVAL if the range leaves the disk. */
export function checkRange(disk: Pick<BlockDevice, "name" | "sizeBytes">, offset: number, lengthBytes: number): void {
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(lengthBytes) ||
    offset < 0 ||
    lengthBytes < 0 ||
    offset + lengthBytes > disk.sizeBytes
  ) {
    throw new DiskError(
      "EINVAL",
      disk.name,
      `The request for ${lengthBytes} bytes at ${offset} lies outside ${disk.name}, which has ${disk.sizeBytes} bytes.`,
    );
  }
}

/** Throws EROFS on a read-only disk. */
export function checkWritable(disk: Pick<BlockDevice, "name" | "readOnly">): void {
  if (disk.readOnly) throw new DiskError("EROFS", disk.name, `${disk.name} is open for reading only.`);
}

/** Throws EOPNOTSUPP where discard is not offered. */
export function checkDiscard(
  disk: Pick<BlockDevice, "name" | "readOnly" | "sizeBytes" | "discardGranularityBytes">,
  offset: number,
  lengthBytes: number,
): void {
  checkRange(disk, offset, lengthBytes);
  checkWritable(disk);
  if (disk.discardGranularityBytes === 0) {
    throw new DiskError("EOPNOTSUPP", disk.name, `${disk.name} does not offer discard.`);
  }
}

/** The error of a request to a disk that was closed. */
export function closedError(name: string): DiskError {
  return new DiskError("EBADF", name, `${name} was closed.`);
}

/**
 * Waits until every job has settled and then throws the first failure: a request must not reject while another part of
 * it still reads into or writes from the caller's buffers.
 */
export async function settleAll(jobs: readonly Promise<void>[]): Promise<void> {
  if (jobs.length === 1) return jobs[0];
  for (const outcome of await Promise.allSettled(jobs)) if (outcome.status === "rejected") throw outcome.reason;
}

/** Jobs that are started while others are awaited: none of them goes unheard, and `settled` tells the first failure. */
export class Jobs {
  readonly #jobs: Promise<void>[] = [];

  add(job: Promise<void>): void {
    // Node ends the process over a rejection that nobody has listened to by the end of the turn.
    job.catch(() => {});
    this.#jobs.push(job);
  }

  settled(): Promise<void> {
    return settleAll(this.#jobs);
  }
}
