import type { DriverDomain } from "@xen-node/xenbus";
import { BlockQueue, type QueueHost } from "./block-queue.ts";
import type { BlockRequest } from "./block-request.ts";
import type { BlockScheduler, ScheduledDevice, SchedulerSeat, Start, TurnBudget } from "./block-scheduler.ts";
import type { FrontendNodes } from "./frontend-nodes.ts";
import type { Medium } from "./medium.ts";
import { RateLimit } from "./rate-limit.ts";
import { RepeatedLog } from "./repeated-log.ts";
import { RequestReader, type RequestTarget } from "./request-reader.ts";
import { newStatistics, type VbdStatistics } from "./statistics.ts";

/** What one device may use. */
export interface BlockLimits {
  /** Requests a second. Default: no limit. */
  iops?: number;
  bytesPerSecond?: number;
  /** Requests under way. Default 64. */
  maxInFlight?: number;
  /** Pages that stay mapped, for each queue. Default 1056, as in Linux. 0: persistent grants are not offered. */
  maxPersistentGrants?: number;
  /** Milliseconds after which an unused page is unmapped. Default 60,000. */
  persistentIdleMs?: number;
  /** Default 4. */
  maxQueues?: number;
  /** A ring has at most 2^n pages. Default 4, which is also the most. */
  maxRingPageOrder?: number;
  /** Default 256, at most 4096. 0: indirect requests are not offered. */
  maxIndirectSegments?: number;
}

export interface RequestServerOptions {
  /** The device, for log lines. */
  name: string;
  domain: DriverDomain;
  domid: number;
  scheduler: BlockScheduler;
  limits: Required<Omit<BlockLimits, "iops" | "bytesPerSecond">> & Pick<BlockLimits, "iops" | "bytesPerSecond">;
  log: (line: string) => void;
  /** The frontend did what can't be put right; the server has stopped. */
  onFault: (message: string) => void;
}

/** Serves the rings of one connection after another, against whatever medium is inserted. */
export class RequestServer implements ScheduledDevice, QueueHost {
  readonly domain: DriverDomain;
  readonly domid: number;
  readonly maxPersistentGrants: number;
  readonly nowMs: () => number;
  readonly statistics: VbdStatistics = newStatistics();
  private readonly options: RequestServerOptions;
  private readonly seat: SchedulerSeat;
  private readonly rate: RateLimit;
  private readonly errors: RepeatedLog;
  private readonly refusals: RepeatedLog;
  private medium: Medium | undefined;
  private mediumTarget: RequestTarget | undefined;
  private queues: BlockQueue[] = [];
  /** Queue to begin with, so that none starves behind another. */
  private firstQueue = 0;
  private serving = false;
  /** Requests wait in a ring for an answer to another. */
  private stalled = false;
  private cancelWait: (() => void) | undefined;
  private cancelIdle: (() => void) | undefined;
  private whenReleased: (() => void)[] = [];

  constructor(options: RequestServerOptions) {
    const { domain, domid, scheduler, limits, log } = options;
    this.options = options;
    this.domain = domain;
    this.domid = domid;
    this.maxPersistentGrants = limits.maxPersistentGrants;
    this.nowMs = scheduler.nowMs;
    this.rate = new RateLimit(limits, scheduler.nowMs());
    this.errors = new RepeatedLog(log, scheduler.nowMs);
    this.refusals = new RepeatedLog(log, scheduler.nowMs);
    this.seat = scheduler.join(this);
  }

  get target(): RequestTarget | undefined {
    return this.mediumTarget;
  }

  get persistentGrants(): number {
    return this.queues.reduce((sum, queue) => sum + queue.pages.keptCount, 0);
  }

  /** Requests taken from now on go to this medium, or fail if there is none. Those under way stay where they are. */
  setMedium(medium: Medium | undefined, target: RequestTarget | undefined): void {
    this.medium = medium;
    this.mediumTarget = target;
    if (this.stalled) this.unstall();
  }

