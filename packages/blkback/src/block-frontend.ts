import {
  type Abi,
  BLKIF_DISCARD_SECURE,
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_OP_DISCARD,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_INDIRECT,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  XEN_IO_PROTO_ABI_X86_32,
  XEN_IO_PROTO_ABI_X86_64,
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialised,
  XenbusStateInitialising,
  XenbusStateInitWait,
} from "@xen-node/xen-abi";
import { readNumber, readPeerState, type StoreClient, XenbusError } from "@xen-node/xenbus";
import { FrontQueue } from "./front-queue.ts";
import { type GrantedPage, GrantPool } from "./grant-pool.ts";
import type { GuestDomain } from "./guest-domain.ts";
import { requestLayouts, SECTOR_BYTES, SEGMENT_BYTES, SEGMENTS_PER_INDIRECT_PAGE } from "./request-layout.ts";

export interface BlockFrontendOptions {
  store: StoreClient;
  /** The domain that the frontend runs in. */
  domain: GuestDomain;
  /** The frontend's node, such as /local/domain/1/device/vbd/51712. */
  path: string;
  /** How the ring is laid out. Default: x86_64. */
  abi?: Abi;
  /** Whether pages are granted once and kept. Default: true, if the backend can. */
  persistent?: boolean;
  /** Default 1. */
  queues?: number;
  /** The ring has 2^n pages. Default 0. */
  ringPageOrder?: number;
  /** Most segments of an indirect request; 0: none are sent. Default 32, as in Linux. */
  indirectSegments?: number;
}

/** A request that the backend answered with an error. */
export class BlockRequestError extends Error {
  override readonly name = "BlockRequestError";
  /** BLKIF_RSP_ERROR or BLKIF_RSP_EOPNOTSUPP. */
  readonly status: number;

  constructor(what: string, status: number) {
    super(`${what}: the backend answered ${status}`);
    this.status = status;
  }
}

/**
 * A block frontend, for guests written in TypeScript and for tests. All sectors are of 512 bytes. Operations may overlap;
 * an operation of many sectors becomes several requests, and it rejects if one of them fails.
 */
export class BlockFrontend {
  /** Known once connected; changes when the disk is resized. */
  sectors = 0;
  sectorBytes = SECTOR_BYTES;
  /** VDISK_* */
  info = 0;
  /** Called when the backend says that the size changed. */
  onResize?: (sectors: number) => void;
  private readonly options: BlockFrontendOptions;
  private readonly store: StoreClient;
  private readonly backendPath: string;
  private readonly backendId: number;
  private readonly abi: Abi;
  private readonly watch: { close(): void };
  private queues: FrontQueue[] = [];
  private pool: GrantPool | undefined;
  private segmentsPerRequest = BLKIF_MAX_SEGMENTS_PER_REQUEST;
  private nextQueue = 0;
  private state: number = XenbusStateInitialising;
  private readonly whenConnected: PromiseWithResolvers;
  private readonly whenClosed: PromiseWithResolvers;

  constructor(options: BlockFrontendOptions) {
    const { store, path } = options;
    const backendPath = store.read(`${path}/backend`);
    const backendId = readNumber(store, `${path}/backend-id`);
    if (backendPath === undefined || backendId === undefined)
      throw new XenbusError(`${path} lacks the nodes backend and backend-id`);
    this.options = options;
    this.store = store;
    this.backendPath = backendPath;
    this.backendId = backendId;
    this.abi = options.abi ?? "x86_64";
    this.whenConnected = withResolvers();
    this.whenClosed = withResolvers();
    this.switchTo(XenbusStateInitialising);
    this.watch = store.watch(`${backendPath}/state`, () => this.onBackend());
  }

  /** Resolves when requests can be sent; rejects if the backend closes before. */
  connect(): Promise<void> {
    return this.whenConnected.promise;
  }

  async read(sector: number, count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    await this.transfer(BLKIF_OP_READ, sector, bytes);
    return bytes;
  }

  /** `bytes` are whole sectors; they are copied before this returns. */
  write(sector: number, bytes: Uint8Array): Promise<void> {
    return this.transfer(BLKIF_OP_WRITE, sector, bytes);
  }

