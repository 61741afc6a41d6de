import { XENCONSOLE_CONNECTED, XENCONSOLE_DISCONNECTED } from "@xen-node/xen-abi";
import { Backlog } from "./backlog.ts";
import type { RingPage } from "./console-ring.ts";
import { IN_STREAM, OUT_STREAM, putBytes, setConnection, takeBytes } from "./console-ring.ts";

/** Takes a chunk of console output. The chunk is the sink's to keep. */
export type ByteSink = (bytes: Uint8Array) => void;

export interface ConsoleOptions {
  /** First sink of the guest's output; more may come by `attach`. */
  output?: ByteSink;
  /** Output bytes kept for later `attach` calls. Default 65536; 0 keeps none. */
  backlogBytes?: number;
  /** Waiting input above which `write` returns false. Default 65536 bytes. Nothing is ever dropped. */
  highWaterMark?: number;
  /** Called when the waiting input has all gone to the guest after `write` had returned false. */
  onDrain?: () => void;
  /** Called when a direction's indices become impossible; it is left alone until they make sense again. */
  onBadIndices?: () => void;
}

/** What a console must carry over a save and restore; the ring page itself travels with the guest's memory. */
export interface ConsoleState {
  backlog: Uint8Array;
  input: Uint8Array;
}

/** Backend of a PV console ring: drains the guest's output, feeds it input as fast as it makes room. */
export class ConsoleBackend {
  readonly #ring: RingPage;
  readonly #options: ConsoleOptions;
  readonly #sinks = new Set<ByteSink>();
  readonly #backlog: Backlog;
  readonly #highWaterMark: number;
  #input: Uint8Array[] = [];
  #waiting = 0;
  #owesDrain = false;
  #paused = false;
  #closed = false;
  #badOutput = false;
  #badInput = false;
  #active = false;
  #again = false;

  /** Marks the ring as connected. Output that the guest wrote before is taken by the first `onEvent`. */
  constructor(ring: RingPage, options: ConsoleOptions = {}) {
    this.#ring = ring;
    this.#options = options;
    this.#backlog = new Backlog(options.backlogBytes ?? 65536);
    this.#highWaterMark = options.highWaterMark ?? 65536;
    if (options.output) this.#sinks.add(options.output);
    setConnection(ring.bytes, XENCONSOLE_CONNECTED);
  }

  /** Input bytes that still wait for room in the ring. */
  get pendingInput(): number {
    return this.#waiting;
  }

  /** To be called when the guest kicks: takes its output, then puts what input has room. Never throws for the guest. */
  onEvent(): void {
    if (this.#closed) return;
    // A frontend in this process may answer notify() by kicking at once: go round again instead of nesting.
    if (this.#active) {
      this.#again = true;
      return;
    }
    this.#active = true;
    try {
      do {
        this.#again = false;
        const moved = this.#drainOutput() + this.#feedInput();
        if (moved > 0) this.#ring.notify();
      } while (this.#again && !this.#closed);
    } finally {
      this.#active = false;
    }
    if (this.#owesDrain && this.#waiting === 0) {
      this.#owesDrain = false;
      this.#options.onDrain?.();
    }
  }

  /**
   * Queues input for the guest; the bytes are copied.
   * Returns false if more than the high-water mark waits now: the caller may pause its source until `onDrain`.
   */
  write(bytes: Uint8Array): boolean {
    if (this.#closed || bytes.length === 0) return true;
    this.#input.push(bytes.slice());
    this.#waiting += bytes.length;
    this.onEvent();
    if (this.#waiting <= this.#highWaterMark) return true;
    this.#owesDrain = true;
    return false;
  }

  /** Leaves output in the ring from now on; the guest blocks once its 2 KiB are full. */
  pause(): void {
    this.#paused = true;
  }

  /** Ends `pause` and takes what waits. */
  resume(): void {
    this.#paused = false;
    this.onEvent();
  }

  /**
   * Adds a sink, first giving it the backlog unless `replay` is false.
   * Returns the function that takes the sink away again. Without any sink output goes to the backlog alone.
   */
  attach(sink: ByteSink, { replay = true }: { replay?: boolean } = {}): () => void {
    if (replay && this.#backlog.length > 0) sink(this.#backlog.toBytes());
    this.#sinks.add(sink);
    return () => {
      this.#sinks.delete(sink);
    };
  }

  /** A copy of the latest output, oldest byte first. */
  backlog(): Uint8Array {
    return this.#backlog.toBytes();
  }

  /** Takes the last output, tells the guest that nobody listens any more, and drops the waiting input. */
  close(): void {
    if (this.#closed) return;
    this.#paused = false;
    this.#drainOutput();
    this.#closed = true;
    this.#input = [];
    this.#waiting = 0;
    setConnection(this.#ring.bytes, XENCONSOLE_DISCONNECTED);
  }

  saveState(): ConsoleState {
    const input = new Uint8Array(this.#waiting);
    let at = 0;
    for (const chunk of this.#input) {
      input.set(chunk, at);
      at += chunk.length;
    }
    return { backlog: this.#backlog.toBytes(), input };
  }

  restoreState(state: ConsoleState): void {
    this.#backlog.append(state.backlog);
    this.write(state.input);
  }

  #drainOutput(): number {
    if (this.#paused) return 0;
    const taken = takeBytes(this.#ring.bytes, OUT_STREAM);
    if (taken === undefined && !this.#badOutput) this.#options.onBadIndices?.();
    this.#badOutput = taken === undefined;
    if (taken === undefined || taken.length === 0) return 0;
    this.#backlog.append(taken);
    let shared = taken;
    for (const sink of [...this.#sinks]) {
      sink(shared);
      shared = taken.slice(); // each sink owns its chunk
    }
    return taken.length;
  }

  #feedInput(): number {
    let moved = 0;
    while (this.#input.length > 0) {
      const chunk = this.#input[0];
      const count = putBytes(this.#ring.bytes, IN_STREAM, chunk);
      if (count < 0 && !this.#badInput) this.#options.onBadIndices?.();
      this.#badInput = count < 0;
      if (count <= 0) break;
      moved += count;
      if (count === chunk.length) this.#input.shift();
      else this.#input[0] = chunk.subarray(count);
    }
    this.#waiting -= moved;
    return moved;
  }
}
