import { type BlockDevice, DiskError, openDisk } from "@xen-node/virtual-disk";
import { ConfigError } from "../config/config-error.ts";
import type { DiskConfig } from "../config/disk-config.ts";

/**
 * Opens the image of a disk; undefined: a drive without a medium.
 *
 * @throws ConfigError, one sentence that names the image.
 */
export async function openGuestDisk(disk: DiskConfig): Promise<BlockDevice | undefined> {
  if (disk.target === "") return undefined;
  if (disk.copyOnWrite)
    throw new ConfigError(`the disk ${disk.vdev.name} of a fork cannot be opened: what it held went with the fork.`);
  try {
    return await openDisk({
      target: disk.target,
      format: disk.format,
      readOnly: disk.readOnly,
      discard: disk.discard,
      sharing: disk.shared ? "shared" : "exclusive",
    });
  } catch (error) {
    if (error instanceof DiskError) throw new ConfigError(error.message);
    throw error;
  }
}

/** Opens all disks of a guest, or none. @throws ConfigError */
export async function openGuestDisks(disks: readonly DiskConfig[]): Promise<(BlockDevice | undefined)[]> {
  const opened: (BlockDevice | undefined)[] = [];
  try {
    for (const disk of disks) opened.push(await openGuestDisk(disk));
    return opened;
  } catch (error) {
    for (const device of opened) await device?.close();
    throw error;
  }
}
export type { BlockDevice };
