import {
  BLKIF_OP_DISCARD,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
} from "@xen-node/xen-abi";
import type { BlockDevice } from "./block-device.ts";
import type { BlockRequest } from "./block-request.ts";
import type { VbdStatistics } from "./statistics.ts";

/** Calls back exactly once, with what went wrong if something did. */
function settle(start: () => Promise<void>, done: (error?: unknown) => void): void {
  const failed = (error: unknown): void => done(error ?? new Error("the disk failed and gave no reason"));
  let promise: Promise<void>;
  try {
    promise = start();
  } catch (error) {
    failed(error);
    return;
  }
  promise.then(() => done(), failed);
}

/**
 * A disk and the requests of one device that are under way on it, in the order that flushes and barriers demand:
 *
 * - a flush waits for the writes and discards that were taken before it (the protocol asks only for those answered, but
 *   Mini-OS flushes behind writes under way), and then flushes the disk;
 * - a barrier waits for everything that was taken before it, flushes, writes, and flushes again. While it is there nothing
 *   more may be admitted.
 *
 * Each request is admitted once, when it was taken; reads, writes and discards are started later, by `transfer` and
 * `discard`.
 */
export class Medium {
  readonly disk: BlockDevice;
  /** Requests admitted and not finished. */
  private unfinished = 0;
  private admitted = 0;
  /** Of those unfinished, writes and discards. */
  private changes = 0;
  /** Flushes that wait for writes, with the number of those. */
  private readonly waiting: { request: BlockRequest; changes: number }[] = [];
  private barrier: BlockRequest | undefined;
  private flushing = false;
  /** Who waits for the flush after the one under way: they share it. */
  private nextFlush: ((error?: unknown) => void)[] = [];
  private whenIdle: (() => void)[] = [];

  private readonly statistics: VbdStatistics;

  constructor(disk: BlockDevice, statistics: VbdStatistics) {
    this.disk = disk;
    this.statistics = statistics;
  }

  /** Whether a barrier keeps others from being admitted. */
  get blocked(): boolean {
    return this.barrier !== undefined;
  }

  /** Calls back when nothing is under way on the disk. */
  onIdle(then: () => void): void {
    if (this.unfinished === 0) then();
    else this.whenIdle.push(then);
  }

  /** True: the request is to be started by `transfer` or `discard`; false: it goes its way alone. */
  admit(request: BlockRequest): boolean {
    this.unfinished++;
    request.order = ++this.admitted;
    switch (request.operation) {
      case BLKIF_OP_FLUSH_DISKCACHE: {
        const earlier = this.changes;
        if (request.lengthBytes > 0) this.changes++;
        if (earlier === 0) this.flush(request);
        else this.waiting.push({ request, changes: earlier });
        return false;
      }
      case BLKIF_OP_WRITE_BARRIER:
        this.barrier = request;
        this.tryBarrier();
        return false;
      case BLKIF_OP_READ:
        return true;
      default:
        this.changes++;
        return true;
    }
  }

  /** Starts reads, or writes, that lie one behind the other on the disk. */
  transfer(run: readonly BlockRequest[]): void {
    const { disk } = this;
    const { operation, offset } = run[0];
    const buffers = run.length === 1 ? run[0].buffers : run.flatMap((request) => request.buffers);
    if (run.length > 1) this.statistics.merged += run.length;
    if (operation === BLKIF_OP_READ && disk.readNow?.(offset, buffers)) {
      for (const request of run) this.finish(request, undefined);
      return;
    }
    settle(
      () => (operation === BLKIF_OP_READ ? disk.read(offset, buffers) : disk.write(offset, buffers)),
      (error) => {
        // An error must hit only the requests that it belongs to.
        if (error !== undefined && run.length > 1) for (const request of run) this.transfer([request]);
        else for (const request of run) this.finish(request, error);
      },
    );
  }

  discard(request: BlockRequest): void {
    settle(
      () => this.disk.discard(request.offset, request.lengthBytes),
      (error) => this.finish(request, error),
    );
  }

  private flush(request: BlockRequest): void {
    this.flushDisk((error) => {
      if (error !== undefined || request.lengthBytes === 0) this.finish(request, error);
      else this.transfer([request]);
    });
  }

  private tryBarrier(): void {
    const request = this.barrier;
    if (request === undefined || this.unfinished !== 1) return;
    this.flushDisk((error) => {
      if (error !== undefined || request.lengthBytes === 0) {
        this.finishBarrier(request, error);
        return;
      }
      settle(
        () => this.disk.write(request.offset, request.buffers),
        (failure) => {
          if (failure !== undefined) this.finishBarrier(request, failure);
          else this.flushDisk((last) => this.finishBarrier(request, last));
        },
      );
    });
  }

  private finishBarrier(request: BlockRequest, error: unknown): void {
    this.barrier = undefined;
    this.finish(request, error);
  }

  private finish(request: BlockRequest, error: unknown): void {
    this.unfinished--;
    const { operation } = request;
    const change =
      operation === BLKIF_OP_WRITE ||
      operation === BLKIF_OP_DISCARD ||
      (operation === BLKIF_OP_FLUSH_DISKCACHE && request.lengthBytes > 0);
    if (change) this.changeFinished(request.order);
    request.source.finished(request, error);
    this.tryBarrier();
    if (this.unfinished === 0) {
      const idle = this.whenIdle;
      this.whenIdle = [];
      for (const then of idle) then();
    }
  }

  private changeFinished(order: number): void {
    this.changes--;
    if (this.waiting.length === 0) return;
    for (const flush of this.waiting) if (order < flush.request.order) flush.changes--;
    // Writes taken before a flush were taken before the later flushes too, so the flushes become ready in their order.
    while (this.waiting.length > 0 && this.waiting[0].changes === 0) this.flush(this.waiting.shift()!.request);
  }

  private flushDisk(then: (error?: unknown) => void): void {
    if (this.flushing) {
      // The flush under way may have begun before a write that this one is to cover.
      this.nextFlush.push(then);
      return;
    }
    this.flushing = true;
    settle(
      () => this.disk.flush(),
      (error) => {
        this.flushing = false;
        const next = this.nextFlush;
        this.nextFlush = [];
        if (next.length > 0)
          this.flushDisk((later) => {
            for (const waiter of next) waiter(later);
          });
        then(error);
      },
    );
  }
}
