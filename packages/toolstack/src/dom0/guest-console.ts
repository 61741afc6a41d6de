import { ConsoleBackend } from "@xen-node/console";

/** The ring that a console is served over: Dom0's mapping of the guest's page, and its event channel. */
interface ConnectedRing {
  bytes: Uint8Array;
  notify(): void;
}

/**
 * A guest's console, as xenconsoled serves it. It outlives the domain: after a restart the same console is joined to the
 * new domain's ring, and input that was typed in between waits.
 */
export class GuestConsole {
  private backend: ConsoleBackend | undefined;
  private waiting: Uint8Array[] = [];
  private readonly readers = new Set<(bytes: Uint8Array) => void>();

  /** @param onDrain called when input that had piled up has been taken by the guest. */
  constructor(private readonly onDrain: () => void = () => {}) {}

  /** Calls `reader` with every piece of output from now on. Returns a function that ends this. */
  onOutput(reader: (bytes: Uint8Array) => void): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }

  /** Sends input to the guest. Returns the number of bytes that it has not taken yet; they wait. */
  write(bytes: Uint8Array): number {
    if (this.backend === undefined) this.waiting.push(bytes.slice());
    else this.backend.write(bytes);
    return this.pendingInput;
  }

  /** Bytes of input that wait for the guest. */
  get pendingInput(): number {
    return this.backend?.pendingInput ?? this.waiting.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Serves the ring of a new domain. */
  connect(ring: ConnectedRing): void {
    const readers = this.readers;
    this.backend = new ConsoleBackend(ring, {
      backlogBytes: 0,
      onDrain: this.onDrain,
      output: (bytes) => {
        for (const reader of readers) reader(bytes);
      },
    });
    const waiting = this.waiting;
    this.waiting = [];
    for (const bytes of waiting) this.backend.write(bytes);
  }

  /** The domain's event channel for the console was signalled. */
  onEvent(): void {
    this.backend?.onEvent();
  }

  /** Takes the last output from the ring and lets go of it. */
  disconnect(): void {
    this.backend?.close();
    this.backend = undefined;
  }
}
