import { constants } from "node:os";
import type { TerminalStreams } from "./terminal.ts";
import { keysOf } from "./top-view.ts";

// xterm's and every other terminal's: the second screen, and with it the first comes back unchanged.
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const TO_LINE_END = "\x1b[K";
const TO_SCREEN_END = "\x1b[J";

const CTRL_C = "\x03";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Where nobody says how large the terminal is. */
const ROWS = 24;
const COLUMNS = 80;

/** What happened on it. */
export type ScreenEvent =
  | { kind: "keys"; keys: string[] }
  | { kind: "resize" }
  /** Somebody wants the program to end: with this status, as a shell reports a signal. */
  | { kind: "end"; status: number };

/** A terminal that a program has to itself: keys come one by one and unseen, and what stood there before comes back. */
export class LiveScreen {
  private readonly events: ScreenEvent[] = [];
  private wake: () => void = () => {};
  private left = false;

  /** Takes the terminal over, until `leave`. */
  constructor(private readonly streams: TerminalStreams) {
    const { stdin, stdout } = streams;
    stdin.setRawMode?.(true);
    stdin.on("data", this.onData);
    // A terminal that hangs up reads as EIO.
    stdin.on("error", this.onHangup);
    stdin.on("end", this.onHangup);
    stdout.on("error", this.onHangup);
    stdout.on("resize", this.onResize);
    for (const signal of SIGNALS) process.on(signal, this.onSignal);
    process.on("exit", this.leave);
    stdin.resume();
    stdout.write(ENTER);
  }

  get size(): { rows: number; columns: number } {
    const { rows = ROWS, columns = COLUMNS } = this.streams.stdout;
    // Of terminals that do not know, some say 0.
    return { rows: rows || ROWS, columns: columns || COLUMNS };
  }

  /** Shows one line a row. */
  draw(lines: readonly string[]): void {
    this.streams.stdout.write(`${HOME}${lines.map((line) => line + TO_LINE_END).join("\r\n")}${TO_SCREEN_END}`);
  }

  /** What happens next; undefined: nothing until that settled. */
  async next(until: Promise<unknown>): Promise<ScreenEvent | undefined> {
    if (this.events.length === 0) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        until.then(
          () => resolve(),
          () => resolve(),
        );
      });
    }
    return this.events.shift();
  }

  /** Gives the terminal back as it was. May be called more than once. */
  readonly leave = (): void => {
    if (this.left) return;
    this.left = true;
    const { stdin, stdout } = this.streams;
    stdin.off("data", this.onData);
    stdin.off("end", this.onHangup);
    stdout.off("resize", this.onResize);
    for (const signal of SIGNALS) process.off(signal, this.onSignal);
    process.off("exit", this.leave);
    stdout.write(LEAVE);
    try {
      stdin.setRawMode?.(false);
    } catch {
      // The terminal is gone: nothing is left to restore.
    }
    stdin.pause();
  };

  private add(event: ScreenEvent): void {
    this.events.push(event);
    this.wake();
  }

  private readonly onData = (chunk: Buffer): void => {
    const keys = keysOf(chunk.toString("utf8"));
    // Raw mode makes it a key as any other.
    if (keys.includes(CTRL_C)) this.onSignal("SIGINT");
    else this.add({ kind: "keys", keys });
  };

  private readonly onSignal = (signal: NodeJS.Signals): void =>
    this.add({ kind: "end", status: 128 + constants.signals[signal] });

  private readonly onHangup = (): void => this.onSignal("SIGHUP");

  private readonly onResize = (): void => this.add({ kind: "resize" });
}