  /** Writes after all that was asked for before, and durably. At most eleven pages. */
  writeBarrier(sector: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length > BLKIF_MAX_SEGMENTS_PER_REQUEST * 4096) throw new RangeError("a barrier has at most 11 pages");
    return this.transfer(BLKIF_OP_WRITE_BARRIER, sector, bytes);
  }

  /** Resolves when all writes that were answered before are on stable storage. */
  async flush(): Promise<void> {
    const { operation } = requestLayouts[this.abi];
    const status = await this.queue().submit((request) => request.setUint8(operation, BLKIF_OP_FLUSH_DISKCACHE));
    if (status !== 0) throw new BlockRequestError("flush", status);
  }

  async discard(sector: number, count: number, { secure = false } = {}): Promise<void> {
    const layout = requestLayouts[this.abi];
    const status = await this.queue().submit((request) => {
      request.setUint8(layout.operation, BLKIF_OP_DISCARD);
      request.setUint8(layout.second, secure ? BLKIF_DISCARD_SECURE : 0);
      setSector(request, layout.sector, sector);
      setSector(request, layout.discardSectors, count);
    });
    if (status !== 0) throw new BlockRequestError(`discard of ${count} sectors at ${sector}`, status);
  }

  /** Closes; requests under way reject. Resolves when the backend has let go of everything. */
  close(): Promise<void> {
    if (this.state !== XenbusStateClosed) this.shutDown(new Error("the frontend was closed"));
    return this.whenClosed.promise;
  }

  private queue(): FrontQueue {
    if (this.state !== XenbusStateConnected) throw new Error("the frontend is not connected");
    this.nextQueue = (this.nextQueue + 1) % this.queues.length;
    return this.queues[this.nextQueue];
  }

  private async transfer(operation: number, sector: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0 || bytes.length % SECTOR_BYTES !== 0)
      throw new RangeError(`transfers are of whole sectors, not ${bytes.length} bytes`);
    const most = this.segmentsPerRequest * 4096;
    const requests: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += most)
      requests.push(this.request(operation, sector + at / SECTOR_BYTES, bytes.subarray(at, at + most)));
    // Their pages are in use until all are answered.
    const failed = (await Promise.allSettled(requests)).find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  private async request(operation: number, sector: number, bytes: Uint8Array): Promise<void> {
    const { pool } = this;
    const queue = this.queue();
    if (pool === undefined) throw new Error("the frontend is not connected");
    const count = Math.ceil(bytes.length / 4096);
    const readOnly = operation !== BLKIF_OP_READ;
    const pages = Array.from({ length: count }, () => pool.get(readOnly));
    if (readOnly) for (const [i, { page }] of pages.entries()) page.bytes.set(bytes.subarray(i * 4096, (i + 1) * 4096));
    const indirect: GrantedPage[] = [];
    try {
      const status = await queue.submit((request) =>
        count <= BLKIF_MAX_SEGMENTS_PER_REQUEST
          ? this.fillDirect(request, operation, sector, pages, bytes.length)
          : this.fillIndirect(request, operation, sector, pages, bytes.length, indirect),
      );
      if (status !== 0) throw new BlockRequestError(`operation ${operation} at sector ${sector}`, status);
      if (!readOnly)
        for (const [i, { page }] of pages.entries())
          bytes.set(page.bytes.subarray(0, Math.min(4096, bytes.length - i * 4096)), i * 4096);
    } finally {
      for (const page of [...pages, ...indirect]) pool.put(page);
    }
  }

  private fillDirect(
    request: DataView,
    operation: number,
    sector: number,
    pages: readonly GrantedPage[],
    lengthBytes: number,
  ): void {
    const layout = requestLayouts[this.abi];
    request.setUint8(layout.operation, operation);
    request.setUint8(layout.second, pages.length);
    setSector(request, layout.sector, sector);
    writeSegments(request, layout.segments, pages, lengthBytes);
  }

  private fillIndirect(
    request: DataView,
    operation: number,
    sector: number,
    pages: readonly GrantedPage[],
    lengthBytes: number,
    indirect: GrantedPage[],
  ): void {
    const layout = requestLayouts[this.abi];
    request.setUint8(layout.operation, BLKIF_OP_INDIRECT);
    request.setUint8(layout.second, operation);
    request.setUint16(layout.indirectSegments, pages.length, true);
    setSector(request, layout.sector, sector);
    for (let at = 0; at < pages.length; at += SEGMENTS_PER_INDIRECT_PAGE) {
      const list = this.pool!.get(true);
      request.setUint32(layout.indirectRefs + 4 * indirect.length, list.ref, true);
      indirect.push(list);
      const { bytes } = list.page;
      const part = pages.slice(at, at + SEGMENTS_PER_INDIRECT_PAGE);
      writeSegments(new DataView(bytes.buffer, bytes.byteOffset, 4096), 0, part, lengthBytes - at * 4096);
    }
  }

  private onBackend(): void {
    switch (readPeerState(this.store, this.backendPath)) {
      case XenbusStateInitWait:
        if (this.state === XenbusStateInitialising) this.offerRings();
        break;
      case XenbusStateConnected:
        if (this.state === XenbusStateInitialised) this.onConnected();
        else if (this.state === XenbusStateConnected) this.onSize();
        break;
      case XenbusStateClosing:
        this.shutDown(new Error("the backend is closing"));
        break;
      case XenbusStateClosed:
      case undefined:
        this.shutDown(new Error("the backend has closed"));
        this.letGo();
        break;
    }
  }

  private offerRings(): void {
    const { store, options, backendPath, backendId, abi } = this;
    const { domain, path } = options;
    const offered = (node: string, otherwise: number): number =>
      readNumber(store, `${backendPath}/${node}`) ?? otherwise;
    const order = Math.min(options.ringPageOrder ?? 0, offered("max-ring-page-order", 0));
    const count = Math.max(1, Math.min(options.queues ?? 1, offered("multi-queue-max-queues", 1)));
    const indirect = Math.min(options.indirectSegments ?? 32, offered("feature-max-indirect-segments", 0));
    const persistent = (options.persistent ?? true) && offered("feature-persistent", 0) === 1;
    this.segmentsPerRequest = Math.max(BLKIF_MAX_SEGMENTS_PER_REQUEST, indirect);
    this.pool = new GrantPool(domain, backendId, persistent);
    this.queues = Array.from({ length: count }, () => new FrontQueue(domain, backendId, abi, 2 ** order));
    store.transaction((tree) => {
      const write = (node: string, value: string | number): void => tree.write(`${path}/${node}`, String(value));
      if (order > 0) write("ring-page-order", order);
      if (count > 1) write("multi-queue-num-queues", count);
      for (const [i, queue] of this.queues.entries()) {
        const home = count > 1 ? `queue-${i}/` : "";
        for (const [n, ref] of queue.refs.entries()) write(order > 0 ? `${home}ring-ref${n}` : `${home}ring-ref`, ref);
        write(`${home}event-channel`, queue.channel.port);
      }
      write("protocol", abi === "x86_64" ? XEN_IO_PROTO_ABI_X86_64 : XEN_IO_PROTO_ABI_X86_32);
      write("feature-persistent", persistent ? 1 : 0);
    });
    this.switchTo(XenbusStateInitialised);
  }

  private onConnected(): void {
    const read = (node: string, otherwise: number): number =>
      readNumber(this.store, `${this.backendPath}/${node}`) ?? otherwise;
    this.sectors = this.readSectors();
    this.sectorBytes = read("sector-size", SECTOR_BYTES);
    this.info = read("info", 0);
    this.switchTo(XenbusStateConnected);
    this.whenConnected.resolve();
  }

  private onSize(): void {
    const sectors = this.readSectors();
    if (sectors === this.sectors) return;
    this.sectors = sectors;
    this.onResize?.(sectors);
  }

  /** May be beyond 32 bits. */
  private readSectors(): number {
    return Number(this.store.read(`${this.backendPath}/sectors`) ?? 0);
  }

  private shutDown(reason: Error): void {
    if (this.state === XenbusStateClosed) return;
    for (const queue of this.queues) queue.abandon(reason);
    this.whenConnected.reject(reason);
    this.switchTo(XenbusStateClosing);
    this.switchTo(XenbusStateClosed);
    // A backend that had closed before says nothing more.
    if (readPeerState(this.store, this.backendPath) === XenbusStateClosed) this.letGo();
  }

  private letGo(): void {
    this.watch.close();
    for (const queue of this.queues) queue.close();
    this.queues = [];
    this.pool?.close();
    this.whenClosed.resolve();
  }

  private switchTo(state: number): void {
    this.state = state;
    if (this.store.exists(this.options.path)) this.store.write(`${this.options.path}/state`, String(state));
  }
}

function writeSegments(view: DataView, offset: number, pages: readonly GrantedPage[], lengthBytes: number): void {
  for (const [i, { ref }] of pages.entries()) {
    const at = offset + i * SEGMENT_BYTES;
    const sectors = Math.min(8, lengthBytes / SECTOR_BYTES - i * 8);
    view.setUint32(at, ref, true);
    view.setUint8(at + 4, 0);
    view.setUint8(at + 5, sectors - 1);
  }
}

function setSector(view: DataView, offset: number, sector: number): void {
  view.setUint32(offset, sector % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(sector / 2 ** 32), true);
}

interface PromiseWithResolvers {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** As Promise.withResolvers, which Node 20 lacks. A rejection that nobody waits for is no fault. */
function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
