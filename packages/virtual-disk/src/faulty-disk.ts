// A disk that fails or waits on demand, for the tests of whoever uses a disk.
import { type BlockDevice, DiskError } from "./block-device.ts";
import { listBytes } from "./buffer-list.ts";

export interface DiskRequest {
  operation: "read" | "write" | "flush" | "discard";
  /** In bytes; 0 for a flush. */
  offset: number;
  lengthBytes: number;
  /** Counts the requests to this disk, from 0. */
  index: number;
}

/** What happens to a request: it rejects, or waits for a promise and then goes on; undefined: it goes on at once. */
export type Fault = DiskError | Promise<void> | undefined;

/** Wraps a device; `plan` is asked before each request. A request that waits and whose promise rejects, rejects so. */
export function faultyDisk(device: BlockDevice, plan: (request: DiskRequest) => Fault): BlockDevice {
  let index = 0;
  const admit = async (operation: DiskRequest["operation"], offset: number, lengthBytes: number): Promise<void> => {
    const fault = plan({ operation, offset, lengthBytes, index: index++ });
    if (fault instanceof DiskError) throw fault;
    await fault;
  };
  const faulty: BlockDevice = {
    get name() {
      return device.name;
    },
    get sizeBytes() {
      return device.sizeBytes;
    },
    get readOnly() {
      return device.readOnly;
    },
    get sectorBytes() {
      return device.sectorBytes;
    },
    get discardGranularityBytes() {
      return device.discardGranularityBytes;
    },
    async read(offset, buffers) {
      await admit("read", offset, listBytes(buffers));
      await device.read(offset, buffers);
    },
    async write(offset, buffers) {
      await admit("write", offset, listBytes(buffers));
      await device.write(offset, buffers);
    },
    async flush() {
      await admit("flush", 0, 0);
      await device.flush();
    },
    async discard(offset, lengthBytes) {
      await admit("discard", offset, lengthBytes);
      await device.discard(offset, lengthBytes);
    },
    close: () => device.close(),
  };
  device.onResize = (sizeBytes) => faulty.onResize?.(sizeBytes);
  return faulty;
}