  /** Begins to serve a frontend. @throws XenbusError if its rings can't be had; nothing is held then. */
  open({ queues, abi, persistent }: FrontendNodes): void {
    const { limits, scheduler } = this.options;
    const reader = new RequestReader(abi, limits.maxIndirectSegments);
    try {
      for (const nodes of queues) this.queues.push(new BlockQueue(this, nodes, abi, persistent, reader));
    } catch (error) {
      for (const queue of this.queues) queue.close();
      this.queues = [];
      throw error;
    }
    this.serving = true;
    this.firstQueue = 0;
    this.seat.wake();
    if (!persistent) return;
    const dropIdle = (): void => {
      const sinceMs = this.nowMs() - limits.persistentIdleMs;
      for (const queue of this.queues) queue.pages.dropUnusedSince(sinceMs);
      this.cancelIdle = scheduler.after(limits.persistentIdleMs / 2, dropIdle);
    };
    this.cancelIdle = scheduler.after(limits.persistentIdleMs / 2, dropIdle);
  }

  /** Takes no more requests, and calls back when those under way are answered and nothing of the frontend is held. */
  release(then: () => void): void {
    this.serving = false;
    this.stalled = false;
    this.cancelWait?.();
    this.cancelWait = undefined;
    this.cancelIdle?.();
    this.cancelIdle = undefined;
    this.whenReleased.push(then);
    this.tryRelease();
  }

  /** The device is gone for good. */
  close(): void {
    this.errors.close();
    this.refusals.close();
    this.options.scheduler.leave(this);
  }

  onWork(): void {
    if (this.serving) this.seat.wake();
  }

  take(budget: TurnBudget, starts: Start[]): boolean {
    const { queues } = this;
    for (let i = 0; i < queues.length; i++) {
      const at = (this.firstQueue + i) % queues.length;
      const queue = queues[at];
      for (;;) {
        const waiting = queue.waiting();
        if (waiting === 0) break;
        if (waiting < 0) {
          this.fault("the frontend's request index is impossible");
          return false;
        }
        for (let left = waiting; left > 0; left--) {
          if (budget.requests <= 0 || budget.bytes <= 0) {
            this.firstQueue = (at + 1) % queues.length;
            return true;
          }
          if (!this.mayTake()) return false;
          budget.requests--;
          const request = queue.take();
          if (this.rate.active) this.rate.spend(request?.lengthBytes ?? 0);
          if (request === undefined) continue;
          budget.bytes -= request.lengthBytes;
          this.begin(request, starts);
        }
      }
    }
    return false;
  }

  onBehalf(work: () => void): void {
    this.options.scheduler.onBehalf(this.domid, work);
  }

  onFinished(request: BlockRequest, error: unknown): void {
    const { statistics, options } = this;
    statistics.inFlight--;
    statistics.queueMs += this.nowMs() - request.takenAtMs;
    this.seat.ended();
    if (error !== undefined) {
      statistics.errors++;
      this.errors.write(`${options.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (this.stalled) this.unstall();
    this.tryRelease();
  }

  onRefused(reason: string): void {
    this.statistics.refused++;
    this.refusals.write(`${this.options.name}: domain ${this.domid} sent ${reason}`);
  }

  onAnswered(queue: BlockQueue): void {
    this.options.scheduler.pushLater(queue);
  }

  /** Whether another request may be taken. If not, the device wakes itself when it may. */
  private mayTake(): boolean {
    if (!this.serving) return false;
    if (this.statistics.inFlight >= this.options.limits.maxInFlight) {
      this.statistics.oo_req++;
      this.stalled = true;
      return false;
    }
    if (this.medium?.blocked) {
      this.stalled = true;
      return false;
    }
    const waitMs = this.rate.active ? this.rate.waitMs(this.nowMs()) : 0;
    if (waitMs === 0) return true;
    this.cancelWait ??= this.options.scheduler.after(waitMs, () => {
      this.cancelWait = undefined;
      this.seat.wake();
    });
    return false;
  }

  private begin(request: BlockRequest, starts: Start[]): void {
    const { medium } = this;
    // Without one, the reader lets no request through.
    if (medium === undefined) throw new Error("a request without a medium");
    this.statistics.inFlight++;
    this.seat.began();
    if (medium.admit(request)) starts.push({ domid: this.domid, medium, request });
  }

  private unstall(): void {
    this.stalled = false;
    this.seat.wake();
  }

  private fault(message: string): void {
    this.serving = false;
    this.options.onFault(message);
  }

  private tryRelease(): void {
    if (this.serving || this.whenReleased.length === 0 || this.statistics.inFlight > 0) return;
    for (const queue of this.queues) queue.close();
    this.queues = [];
    const released = this.whenReleased;
    this.whenReleased = [];
    for (const then of released) then();
  }
}
