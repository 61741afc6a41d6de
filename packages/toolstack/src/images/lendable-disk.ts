import { type DiskSnapshot, SnapshotDisk, type SnapshotOptions } from "@xen-node/virtual-disk";
import { ConfigError } from "../config/config-error.ts";
import type { BlockDevice } from "./guest-disks.ts";

/**
 * A guest's disk whose image can be let go of, so that another process may open it, and be taken back. Requests that come
 * meanwhile wait.
 */
export class LendableDisk implements BlockDevice {
  private device: BlockDevice;
  private underWay = 0;
  private onIdle: (() => void)[] = [];
  /** While the image is let go of: settles when it is back, or closed for good. */
  private absence: { back: Promise<void>; end(error?: Error): void } | undefined;
  /** While a snapshot is taken: settles when that is done. */
  private standstill: Promise<void> | undefined;
  private closed = false;
  onResize?: (sizeBytes: number) => void;

  constructor(
    device: BlockDevice,
    /** undefined: nothing but this process can open it. */
    private readonly reopen: (() => Promise<BlockDevice>) | undefined,
  ) {
    this.device = this.follow(device);
  }

  get name(): string {
    return this.device.name;
  }

  get sizeBytes(): number {
    return this.device.sizeBytes;
  }

  get readOnly(): boolean {
    return this.device.readOnly;
  }

  get sectorBytes(): number {
    return this.device.sectorBytes;
  }

  get discardGranularityBytes(): number {
    return this.device.discardGranularityBytes;
  }

  read(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    return this.perform((device) => device.read(offset, buffers));
  }

  write(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    return this.perform((device) => device.write(offset, buffers));
  }

  readNow(offset: number, buffers: readonly Uint8Array[]): boolean {
    return this.absence === undefined && !this.closed && this.device.readNow?.(offset, buffers) === true;
  }

  flush(): Promise<void> {
    return this.perform((device) => device.flush());
  }

  discard(offset: number, lengthBytes: number): Promise<void> {
    return this.perform((device) => device.discard(offset, lengthBytes));
  }

  /**
   * What the disk holds now, with the requests that are under way; later ones wait meanwhile.
   * @throws ConfigError: it was let go of, or closed
   */
  async takeSnapshot(options?: SnapshotOptions): Promise<DiskSnapshot> {
    while (this.standstill !== undefined) await this.standstill;
    let end: () => void = () => {};
    this.standstill = new Promise((resolve) => (end = resolve));
    try {
      await this.idle();
      if (this.absence !== undefined || this.closed) throw new ConfigError(`${this.name} was let go of.`);
      if (!(this.device instanceof SnapshotDisk)) this.device = this.follow(new SnapshotDisk(this.device));
      return (this.device as SnapshotDisk).takeSnapshot(options);
    } finally {
      this.standstill = undefined;
      end();
    }
  }

  /**
   * Waits for requests under way, puts all that was written on stable storage, and closes the image.
   * @throws ConfigError: forks of the guest read it still, or it is a fork's
   */
  async letGo(): Promise<void> {
    if (this.absence !== undefined || this.closed) return;
    if (this.reopen === undefined) throw new ConfigError(`nobody else can open the disk of a fork over ${this.name}.`);
    if (this.device instanceof SnapshotDisk && this.device.hasSnapshots)
      throw new ConfigError(`forks of the guest need its disk ${this.name} as it was: end them first.`);
    let end: (error?: Error) => void = () => {};
    const back = new Promise<void>((resolve, reject) => {
      end = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Nobody may be waiting.
    back.catch(() => {});
    this.absence = { back, end };
    await this.idle();
    if (!this.device.readOnly) await this.device.flush();
    await this.device.close();
  }

  /** Opens the image again; what waits goes on. @throws what opening it does: it can be tried again */
  async takeBack(): Promise<void> {
    if (this.absence === undefined || this.closed || this.reopen === undefined) return;
    this.device = this.follow(await this.reopen());
    const { absence } = this;
    this.absence = undefined;
    absence.end();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.absence === undefined) await this.device.close();
    else this.giveUp();
  }

  /** Requests that wait for the image fail: the guest whose they are is no more. */
  giveUp(): void {
    this.absence?.end(new Error(`${this.name} was let go of.`));
  }

  private async idle(): Promise<void> {
    if (this.underWay > 0) await new Promise<void>((resolve) => this.onIdle.push(resolve));
  }

  private follow(device: BlockDevice): BlockDevice {
    device.onResize = (sizeBytes) => this.onResize?.(sizeBytes);
    return device;
  }

  private async perform(request: (device: BlockDevice) => Promise<void>): Promise<void> {
    while (this.absence !== undefined || this.standstill !== undefined) {
      await this.standstill;
      await this.absence?.back;
    }
    this.underWay++;
    try {
      await request(this.device);
    } finally {
      this.underWay--;
      if (this.underWay === 0) for (const resolve of this.onIdle.splice(0)) resolve();
    }
  }
}
