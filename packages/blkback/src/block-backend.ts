import {
  BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST,
  VDISK_CDROM,
  VDISK_READONLY,
  VDISK_REMOVABLE,
  XenbusStateInitialised,
} from "@xen-node/xen-abi";
import { BackendDevice, type DriverDomain, type StoreClient, type StoreTree } from "@xen-node/xenbus";
import type { BlockDevice } from "./block-device.ts";
import { BlockScheduler } from "./block-scheduler.ts";
import { type FrontendLimits, MAX_RING_PAGE_ORDER, readFrontendNodes } from "./frontend-nodes.ts";
import { Medium } from "./medium.ts";
import { SECTOR_BYTES, SEGMENTS_PER_INDIRECT_PAGE } from "./request-layout.ts";
import { type BlockLimits, RequestServer } from "./request-server.ts";
import type { VbdStatistics } from "./statistics.ts";

export interface BlockBackendOptions {
  store: StoreClient;
  /** The domain that the backend runs in. */
  domain: DriverDomain;
  /** The backend's node, with what the toolstack writes: /local/domain/0/backend/vbd/1/51712. */
  path: string;
  /** The disk; undefined: a drive without a medium. It stays the caller's, who closes it after `onClosed`. */
  device: BlockDevice | undefined;
  /** Shared by the devices of a machine. Default: one of its own. */
  scheduler?: BlockScheduler;
  /** Default: the node "removable". */
  removable?: boolean;
  /** Default: the node "device-type". */
  cdrom?: boolean;
  limits?: BlockLimits;
  /** Errors of the disk and refused requests, a line each and not too many. */
  log?: (line: string) => void;
  /** The device is closed, nothing of the frontend is held, and the disk isn't used any more. */
  onClosed?: () => void;
  /** The frontend did what makes no sense and was let go of. */
  onError?: (message: string) => void;
}

const DEFAULT_LIMITS = {
  maxInFlight: 64,
  maxPersistentGrants: 1056,
  persistentIdleMs: 60_000,
  maxQueues: 4,
  maxRingPageOrder: MAX_RING_PAGE_ORDER,
  maxIndirectSegments: 256,
};

type Limits = BlockLimits & typeof DEFAULT_LIMITS;

/** A medium that doesn't fit into the drive as its frontend knows it. */
export class MediumError extends Error {
  override readonly name = "MediumError";
}

/**
 * The backend of one virtual block device (xen/include/public/io/blkif.h), for frontends that come and go. It offers what
 * Linux's xen-blkback offers and behaves as that does; the differences stand in the README.
 */
export class BlockBackend {
  readonly path: string;
  private readonly limits: Limits;
  private readonly writable: boolean;
  private readonly discards: boolean;
  /** VDISK_CDROM and VDISK_REMOVABLE. */
  private readonly kind: number;
  private readonly handshake: BackendDevice;
  private readonly server: RequestServer;
  private disk: BlockDevice | undefined;
  private medium: Medium | undefined;
  /** What the frontend was told, or would be: it can't change under a connected one. */
  private sectorBytes = SECTOR_BYTES;
  private forgetSize: () => void = () => {};

  /** Waits for a frontend. @throws XenbusError if the toolstack's nodes are missing. */
  constructor(options: BlockBackendOptions) {
    const { store, domain, path, scheduler = new BlockScheduler() } = options;
    this.path = path;
    this.limits = checked({ ...DEFAULT_LIMITS, ...options.limits });
    this.writable = store.read(`${path}/mode`)?.includes("w") ?? true;
    this.discards = store.read(`${path}/discard-enable`) !== "0";
    const cdrom = options.cdrom ?? store.read(`${path}/device-type`) === "cdrom";
    const removable = options.removable ?? store.read(`${path}/removable`) === "1";
    this.kind = (cdrom ? VDISK_CDROM : 0) | (removable ? VDISK_REMOVABLE : 0);
    // The handshake advertises at once what the disk can do.
    this.disk = options.device;
    this.handshake = new BackendDevice({
      store,
      path,
      connectAt: XenbusStateInitialised,
      driver: {
        advertise: (tree, home) => this.advertise(tree, home),
        connect: (frontendPath) => this.server.open(readFrontendNodes(store, frontendPath, this.frontendLimits())),
        describe: (tree, home) => this.describe(tree, home),
        disconnect: (done) => this.server.release(done),
      },
      onClosed: () => {
        this.server.close();
        this.forgetSize();
        options.onClosed?.();
      },
      onError: options.onError,
    });
    this.server = new RequestServer({
      name: path,
      domain,
      domid: this.handshake.frontendId,
      scheduler,
      limits: this.limits,
      log: options.log ?? (() => {}),
      onFault: (message) => this.handshake.fail(message),
    });
    if (options.device !== undefined) this.use(options.device);
  }

  get connected(): boolean {
    return this.handshake.connected;
  }

  /** Closed for good. */
  get closed(): boolean {
    return this.handshake.closed;
  }

  /** A copy of the counters. */
  statistics(): VbdStatistics {
    return { ...this.server.statistics, persistentGrants: this.server.persistentGrants };
  }

