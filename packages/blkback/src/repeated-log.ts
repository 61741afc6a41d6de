/** A line at most so often. */
const QUIET_MS = 5000;

/**
 * Logs the first of many lines that tell of the same trouble, and then one in five seconds with the number of those left
 * out: a broken disk fails each of a guest's requests, and a hostile guest sends nothing but bad ones.
 */
export class RepeatedLog {
  private readonly log: (line: string) => void;
  private readonly nowMs: () => number;
  private lastMs = Number.NEGATIVE_INFINITY;
  private suppressed = 0;
  private lastLine = "";

  constructor(log: (line: string) => void, nowMs: () => number) {
    this.log = log;
    this.nowMs = nowMs;
  }

  write(line: string): void {
    const now = this.nowMs();
    this.lastLine = line;
    if (now - this.lastMs < QUIET_MS) {
      this.suppressed++;
      return;
    }
    this.lastMs = now;
    this.log(this.suppressed === 0 ? line : `${line} (and ${this.suppressed} more since the last such line)`);
    this.suppressed = 0;
  }

  /** Tells of what was left out, at the end. */
  close(): void {
    if (this.suppressed === 0) return;
    this.log(`${this.lastLine} (last of ${this.suppressed} more)`);
    this.suppressed = 0;
  }
}
