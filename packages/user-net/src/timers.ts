// Many deadlines over one timer of the host.

/** Where time comes from. */
export interface NetClock {
  /** Monotonic time in ns. */
  nowNs(): number;
  /** Calls `callback` once, no earlier than `delayNs` from now; the returned function cancels it. */
  setTimer(callback: () => void, delayNs: number): () => void;
}

export const NS_PER_MS = 1e6;
export const NS_PER_SECOND = 1e9;

/** The host's clock; its timers don't keep the process alive. */
export const hostClock: NetClock = {
  nowNs: () => performance.now() * NS_PER_MS,
  setTimer(callback, delayNs) {
    const timer: { unref?: () => void } & ReturnType<typeof setTimeout> = setTimeout(
      callback,
      Math.max(1, Math.ceil(delayNs / NS_PER_MS)),
    );
    timer.unref?.();
    return () => clearTimeout(timer);
  },
};

/**
 * One deadline that is set again and again. Later deadlines are only noted, and looked at when the earlier one is due, so
 * moving a deadline with every packet costs nothing.
 */
export class Timer {
  /** When to act; Infinity: not armed. */
  deadlineNs = Number.POSITIVE_INFINITY;
  /** Where the timer stands in the queue's heap; -1: it doesn't. */
  heapIndex = -1;
  /** The deadline by which the heap is ordered; never later than `deadlineNs`. */
  queuedNs = 0;
  readonly action: () => void;
  readonly #queue: TimerQueue;

  constructor(queue: TimerQueue, action: () => void) {
    this.#queue = queue;
    this.action = action;
  }

  get armed(): boolean {
    return this.deadlineNs !== Number.POSITIVE_INFINITY;
  }

  arm(delayNs: number): void {
    this.deadlineNs = this.#queue.nowNs() + delayNs;
    this.#queue.moved(this);
  }

  disarm(): void {
    this.deadlineNs = Number.POSITIVE_INFINITY;
  }

  /** Disarms it and lets go of it at once, for an owner that ends. */
  dispose(): void {
    this.disarm();
    this.#queue.remove(this);
  }
}

/** The heap of armed timers. */
export class TimerQueue {
  readonly #clock: NetClock;
  readonly #heap: Timer[] = [];
  #cancel: (() => void) | undefined;
  #setForNs = Number.POSITIVE_INFINITY;
  #firing = false;

  constructor(clock: NetClock) {
    this.#clock = clock;
  }

  nowNs(): number {
    return this.#clock.nowNs();
  }

  timer(action: () => void): Timer {
    return new Timer(this, action);
  }

  /** A timer's deadline has changed. */
  moved(timer: Timer): void {
    if (timer.heapIndex < 0) {
      timer.queuedNs = timer.deadlineNs;
      timer.heapIndex = this.#heap.length;
      this.#heap.push(timer);
      this.#up(timer);
    } else if (timer.deadlineNs < timer.queuedNs) {
      timer.queuedNs = timer.deadlineNs;
      this.#up(timer);
    } else return;
    this.#setHostTimer();
  }

  remove(timer: Timer): void {
    const index = timer.heapIndex;
    if (index < 0) return;
    timer.heapIndex = -1;
    const last = this.#heap.pop() as Timer;
    if (last === timer) return;
    this.#heap[index] = last;
    last.heapIndex = index;
    this.#up(last);
    this.#down(last);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const timer of this.#heap) {
      timer.heapIndex = -1;
      timer.disarm();
    }
    this.#heap.length = 0;
  }

  #setHostTimer(): void {
    if (this.#firing) return;
    const first = this.#heap[0];
    if (first === undefined || first.queuedNs >= this.#setForNs) return;
    this.#cancel?.();
    this.#setForNs = first.queuedNs;
    this.#cancel = this.#clock.setTimer(() => this.#fire(), Math.max(0, first.queuedNs - this.nowNs()));
  }

  #fire(): void {
    this.#cancel = undefined;
    this.#setForNs = Number.POSITIVE_INFINITY;
    const now = this.nowNs();
    this.#firing = true;
    try {
      // An action that arms itself with no delay is due in the next round, not in this one.
      for (let rounds = this.#heap.length; rounds > 0; rounds--) {
        const first = this.#heap[0];
        if (first === undefined || first.queuedNs > now) break;
        this.remove(first);
        if (first.deadlineNs <= now) {
          first.disarm();
          first.action();
        } else if (first.armed) this.moved(first);
      }
    } finally {
      this.#firing = false;
      this.#setHostTimer();
    }
  }

  #up(timer: Timer): void {
    const heap = this.#heap;
    let index = timer.heapIndex;
    while (index > 0) {
      const parent = heap[(index - 1) >> 1];
      if (parent.queuedNs <= timer.queuedNs) break;
      heap[index] = parent;
      parent.heapIndex = index;
      index = (index - 1) >> 1;
    }
    heap[index] = timer;
    timer.heapIndex = index;
  }

  #down(timer: Timer): void {
    const heap = this.#heap;
    let index = timer.heapIndex;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].queuedNs < heap[child].queuedNs) child++;
      if (heap[child].queuedNs >= timer.queuedNs) break;
      heap[index] = heap[child];
      heap[index].heapIndex = index;
      index = child;
    }
    heap[index] = timer;
    timer.heapIndex = index;
  }
}
