import { BLKIF_OP_DISCARD } from "@xen-node/xen-abi";
import type { BlockRequest } from "./block-request.ts";
import type { Medium } from "./medium.ts";

export interface BlockSchedulerOptions {
  /** Runs work later, outside of any guest's hypercall. Default: setImmediate. */
  defer?: (work: () => void) => void;
  /** Does work for a domain, for whoever counts that. */
  onBehalf?: <T>(domid: number, work: () => T) => T;
  /** Default: performance.now. */
  nowMs?: () => number;
  /** Runs work after a while; returns the function that calls it off. Default: setTimeout, which doesn't keep a process alive. */
  after?: (delayMs: number, work: () => void) => () => void;
  /** Requests of all domains together that may be under way. Default 128. */
  maxInFlight?: number;
  /** Of these, most of one domain, so that one with a hanging disk leaves room for others. Default: half of them. */
  maxInFlightPerDomain?: number;
  /** Most requests taken from one domain before another has its turn. Default 32. */
  requestsPerTurn?: number;
  /** A domain's turn also ends when its requests have so many bytes together. Default 2 MiB. */
  bytesPerTurn?: number;
}

/** A request to be started on its medium. */
export interface Start {
  readonly domid: number;
  readonly medium: Medium;
  readonly request: BlockRequest;
}

/** What a domain may still take in its turn. */
export interface TurnBudget {
  requests: number;
  bytes: number;
}

/** A device, as the scheduler sees it. */
export interface ScheduledDevice {
  readonly domid: number;
  /**
   * Takes requests as far as the budget goes, adding those to be started to `starts`. True: it stopped because of the
   * budget. False: it has nothing, or waits for something, and will wake itself.
   */
  take(budget: TurnBudget, starts: Start[]): boolean;
}

interface DomainShare {
  readonly domid: number;
  /** Devices that may have requests, in the order of their turns. */
  readonly ready: Seat[];
  inFlight: number;
  /** It waits for its turn. */
  queued: boolean;
}

/** What can have answers to be shown. */
interface Pushable {
  readonly domid: number;
  push(): void;
}

/** Largest transfer that adjacent requests are merged into; beyond, nothing is gained. */
const MAX_MERGED_BYTES = 1 << 20;
/** A system call takes so many buffers at least (IOV_MAX is 1024 on Linux). */
const MAX_MERGED_BUFFERS = 512;

/** A device's place in the scheduler. */
class Seat {
  readonly device: ScheduledDevice;
  readonly share: DomainShare;
  ready = false;
  private readonly scheduler: BlockScheduler;

  constructor(scheduler: BlockScheduler, device: ScheduledDevice, share: DomainShare) {
    this.scheduler = scheduler;
    this.device = device;
    this.share = share;
  }

  /** There may be requests. Cheap, and callable from anywhere. */
  wake(): void {
    this.scheduler.wake(this);
  }

  began(): void {
    this.share.inFlight++;
    this.scheduler.inFlight++;
  }

  ended(): void {
    this.share.inFlight--;
    this.scheduler.inFlight--;
    this.scheduler.resume();
  }
}

export type SchedulerSeat = Pick<Seat, "wake" | "began" | "ended">;

/**
 * Serves the block devices of all domains; one for a machine, or for a disk of its own. Rings are looked at in turns, which
 * run deferred. In a turn each domain that has requests is served once, in rotation and within a budget; what was taken is
 * sorted by disk and offset, requests that lie one behind the other are merged, and all are started. Answers that came in
 * since the last turn are pushed with one event for each ring.
 */
export class BlockScheduler {
  readonly nowMs: () => number;
  readonly after: (delayMs: number, work: () => void) => () => void;
  readonly onBehalf: <T>(domid: number, work: () => T) => T;
  /** Requests under way. */
  inFlight = 0;
  private readonly defer: (work: () => void) => void;
  private readonly maxInFlight: number;
  private readonly maxInFlightPerDomain: number;
  private readonly requestsPerTurn: number;
  private readonly bytesPerTurn: number;
  private readonly shares = new Map<number, { share: DomainShare; devices: number }>();
  /** Domains with ready devices, in the order of their turns. */
  private rotation: DomainShare[] = [];
  private answered = new Set<Pushable>();
  private turnComing = false;
  /** Numbers the disks, so that requests can be sorted by them. */
  private readonly diskNumbers = new WeakMap<object, number>();
  private disks = 0;

