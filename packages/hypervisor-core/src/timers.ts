/** A deadline with an action; owned by whoever created it and re-armed without allocation. */
export class Timer {
  /** ns; meaningful while armed. */
  deadline = 0;
  /** Position in the heap, -1 = not armed. */
  slot = -1;

  constructor(readonly fire: (now: number) => void) {}

  get armed(): boolean {
    return this.slot >= 0;
  }
}

/** A binary min-heap of timers by deadline. Equal deadlines fire in no particular, but always the same, order. */
export class Timers {
  private readonly heap: Timer[] = [];
  /** Counts arming and stopping: as long as it stands still, `next` does. */
  changes = 0;

  /** Deadline of the earliest timer in ns, Infinity if none is armed. */
  get next(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0].deadline;
  }

  get size(): number {
    return this.heap.length;
  }

  /** Arms or re-arms. */
  set(timer: Timer, deadline: number): void {
    this.changes++;
    timer.deadline = deadline;
    if (timer.slot < 0) {
      timer.slot = this.heap.length;
      this.heap.push(timer);
    }
    this.down(this.up(timer.slot));
  }

  stop(timer: Timer): void {
    const slot = timer.slot;
    if (slot < 0) return;
    this.changes++;
    timer.slot = -1;
    const last = this.heap.pop()!;
    if (last === timer) return;
    this.heap[slot] = last;
    last.slot = slot;
    this.down(this.up(slot));
  }

  /** Fires what is due at `now`, earliest first; a timer that its action arms again for the past waits for the next call. */
  expire(now: number): void {
    for (let guard = this.heap.length; guard > 0 && this.heap.length > 0; guard--) {
      const timer = this.heap[0];
      if (timer.deadline > now) return;
      this.stop(timer);
      timer.fire(now);
    }
  }

  private up(slot: number): number {
    const heap = this.heap;
    const timer = heap[slot];
    let at = slot;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (heap[parent].deadline <= timer.deadline) break;
      heap[at] = heap[parent];
      heap[at].slot = at;
      at = parent;
    }
    heap[at] = timer;
    timer.slot = at;
    return at;
  }

  private down(slot: number): void {
    const heap = this.heap;
    const timer = heap[slot];
    let at = slot;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].deadline < heap[child].deadline) child++;
      if (heap[child].deadline >= timer.deadline) break;
      heap[at] = heap[child];
      heap[at].slot = at;
      at = child;
    }
    heap[at] = timer;
    timer.slot = at;
  }
}
