import { ConsoleFrontend, type RingPage } from "@xen-node/console";
import { GuestEnded } from "./guest-ended.ts";

/** A line of input that nobody ends is cut here. */
const MOST_LINE_BYTES = 4096;
/** Lines that wait to be read; what comes after stays in the ring. */
const MOST_LINES = 64;

/** The domain's console: text out, lines in. */
export class GuestConsole {
  private readonly frontend: ConsoleFrontend;
  private readonly encoder = new TextEncoder();
  private readonly lines_: string[] = [];
  private partial: number[] = [];
  /** What has no room in the ring yet, oldest first. */
  private unsent: { bytes: Uint8Array; done: () => void; failed: (error: Error) => void }[] = [];
  private readers: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  private ended = false;

  constructor(ring: RingPage) {
    this.frontend = new ConsoleFrontend(ring);
  }

  /** Writes text; resolves when all of it is in the ring, which the console's reader empties. */
  write(text: string | Uint8Array): Promise<void> {
    if (this.ended) return Promise.reject(new GuestEnded());
    const bytes = typeof text === "string" ? this.encoder.encode(text) : text.slice();
    const written = new Promise<void>((done, failed) => {
      this.unsent.push({ bytes, done, failed });
    });
    // Whoever prints without waiting has nothing to say to the end of the domain.
    written.catch(() => {});
    this.send();
    return written;
  }

  /** Writes text and a line's end, as a terminal wants it. */
  print(text: string): Promise<void> {
    return this.write(`${text}\r\n`);
  }

  /** The next line of input, without its end. */
  readLine(): Promise<string> {
    if (this.ended) return Promise.reject(new GuestEnded());
    const line = this.lines_.shift();
    if (line !== undefined) {
      this.receive();
      return Promise.resolve(line);
    }
    return new Promise((resolve, reject) => {
      this.readers.push({ resolve, reject });
      this.receive();
    });
  }

  /** Lines of input as they come, until the domain ends. */
  async *lines(): AsyncGenerator<string, void, void> {
    for (;;) yield await this.readLine();
  }

  /** The console's reader has taken or written something. */
  onEvent(): void {
    if (this.ended) return;
    this.send();
    this.receive();
  }

  end(): void {
    this.ended = true;
    const error = new GuestEnded();
    for (const { failed } of this.unsent) failed(error);
    for (const { reject } of this.readers) reject(error);
    this.unsent = [];
    this.readers = [];
  }

  private send(): void {
    for (let next = this.unsent[0]; next !== undefined; next = this.unsent[0]) {
      const count = Math.max(0, this.frontend.write(next.bytes));
      if (count < next.bytes.length) {
        next.bytes = next.bytes.subarray(count);
        return;
      }
      this.unsent.shift();
      next.done();
    }
  }

  private receive(): void {
    if (this.lines_.length >= MOST_LINES) return;
    for (const byte of this.frontend.read() ?? []) {
      if (byte !== 0x0a && byte !== 0x0d && this.partial.length < MOST_LINE_BYTES) {
        this.partial.push(byte);
        continue;
      }
      this.deliver(new TextDecoder().decode(Uint8Array.from(this.partial)));
      this.partial = [];
    }
  }

  private deliver(line: string): void {
    const reader = this.readers.shift();
    if (reader === undefined) this.lines_.push(line);
    else reader.resolve(line);
  }
}
