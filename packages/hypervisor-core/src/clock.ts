/**
 * The one source of time. Monotonic nanoseconds since the hypervisor started, as JS numbers (exact to 2^53 ns, 104 days).
 */
export interface Clock {
  /** Monotonic time in ns since the clock was created. */
  nowNs(): number;
  /** Wall-clock time in ns since 1970 that corresponds to `nowNs() === 0`. */
  readonly wallclockAtZeroNs: number;
  /** Tells the clock that guests retired `instructions` more, or were served for as long as those take. */
  retire(instructions: number): void;
  /** How many instructions fit in `ns` at the (known or measured) speed; at least 1. */
  instructionsIn(ns: number): number;
  /** Called when every vcpu is idle until `ns`. True if the clock jumped there; false if the caller must wait. */
  skipTo(ns: number): boolean;
}

const INITIAL_NS_PER_INSTRUCTION = 10;

/** Host time. The instruction rate is measured while running (a slow moving average). */
export class WallClock implements Clock {
  readonly wallclockAtZeroNs: number;
  private readonly origin = performance.now();
  private nsPerInstruction = INITIAL_NS_PER_INSTRUCTION;

  constructor(wallclockMs: number = Date.now()) {
    this.wallclockAtZeroNs = Math.round(wallclockMs * 1e6);
  }

  nowNs(): number {
    return Math.round((performance.now() - this.origin) * 1e6);
  }

  retire(_instructions: number): void {}

  /** The run loop reports what a stretch of `instructions` cost, to size later budgets. */
  observe(instructions: number, ns: number): void {
    if (instructions < 1000 || ns <= 0) return;
    const rate = Math.min(1000, Math.max(0.2, ns / instructions));
    this.nsPerInstruction += (rate - this.nsPerInstruction) / 16;
  }

  instructionsIn(ns: number): number {
    return Math.max(1, Math.floor(ns / this.nsPerInstruction));
  }

  skipTo(_ns: number): boolean {
    return false;
  }
}

/** Time made of retired instructions and of exits, at a fixed price; idle time is skipped. The same inputs give the same times on every host. */
export class VirtualClock implements Clock {
  readonly wallclockAtZeroNs: number;
  private ns = 0;
  private readonly nsPerInstruction: number;

  constructor(options: { nsPerInstruction?: number; wallclockMs?: number } = {}) {
    this.nsPerInstruction = options.nsPerInstruction ?? INITIAL_NS_PER_INSTRUCTION;
    this.wallclockAtZeroNs = Math.round((options.wallclockMs ?? 0) * 1e6);
  }

  nowNs(): number {
    return Math.floor(this.ns);
  }

  retire(instructions: number): void {
    this.ns += instructions * this.nsPerInstruction;
  }

  instructionsIn(ns: number): number {
    return Math.max(1, Math.ceil(ns / this.nsPerInstruction));
  }

  skipTo(ns: number): boolean {
    if (ns > this.ns) this.ns = ns;
    return true;
  }

  /** Moves time forward by hand (tests). */
  advance(ns: number): void {
    this.ns += ns;
  }
}
