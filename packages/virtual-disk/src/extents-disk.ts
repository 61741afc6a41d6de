// One disk made of extents of several devices, as a virtual block device is in "Xen and the Art of Virtualization"
// (Barham et al., SOSP 2003): a list of extents, each with its own right of access.

import { type BlockDevice, DiskError } from "./block-device.ts";
import { BufferCursor } from "./buffer-list.ts";
import { checkDiscard, checkTransfer, settleAll } from "./requests.ts";

export interface Extent {
  device: BlockDevice;
  /** Where the extent begins on its device; a multiple of the device's sector. */
  offsetBytes: number;
  lengthBytes: number;
  /** Default: as the device is. */
  readOnly?: boolean;
}

export interface ExtentsDiskOptions {
  name?: string;
}

interface Placed {
  device: BlockDevice;
  offsetBytes: number;
  readOnly: boolean;
  /** Where the extent begins and ends on the disk. */
  start: number;
  end: number;
}

/**
 * Joins the extents in the order given. The disk's sector is the largest of its devices' ones; discard is offered if
 * every writable device offers it. A write or discard that touches a read-only extent rejects with EROFS and changes
 * nothing. Closing closes each device once.
 */
export function createExtentsDisk(extents: readonly Extent[], options: ExtentsDiskOptions = {}): BlockDevice {
  const name = options.name ?? extents.map((extent) => extent.device.name).join("+");
  const sectorBytes = extents.reduce((most, extent) => Math.max(most, extent.device.sectorBytes), 512);
  const placed: Placed[] = [];
  let sizeBytes = 0;
  for (const { device, offsetBytes, lengthBytes, readOnly } of extents) {
    const fits = offsetBytes >= 0 && lengthBytes > 0 && offsetBytes + lengthBytes <= device.sizeBytes;
    if (!fits || offsetBytes % sectorBytes !== 0 || lengthBytes % sectorBytes !== 0) {
      throw new DiskError(
        "EINVAL",
        name,
        `The extent of ${lengthBytes} bytes at ${offsetBytes} is not whole sectors of ${sectorBytes} bytes inside ${device.name}.`,
      );
    }
    const end = sizeBytes + lengthBytes;
    placed.push({ device, offsetBytes, readOnly: readOnly ?? device.readOnly, start: sizeBytes, end });
    sizeBytes = end;
  }
  if (placed.length === 0) throw new DiskError("EINVAL", name, "A disk of extents needs at least one extent.");
  const writable = placed.filter((extent) => !extent.readOnly);
  const devices = [...new Set(placed.map((extent) => extent.device))];
  const granularities = writable.map((extent) => extent.device.discardGranularityBytes);

  /** The parts of a range, each within one extent; only `visit` decides what to do with them. */
  const forEachPart = (
    offset: number,
    lengthBytes: number,
    visit: (extent: Placed, deviceOffset: number, size: number) => void,
  ): void => {
    const end = offset + lengthBytes;
    for (let index = firstTouched(placed, offset); index < placed.length && placed[index].start < end; index++) {
      const extent = placed[index];
      const from = Math.max(offset, extent.start);
      const size = Math.min(end, extent.end) - from;
      if (size > 0) visit(extent, extent.offsetBytes + from - extent.start, size);
    }
  };
  const checkPartsWritable = (offset: number, lengthBytes: number): void =>
    forEachPart(offset, lengthBytes, (extent, deviceOffset) => {
      if (extent.readOnly) {
        const where = `the read-only extent of ${extent.device.name} at its byte ${deviceOffset}`;
        throw new DiskError("EROFS", name, `The request would change ${where}.`);
      }
    });

  const disk: BlockDevice = {
    name,
    sizeBytes,
    readOnly: writable.length === 0,
    sectorBytes,
    discardGranularityBytes: granularities.includes(0) ? 0 : Math.max(0, ...granularities),
    async read(offset, buffers) {
      const lengthBytes = checkTransfer(disk, offset, buffers);
      const cursor = new BufferCursor(buffers);
      const jobs: Promise<void>[] = [];
      forEachPart(offset, lengthBytes, (extent, deviceOffset, size) => {
        jobs.push(extent.device.read(deviceOffset, cursor.take(size)));
      });
      await settleAll(jobs);
    },
    async write(offset, buffers) {
      const lengthBytes = checkTransfer(disk, offset, buffers);
      checkPartsWritable(offset, lengthBytes);
      const cursor = new BufferCursor(buffers);
      const jobs: Promise<void>[] = [];
      forEachPart(offset, lengthBytes, (extent, deviceOffset, size) => {
        jobs.push(extent.device.write(deviceOffset, cursor.take(size)));
      });
      await settleAll(jobs);
    },
    async flush() {
      await settleAll([...new Set(writable.map((extent) => extent.device))].map((device) => device.flush()));
    },
    async discard(offset, lengthBytes) {
      checkDiscard(disk, offset, lengthBytes);
      checkPartsWritable(offset, lengthBytes);
      const jobs: Promise<void>[] = [];
      forEachPart(offset, lengthBytes, (extent, deviceOffset, size) => {
        jobs.push(extent.device.discard(deviceOffset, size));
      });
      await settleAll(jobs);
    },
    async close() {
      await settleAll(devices.map((device) => device.close()));
    },
  };
  return disk;
}

/** Index of the extent that holds the byte; extents may be many, so by halving. */
function firstTouched(placed: readonly Placed[], offset: number): number {
  let low = 0;
  let high = placed.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (placed[middle].end <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
