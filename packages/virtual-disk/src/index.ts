// The interface
export { type BlockDevice, DiskError, type DiskErrorCode } from "./block-device.ts";
// The disks
export { createExtentsDisk, type Extent, type ExtentsDiskOptions } from "./extents-disk.ts";
// For the tests of whoever uses a disk
export { type DiskRequest, type Fault, faultyDisk } from "./faulty-disk.ts";
export { type HttpDiskOptions, openHttpDisk } from "./http/http-disk.ts";
export type { ImageFileOptions, Sharing } from "./image-file.ts";
export { createMemoryDisk, type MemoryDiskOptions } from "./memory-disk.ts";
// Opening what a configuration names
export { type DiskFormat, type DiskSpec, openDisk } from "./open-disk.ts";
export {
  createMemoryOverlay,
  type FileOverlayOptions,
  type MemoryOverlayOptions,
  type OverlayOptions,
  openFileOverlay,
} from "./overlay/overlay-disk.ts";
export { type CreateQcow2Options, createQcow2 } from "./qcow2/create-qcow2.ts";
export { type OpenBacking, openQcow2Disk, type Qcow2Options } from "./qcow2/open-qcow2.ts";
export { openRawDisk, type RawDisk, type RawDiskOptions } from "./raw-disk.ts";
export { type DiskSnapshot, SnapshotDisk, type SnapshotOptions } from "./snapshot/snapshot-disk.ts";