  /**
   * Begins the way down; `onClosed` tells its end. The frontend is asked to close first, unless `force` (its domain is
   * destroyed). Requests on the disk are waited for in any case, since they use the guest's pages.
   */
  close(options: { force?: boolean } = {}): void {
    this.handshake.close(options);
  }

  /**
   * Takes the medium out: requests fail from now on, and a connected frontend sees a disk of no sectors. Resolves when
   * nothing uses the disk any more.
   */
  eject(): Promise<void> {
    const { medium } = this;
    this.forgetSize();
    this.disk = undefined;
    this.medium = undefined;
    this.server.setMedium(undefined, undefined);
    this.handshake.redescribe();
    return new Promise((resolve) => {
      if (medium === undefined) resolve();
      else medium.onIdle(resolve);
    });
  }

  /** Puts a medium in. @throws MediumError if there is one, or if a connected frontend knows another size of sectors. */
  insert(device: BlockDevice): void {
    if (this.disk !== undefined) throw new MediumError(`${this.path} has a medium already`);
    if (this.connected && device.sectorBytes !== this.sectorBytes)
      throw new MediumError(
        `${device.name} has sectors of ${device.sectorBytes} bytes; the frontend of ${this.path} knows ${this.sectorBytes}`,
      );
    this.use(device);
    this.handshake.redescribe();
  }

  private use(device: BlockDevice): void {
    this.disk = device;
    this.medium = new Medium(device, this.server.statistics);
    this.server.setMedium(this.medium, {
      get sizeBytes() {
        return device.sizeBytes;
      },
      sectorBytes: device.sectorBytes,
      readOnly: device.readOnly || !this.writable,
      discards: this.canDiscard(device),
    });
    // Another device may use the same disk.
    const others = device.onResize;
    const onResize = (sizeBytes: number): void => {
      others?.(sizeBytes);
      if (this.disk === device && !this.closed) this.handshake.redescribe();
    };
    device.onResize = onResize;
    this.forgetSize = () => {
      if (device.onResize === onResize) device.onResize = others;
    };
  }

  private frontendLimits(): FrontendLimits {
    return { ...this.limits, allowPersistent: this.limits.maxPersistentGrants > 0 };
  }

  private canDiscard(device: BlockDevice): boolean {
    return this.discards && device.discardGranularityBytes > 0;
  }

  private advertise(tree: StoreTree, home: string): void {
    const { disk, limits } = this;
    const write = (node: string, value: number): void => tree.write(`${home}/${node}`, String(value));
    write("feature-max-indirect-segments", limits.maxIndirectSegments);
    write("multi-queue-max-queues", limits.maxQueues);
    write("max-ring-page-order", limits.maxRingPageOrder);
    write("feature-flush-cache", 1);
    write("feature-barrier", 1);
    write("feature-persistent", limits.maxPersistentGrants > 0 ? 1 : 0);
    if (disk !== undefined && this.canDiscard(disk)) {
      write("discard-granularity", disk.discardGranularityBytes);
      write("discard-alignment", 0);
      write("discard-secure", 0);
      write("feature-discard", 1);
    } else if (this.discards) {
      write("feature-discard", 0);
    }
  }

  private describe(tree: StoreTree, home: string): void {
    const { disk } = this;
    if (disk !== undefined) this.sectorBytes = disk.sectorBytes;
    const readOnly = !this.writable || disk?.readOnly === true;
    tree.write(`${home}/sectors`, String(this.sectors()));
    tree.write(`${home}/info`, String(this.kind | (readOnly ? VDISK_READONLY : 0)));
    tree.write(`${home}/sector-size`, String(this.sectorBytes));
    tree.write(`${home}/physical-sector-size`, String(this.sectorBytes));
  }

  /** Of 512 bytes, in whole sectors of the disk. */
  private sectors(): number {
    const { disk } = this;
    if (disk === undefined) return 0;
    return Math.floor(disk.sizeBytes / disk.sectorBytes) * (disk.sectorBytes / SECTOR_BYTES);
  }
}

function checked(limits: Limits): Limits {
  const ranges: [keyof typeof DEFAULT_LIMITS, number, number][] = [
    ["maxInFlight", 1, Number.MAX_SAFE_INTEGER],
    ["maxPersistentGrants", 0, Number.MAX_SAFE_INTEGER],
    ["persistentIdleMs", 1, Number.MAX_SAFE_INTEGER],
    ["maxQueues", 1, 64],
    ["maxRingPageOrder", 0, MAX_RING_PAGE_ORDER],
    ["maxIndirectSegments", 0, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST * SEGMENTS_PER_INDIRECT_PAGE],
  ];
  for (const [name, least, most] of ranges)
    if (!(limits[name] >= least && limits[name] <= most))
      throw new RangeError(`${name} is ${least} to ${most}, not ${limits[name]}`);
  for (const rate of [limits.iops, limits.bytesPerSecond])
    if (rate !== undefined && !(rate > 0)) throw new RangeError(`a rate limit is positive, not ${rate}`);
  return limits;
}