  constructor(options: BlockSchedulerOptions = {}) {
    this.defer = options.defer ?? ((work) => void setImmediate(work));
    this.nowMs = options.nowMs ?? (() => performance.now());
    this.after = options.after ?? afterTimeout;
    this.onBehalf = options.onBehalf ?? ((_domid, work) => work());
    this.maxInFlight = options.maxInFlight ?? 128;
    this.maxInFlightPerDomain = options.maxInFlightPerDomain ?? Math.ceil(this.maxInFlight / 2);
    this.requestsPerTurn = options.requestsPerTurn ?? 32;
    this.bytesPerTurn = options.bytesPerTurn ?? 2 << 20;
    for (const limit of [this.maxInFlight, this.maxInFlightPerDomain, this.requestsPerTurn, this.bytesPerTurn])
      if (!(limit >= 1)) throw new RangeError(`a scheduler's limits are at least 1, not ${limit}`);
  }

  /** Gives a device its place. */
  join(device: ScheduledDevice): SchedulerSeat {
    const entry = this.shares.get(device.domid) ?? {
      share: { domid: device.domid, ready: [], inFlight: 0, queued: false },
      devices: 0,
    };
    entry.devices++;
    this.shares.set(device.domid, entry);
    return new Seat(this, device, entry.share);
  }

  /** The device is gone; nothing of it is under way. */
  leave(device: ScheduledDevice): void {
    const entry = this.shares.get(device.domid);
    if (entry === undefined) return;
    const at = entry.share.ready.findIndex((seat) => seat.device === device);
    if (at >= 0) entry.share.ready.splice(at, 1);
    if (--entry.devices === 0) this.shares.delete(device.domid);
  }

  wake(seat: Seat): void {
    if (!seat.ready) {
      seat.ready = true;
      seat.share.ready.push(seat);
      this.enqueue(seat.share);
    }
    this.resume();
  }

  /** To be pushed in the next turn, or at the end of this. */
  pushLater(queue: Pushable): void {
    this.answered.add(queue);
    this.resume();
  }

  /** Makes a turn come. */
  resume(): void {
    if (this.turnComing) return;
    this.turnComing = true;
    this.defer(() => this.turn());
  }

  private enqueue(share: DomainShare): void {
    if (share.queued) return;
    share.queued = true;
    this.rotation.push(share);
  }

  private turn(): void {
    const starts: Start[] = [];
    // Those that come too late for this turn are the first of the next.
    for (let left = this.rotation.length; left > 0 && this.inFlight < this.maxInFlight; left--) {
      const share = this.rotation.shift()!;
      share.queued = false;
      this.onBehalf(share.domid, () => this.serve(share, starts));
      if (share.ready.length > 0) this.enqueue(share);
    }
    this.start(starts);
    this.turnComing = false;
    const answered = this.answered;
    this.answered = new Set();
    for (const queue of answered) this.onBehalf(queue.domid, () => queue.push());
    // Domains at their own limit wait for an answer, which makes a turn come.
    if (this.inFlight < this.maxInFlight && this.rotation.some((share) => share.inFlight < this.maxInFlightPerDomain))
      this.resume();
  }

  private serve(share: DomainShare, starts: Start[]): void {
    const room = Math.min(this.maxInFlight - this.inFlight, this.maxInFlightPerDomain - share.inFlight);
    const budget = { requests: Math.min(this.requestsPerTurn, room), bytes: this.bytesPerTurn };
    for (let left = share.ready.length; left > 0 && budget.requests > 0 && budget.bytes > 0; left--) {
      const seat = share.ready.shift();
      if (seat === undefined) return;
      seat.ready = false;
      if (seat.device.take(budget, starts) && !seat.ready) {
        seat.ready = true;
        share.ready.push(seat);
      }
    }
  }

  private start(starts: Start[]): void {
    starts.sort(
      (a, b) => this.diskNumber(a.medium.disk) - this.diskNumber(b.medium.disk) || a.request.offset - b.request.offset,
    );
    for (let i = 0; i < starts.length; ) {
      const { domid, medium, request } = starts[i++];
      if (request.operation === BLKIF_OP_DISCARD) {
        this.onBehalf(domid, () => medium.discard(request));
        continue;
      }
      const run = [request];
      let end = request.offset + request.lengthBytes;
      let buffers = request.buffers.length;
      while (i < starts.length && follows(starts[i], starts[i - 1], end)) {
        const next = starts[i].request;
        end += next.lengthBytes;
        buffers += next.buffers.length;
        if (end - request.offset > MAX_MERGED_BYTES || buffers > MAX_MERGED_BUFFERS) break;
        run.push(next);
        i++;
      }
      this.onBehalf(domid, () => medium.transfer(run));
    }
  }

  private diskNumber(disk: object): number {
    let number = this.diskNumbers.get(disk);
    if (number === undefined) {
      number = ++this.disks;
      this.diskNumbers.set(disk, number);
    }
    return number;
  }
}

function follows(next: Start, last: Start, end: number): boolean {
  return (
    next.medium === last.medium && next.request.operation === last.request.operation && next.request.offset === end
  );
}

function afterTimeout(delayMs: number, work: () => void): () => void {
  const timer = setTimeout(work, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
