// When a file may be read by a system call that this thread waits for. Handing the call to another thread and hearing of its end
// takes several times as long as the copy from the host's cache; but whoever waits here makes all guests wait.
import { statfs } from "node:fs";
import { totalmem } from "node:os";
import { RecentPages } from "./recent-pages.ts";

/** Longest read, bytes: it is a copy of a tenth of a millisecond or two. */
const MOST_BYTES = 1 << 20;
/** A call that took longer has waited for something. */
const SLOW_MS = 1;
/** After a slow call none is made for so many times as long: what waits takes 3 % of this thread's time at most. */
const PAUSE_FACTOR = 32;
/** The part of the host's memory that is expected to keep what was read and written. */
const CACHE_SHARE = 1 / 8;

/** Types of file systems on this machine's own disks and memory, as statfs(2) gives them (linux/magic.h). */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
]);

export interface PromptReadsOptions {
  /** Default: performance.now. */
  nowMs?: () => number;
  /** Memory of the host, bytes; default: what it has. */
  memoryBytes?: number;
}

/** Whether a file lies where waiting for it is a matter of this machine alone. */
export function isLocalFile(path: string): Promise<boolean> {
  if (process.platform !== "linux") return Promise.resolve(false);
  return new Promise((resolve) =>
    statfs(path, (error, stats) => resolve(!error && LOCAL_FILE_SYSTEMS.has(Number(stats.type)))),
  );
}

/**
 * Decides, for one file, which reads are prompt: those of pages that this process has moved not long ago, as long as such reads
 * turn out to take no time. A disk that is slow is so at the first reading of a page, which is never prompt. Writes never are:
 * a file system may have a writer wait for its journal.
 */
export class PromptReads {
  readonly #nowMs: () => number;
  readonly #pages: RecentPages;
  #pausedUntilMs = 0;

  constructor({ nowMs = () => performance.now(), memoryBytes = totalmem() }: PromptReadsOptions = {}) {
    this.#nowMs = nowMs;
    this.#pages = new RecentPages(memoryBytes * CACHE_SHARE);
  }

  /** Does a read, unless it is to be expected to wait. False: it wasn't done, or not with success. Never throws. */
  attempt(position: number, lengthBytes: number, read: () => number): boolean {
    if (lengthBytes > MOST_BYTES || !this.#pages.has(position, lengthBytes)) return false;
    const startMs = this.#nowMs();
    if (startMs < this.#pausedUntilMs) return false;
    let done: boolean;
    try {
      done = read() === lengthBytes;
    } catch {
      done = false;
    }
    const endMs = this.#nowMs();
    if (endMs - startMs > SLOW_MS) this.#pausedUntilMs = endMs + PAUSE_FACTOR * (endMs - startMs);
    if (done) this.moved(position, lengthBytes);
    else this.#pages.forgetAll();
    return done;
  }

  /** The range was read or written; the host's cache has it now. */
  moved(position: number, lengthBytes: number): void {
    this.#pages.note(position, lengthBytes);
  }

  /** The range was cut out of the file. */
  dropped(position: number, lengthBytes: number): void {
    this.#pages.forget(position, lengthBytes);
  }

  /** Something went wrong with the file. */
  failed(): void {
    this.#pages.forgetAll();
  }
}
