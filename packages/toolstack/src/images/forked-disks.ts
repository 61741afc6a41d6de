import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryOverlay, type DiskSnapshot, openFileOverlay } from "@xen-node/virtual-disk";
import { ConfigError } from "../config/config-error.ts";
import type { DiskConfig } from "../config/disk-config.ts";
import { type BlockDevice, openGuestDisk } from "./guest-disks.ts";
import type { LendableDisk } from "./lendable-disk.ts";

/** Where it is kept what forks write to their disks. It is gone when they are. */
export interface ForkedDiskOptions {
  /** Files without a name in this folder. Default: this process's memory. */
  folder?: string | undefined;
  /** The most memory for each disk of each fork, and for what their parent overwrites of each of its own; MiB. Default 1024. */
  limitMib?: number | undefined;
}

const DEFAULT_LIMIT_MIB = 1024;

/** The disks of a guest that stands still, for its forks: all begin with what was there when the first was asked for. */
export class ForkedDisks {
  private readonly snapshots = new Map<number, Promise<DiskSnapshot>>();
  private released = false;

  /** @param diskOf the parent's disk by the number of its virtual device */
  constructor(private readonly diskOf: (vdev: number) => LendableDisk | undefined) {}

  /**
   * Opens all disks of a fork, or none.
   *
   * @param disks of its configuration
   * @throws ConfigError, one sentence
   */
  async open(disks: readonly DiskConfig[], options: ForkedDiskOptions = {}): Promise<(BlockDevice | undefined)[]> {
    const opened: (BlockDevice | undefined)[] = [];
    try {
      for (const disk of disks)
        opened.push(disk.copyOnWrite ? await this.openOverlay(disk, options) : await openGuestDisk(disk));
      return opened;
    } catch (error) {
      for (const device of opened) await device?.close();
      throw error;
    }
  }

  /** The guest goes on or has ended: no more forks. */
  release(): void {
    this.released = true;
    for (const snapshot of this.snapshots.values())
      snapshot.then(
        (taken) => taken.release(),
        () => {},
      );
  }

  private async openOverlay(disk: DiskConfig, options: ForkedDiskOptions): Promise<BlockDevice> {
    const limitBytes = (options.limitMib ?? DEFAULT_LIMIT_MIB) * 2 ** 20;
    const snapshot = await this.snapshotOf(disk, limitBytes);
    if (this.released) throw new ConfigError("the guest stands still no more.");
    const base = snapshot.open();
    if (options.folder === undefined) return createMemoryOverlay(base, { limitBytes });
    try {
      return await openNamelessOverlay(base, options.folder);
    } catch (error) {
      await base.close();
      throw new ConfigError(
        `what forks write to ${disk.vdev.name} cannot be kept in ${options.folder}: ${(error as Error).message.replace(/\.?$/, "")}.`,
      );
    }
  }

  private snapshotOf({ vdev }: DiskConfig, limitBytes: number): Promise<DiskSnapshot> {
    let snapshot = this.snapshots.get(vdev.number);
    if (snapshot === undefined) {
      const disk = this.diskOf(vdev.number);
      if (disk === undefined) throw new ConfigError(`the guest has no disk ${vdev.name} any more.`);
      snapshot = disk.takeSnapshot({ limitBytes });
      this.snapshots.set(vdev.number, snapshot);
    }
    return snapshot;
  }
}

/** The file has no name once it is open, so that nothing is left of it however this process ends. @throws DiskError, or what the folder says */
async function openNamelessOverlay(base: BlockDevice, folder: string): Promise<BlockDevice> {
  const own = await mkdtemp(join(folder, "xen-node-fork-"));
  try {
    return await openFileOverlay(base, join(own, "disk"), { sharing: "shared" });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
