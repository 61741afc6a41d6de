import { type BlockDevice, type DiskError, type Fault, faultyDisk } from "@xen-node/virtual-disk";

/** A disk whose requests wait until they are let go, or fail. */
export class SlowDisk {
  /** New requests wait. */
  holds = true;
  /** New requests fail. */
  error: DiskError | undefined;
  readonly device: BlockDevice;
  private readonly waiting: (() => void)[] = [];

  constructor(inner: BlockDevice) {
    this.device = faultyDisk(inner, () => this.plan());
  }

  get held(): number {
    return this.waiting.length;
  }

  /** Lets the request at `index` of those that wait go on. */
  releaseOne(index = 0): void {
    this.waiting.splice(index, 1)[0]?.();
  }

  /** From now on nothing waits. */
  releaseAll(): void {
    this.holds = false;
    for (const go of this.waiting.splice(0)) go();
  }

  private plan(): Fault {
    if (this.error !== undefined) return this.error;
    if (!this.holds) return undefined;
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
