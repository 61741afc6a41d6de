import type { BlockDevice } from "../../src/index.ts";
import type { FakeMachine } from "./fake-machine.ts";

export interface DiskOperation {
  readonly kind: "read" | "write" | "flush" | "discard";
  readonly offset: number;
  readonly lengthBytes: number;
  readonly buffers: readonly Uint8Array[];
  /** Does it, and resolves. */
  complete(): void;
  fail(message: string): void;
}

export interface TestDiskOptions {
  sizeBytes?: number;
  sectorBytes?: number;
  readOnly?: boolean;
  discardGranularityBytes?: number;
  /** Operations wait in `held` until they are completed. */
  hold?: boolean;
  /** Checks that buffers are mapped when they are used. */
  machine?: FakeMachine;
}

/** A disk in memory with a volatile cache: `bytes` is what reads see, `durable` what a flush has made last. */
export class TestDisk implements BlockDevice {
  readonly name = "test.img";
  sizeBytes: number;
  readonly sectorBytes: number;
  readonly readOnly: boolean;
  readonly discardGranularityBytes: number;
  onResize?: (sizeBytes: number) => void;
  bytes: Uint8Array;
  durable: Uint8Array;
  hold: boolean;
  /** Reads are done when they are asked for, as those of a disk that has nothing to wait for. */
  prompt = false;
  readonly held: DiskOperation[] = [];
  /** All operations begun, as "read 0+4096". */
  readonly log: string[] = [];
  /** Set: operations fail with this message. */
  broken: string | undefined;
  /** Set: operations throw instead of rejecting. */
  throws = false;
  private readonly machine: FakeMachine | undefined;

  constructor(options: TestDiskOptions = {}) {
    this.sizeBytes = options.sizeBytes ?? 1 << 20;
    this.sectorBytes = options.sectorBytes ?? 512;
    this.readOnly = options.readOnly ?? false;
    this.discardGranularityBytes = options.discardGranularityBytes ?? 4096;
    this.hold = options.hold ?? false;
    this.machine = options.machine;
    this.bytes = new Uint8Array(this.sizeBytes);
    this.durable = new Uint8Array(this.sizeBytes);
  }

  read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    return this.begin("read", offset, total(buffers), buffers, () => {
      let at = offset;
      for (const buffer of buffers) {
        buffer.set(this.bytes.subarray(at, at + buffer.length));
        at += buffer.length;
      }
    });
  }

  write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.readOnly) throw new Error("a write reached a read-only disk");
    return this.begin("write", offset, total(buffers), buffers, () => {
      let at = offset;
      for (const buffer of buffers) {
        this.bytes.set(buffer, at);
        at += buffer.length;
      }
    });
  }

  readNow(offset: number, buffers: readonly Uint8Array[]): boolean {
    if (!this.prompt || this.broken !== undefined) return false;
    this.log.push(`read ${offset}+${total(buffers)} at once`);
    let at = offset;
    for (const buffer of buffers) {
      this.machine?.checkMapped(buffer);
      buffer.set(this.bytes.subarray(at, at + buffer.length));
      at += buffer.length;
    }
    return true;
  }

  flush(): Promise<void> {
    // Only what is resolved by now is promised to last.
    const promised = this.bytes.slice();
    return this.begin("flush", 0, 0, [], () => {
      this.durable = promised;
    });
  }

  discard(offset: number, lengthBytes: number): Promise<void> {
    return this.begin("discard", offset, lengthBytes, [], () => {
      this.bytes.fill(0, offset, offset + lengthBytes);
    });
  }

  async close(): Promise<void> {}

  private begin(
    kind: DiskOperation["kind"],
    offset: number,
    lengthBytes: number,
    buffers: readonly Uint8Array[],
    act: () => void,
  ): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + lengthBytes > this.sizeBytes)
      throw new Error(`${kind} outside of the disk: ${offset}+${lengthBytes}`);
    if (offset % this.sectorBytes !== 0 || lengthBytes % this.sectorBytes !== 0) throw new Error(`${kind} misaligned`);
    this.log.push(kind === "flush" ? kind : `${kind} ${offset}+${lengthBytes}`);
    if (this.throws) throw new Error(`${this.name}: ${kind} blew up`);
    if (this.broken !== undefined) return Promise.reject(new Error(`${this.name}: ${this.broken}`));
    return new Promise((resolve, reject) => {
      const operation: DiskOperation = {
        kind,
        offset,
        lengthBytes,
        buffers,
        complete: () => {
          try {
            if (this.machine !== undefined) for (const buffer of buffers) this.machine.checkMapped(buffer);
            act();
            resolve();
          } catch (error) {
            reject(error);
          }
        },
        fail: (message) => reject(new Error(`${this.name}: ${message}`)),
      };
      if (this.hold) this.held.push(operation);
      else operation.complete();
    });
  }

  /** Completes what is held, the first first, until nothing is. */
  releaseAll(): void {
    this.hold = false;
    for (const operation of this.held.splice(0)) operation.complete();
  }
}

function total(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}
