/** What the loop runs. Times in ns. */
export interface RunLoopWork {
  /**
   * Runs guests for at most `maxNs`. Returns 0 if there is more to run, else the time until the next timer is due,
   * Infinity if only an event from outside can make a guest runnable.
   */
  runSlice(maxNs: number): number;
  /**
   * Runs the host's own programs after each slice.
   * @param idle nothing is to be run now
   * @returns true if that did something, which may have left more to do
   */
  afterSlice(idle: boolean): boolean;
  /** The time that slices are measured by. */
  nowNs(): number;
  /** Something threw: the loop has stopped. */
  onError(error: unknown): void;
}

/** How long guests run before Node's event loop has its turn. */
const SLICE_NS = 1_000_000;

/** Slices and answers of the host's programs before Node's event loop has its turn, however short each is. */
const MOST_ROUNDS = 64;

/** Node's longest timer, 24.8 days. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Runs guests inside Node's event loop: a slice at a time while there is something to run, so that I/O is served
 * between slices, and sleeping on a timer or until `wake` otherwise, so that an idle machine uses no processor time.
 *
 * A guest that waits for the host's programs ends its slice early, and goes on within the same slice when they have answered: a
 * turn of Node's event loop asks the host's kernel for news, which takes longer than most answers.
 */
export class RunLoop {
  private immediate: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  private running = false;
  private inTurn = false;
  /** Another round of this turn comes before Node's event loop has its own. */
  private goingOn = false;
  /** Of this turn: what is left of its slice, when that ends, and how many rounds more there may be. */
  private restNs = 0;
  private endNs = 0;
  private roundsLeft = 0;

  constructor(private readonly work: RunLoopWork) {}

  /** Begins to run. The process stays alive until `stop`. */
  start(): void {
    if (this.running) return;
    this.running = true;
    this.wake();
  }

  stop(): void {
    this.running = false;
    this.cancel();
  }

  /** To be called when something outside a slice may have made a guest runnable: input arrived, an event was sent. */
  wake(): void {
    if (!this.running || this.inTurn || this.goingOn || this.immediate !== undefined) return;
    this.cancel();
    this.immediate = setImmediate(this.turn);
  }

  private cancel(): void {
    clearImmediate(this.immediate);
    clearTimeout(this.timer);
    this.immediate = undefined;
    this.timer = undefined;
  }

  private readonly turn = (): void => {
    this.immediate = undefined;
    this.timer = undefined;
    this.restNs = SLICE_NS;
    this.endNs = this.work.nowNs() + SLICE_NS;
    this.roundsLeft = MOST_ROUNDS;
    this.round();
  };

  /** Behind what the host's programs have left to do at the end of this call, such as writing to sockets, and behind promises. */
  private readonly goOn = (): void => queueMicrotask(this.round);

  private readonly round = (): void => {
    this.goingOn = false;
    // It may have been stopped since the last round.
    if (!this.running) return;
    let delay: number;
    let answered: boolean;
    this.inTurn = true;
    try {
      delay = this.work.runSlice(this.restNs);
      answered = this.work.afterSlice(delay > 0);
    } catch (error) {
      this.stop();
      this.work.onError(error);
      return;
    } finally {
      this.inTurn = false;
    }
    if (!this.running) return;
    if (answered) {
      this.restNs = this.endNs - this.work.nowNs();
      this.goingOn = this.restNs > 0 && --this.roundsLeft > 0;
    }
    if (this.goingOn) process.nextTick(this.goOn);
    else if (answered || delay <= 0) this.immediate = setImmediate(this.turn);
    // Node's timers have whole milliseconds. An endless wait is a timer too: it keeps the process alive.
    else this.timer = setTimeout(this.turn, Math.min(LONGEST_TIMEOUT_MS, Math.ceil(delay / 1e6)));
  };
}
