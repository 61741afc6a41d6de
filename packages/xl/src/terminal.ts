import type { ReadStream, WriteStream } from "node:tty";

/** Ctrl-], the key with which xl's console is left. */
export const ESCAPE_KEY = 0x1d;

/** Input that waits for a guest beyond this many bytes stops the reading of stdin. */
const HIGH_WATER = 64 * 1024;

/** The streams of a process, as `process` has them. */
export interface TerminalStreams {
  stdin: NodeJS.ReadableStream & Partial<Pick<ReadStream, "isTTY" | "setRawMode">>;
  stdout: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY" | "rows" | "columns">>;
  stderr: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY">>;
}

export interface TerminalEvents {
  /** Bytes typed or piped in. Returns how many bytes the guest has not taken yet; reading pauses while they are many. */
  onInput(bytes: Uint8Array): number;
  /** Ctrl-], or whichever key was chosen, was typed (only at a real terminal: piped bytes pass unchanged). */
  onEscape(): void;
  /** Nobody reads stdout any more. */
  onOutputClosed(): void;
}

/**
 * The user's terminal, joined to a guest's console: every key goes to the guest (raw mode) save the escape key. Works as well
 * when stdin is a pipe, a file, /dev/null or closed.
 */
export class Terminal {
  private raw = false;
  private atLineStart = true;
  private paused = false;

  constructor(
    private readonly streams: TerminalStreams,
    private readonly events: TerminalEvents,
    private readonly escapeKey: number = ESCAPE_KEY,
  ) {}

  /** True if a person sits at stdin. */
  get interactive(): boolean {
    return this.streams.stdin.isTTY === true;
  }

  /** Starts to read. The terminal is in raw mode until `restore`. */
  attach(): void {
    const { stdin, stdout, stderr } = this.streams;
    // A reader that goes away (xen-node | head) ends the run; it is no error of ours.
    stdout.on("error", () => this.events.onOutputClosed());
    stderr.on("error", () => {});
    // A terminal that hangs up reads as EIO: from then on there is no input.
    stdin.on("error", () => {});
    if (this.interactive) {
      stdin.setRawMode?.(true);
      this.raw = true;
    }
    stdin.on("data", (chunk: Buffer) => this.input(chunk));
    stdin.resume();
  }

  private input(chunk: Buffer): void {
    let bytes: Uint8Array = chunk;
    if (this.interactive) {
      const escapeAt = chunk.indexOf(this.escapeKey);
      if (escapeAt >= 0) bytes = chunk.subarray(0, escapeAt);
      if (bytes.length > 0) this.events.onInput(bytes);
      if (escapeAt >= 0) this.events.onEscape();
      return;
    }
    if (this.events.onInput(bytes) > HIGH_WATER && !this.paused) {
      this.paused = true;
      this.streams.stdin.pause();
    }
  }

  /** To be called when the guest has taken input: `waiting` bytes are left. */
  drained(waiting: number): void {
    if (this.paused && waiting < HIGH_WATER / 2) {
      this.paused = false;
      this.streams.stdin.resume();
    }
  }

  /** Writes what a guest printed, unchanged and at once. */
  output(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.atLineStart = bytes[bytes.length - 1] === 10;
    this.streams.stdout.write(bytes);
  }

  /** Writes a line of the runner's own to stderr, on a line of its own where guest and runner share the screen. */
  note(text: string): void {
    const { stdout, stderr } = this.streams;
    const newline = this.raw ? "\r\n" : "\n";
    const before = !this.atLineStart && stdout.isTTY === true && stderr.isTTY === true ? newline : "";
    this.atLineStart = true;
    stderr.write(`${before}${text.split("\n").join(newline)}${newline}`);
  }

  /** Gives the terminal back as it was. May be called at any time and more than once. */
  restore(): void {
    if (this.raw) {
      this.raw = false;
      try {
        this.streams.stdin.setRawMode?.(false);
      } catch {
        // The terminal is gone: nothing is left to restore.
      }
    }
    this.streams.stdin.pause();
  }
}
