import { blkifRing, FrontRing } from "@xen-node/io-rings";
import type { Abi } from "@xen-node/xen-abi";
import { BlockBackend, type BlockBackendOptions, BlockScheduler, type BlockSchedulerOptions } from "../../src/index.ts";
import { type FakeGuest, FakeMachine, type FramePage } from "./fake-machine.ts";
import { HistoryStore } from "./history-store.ts";
import { ManualTime } from "./manual-time.ts";
import { TestDisk } from "./test-disk.ts";

// Offsets from the reference, not from the package: io/blkif.h as a 64-bit and a 32-bit compiler lay it out.
const OFFSETS = {
  x86_64: { id: 8, sector: 16, segments: 24, indirectRefs: 28, discardSectors: 24 },
  x86_32: { id: 4, sector: 12, segments: 20, indirectRefs: 24, discardSectors: 20 },
};

export interface Segment {
  ref: number;
  first?: number;
  last?: number;
}

export interface RawRequest {
  operation: number;
  /** Number of segments, discard flag, or the operation meant by an indirect one. Default: segments.length. */
  second?: number;
  handle?: number;
  id?: bigint;
  sector?: bigint | number;
  segments?: Segment[];
  indirectSegments?: number;
  indirectRefs?: number[];
  discardSectors?: bigint | number;
}

export interface Answer {
  id: bigint;
  operation: number;
  status: number;
}

export const OKAY = 0;
export const ERROR = -1;
export const EOPNOTSUPP = -2;

/** The store, Dom0, a clock, a scheduler: what devices of several guests share. */
export class TestBench {
  readonly store = new HistoryStore();
  readonly machine: FakeMachine;
  readonly time = new ManualTime();
  readonly scheduler: BlockScheduler;
  readonly log: string[] = [];

  constructor({ frames = 2048, ...scheduling }: BlockSchedulerOptions & { frames?: number } = {}) {
    this.machine = new FakeMachine(frames);
    this.scheduler = new BlockScheduler({ ...this.time.scheduling, ...scheduling });
  }

  /** Creates both directories, as the toolstack does. */
  createNodes(domid: number, vdev: number, extra: { [node: string]: string } = {}): { front: string; back: string } {
    const front = `/local/domain/${domid}/device/vbd/${vdev}`;
    const back = `/local/domain/0/backend/vbd/${domid}/${vdev}`;
    this.store.transaction((tree) => {
      tree.write(`${front}/backend`, back);
      tree.write(`${front}/backend-id`, "0");
      tree.write(`${front}/state`, "1");
      tree.write(`${back}/frontend`, front);
      tree.write(`${back}/frontend-id`, String(domid));
      tree.write(`${back}/online`, "1");
      tree.write(`${back}/mode`, "w");
      tree.write(`${back}/state`, "1");
      for (const [node, value] of Object.entries(extra)) tree.write(`${back}/${node}`, value);
    });
    return { front, back };
  }

  backend(path: string, device: TestDisk | undefined, options: Partial<BlockBackendOptions> = {}): BlockBackend {
    return new BlockBackend({
      store: this.store,
      domain: this.machine.driverDomain(),
      path,
      device,
      scheduler: this.scheduler,
      log: (line) => this.log.push(line),
      ...options,
    });
  }
}

export interface RawOptions extends Partial<BlockBackendOptions> {
  abi?: Abi;
  persistent?: boolean;
  order?: number;
  queues?: number;
  domid?: number;
  vdev?: number;
  disk?: TestDisk | undefined;
  nodes?: { [node: string]: string };
  bench?: TestBench;
}

class RawQueue {
  readonly ring: FrontRing;
  readonly pages: FramePage[];
  readonly refs: number[];
  readonly channel: { port: number; notify(): void; close(): void };
  events = 0;

  constructor(guest: FakeGuest, abi: Abi, pageCount: number) {
    this.pages = Array.from({ length: pageCount }, () => guest.allocatePage());
    this.refs = this.pages.map((page) => guest.grant(0, page));
    this.ring = new FrontRing(
      this.pages.map((page) => page.bytes),
      blkifRing(abi),
    );
    this.channel = guest.openEventChannel(0, () => {
      this.events++;
    });
  }
}

/** A frontend that writes whatever a test wants, and its backend. */
export class RawDevice {
  readonly bench: TestBench;
  readonly guest: FakeGuest;
  readonly backend: BlockBackend;
  readonly front: string;
  readonly back: string;
  readonly abi: Abi;
  readonly queues: RawQueue[];
  readonly events: string[] = [];
  private nextId = 1n;

  constructor(options: RawOptions = {}) {
    const { abi = "x86_64", persistent = false, order, queues = 1, domid = 1, vdev = 51712, nodes, bench } = options;
    const { disk, ...backendOptions } = options;
    this.bench = bench ?? new TestBench();
    this.abi = abi;
    this.guest = this.bench.machine.guest(domid);
    const { front, back } = this.bench.createNodes(domid, vdev, nodes);
    this.front = front;
    this.back = back;
    this.backend = this.bench.backend(back, disk, {
      onClosed: () => this.events.push("closed"),
      onError: (message) => this.events.push(message),
      ...backendOptions,
    });
    this.queues = Array.from({ length: queues }, () => new RawQueue(this.guest, abi, 2 ** (order ?? 0)));
    const { store } = this.bench;
    if (order !== undefined) store.write(`${front}/ring-page-order`, String(order));
    if (queues > 1) store.write(`${front}/multi-queue-num-queues`, String(queues));
    for (const [i, queue] of this.queues.entries()) {
      const home = queues > 1 ? `${front}/queue-${i}` : front;
      for (const [n, ref] of queue.refs.entries())
        store.write(`${home}/ring-ref${order === undefined ? "" : n}`, String(ref));
      store.write(`${home}/event-channel`, String(queue.channel.port));
    }
    if (persistent) store.write(`${front}/feature-persistent`, "1");
    store.write(`${front}/protocol`, `${abi}-abi`);
  }

  static async connected(options: RawOptions = {}): Promise<RawDevice> {
    const disk = "disk" in options ? options.disk : new TestDisk();
    const device = new RawDevice({ ...options, disk });
    await device.bench.time.settle();
    await device.setState(3);
    return device;
  }

  async setState(state: number): Promise<void> {
    this.bench.store.write(`${this.front}/state`, String(state));
    await this.bench.time.settle();
  }

  get backState(): string | undefined {
    return this.bench.store.read(`${this.back}/state`);
  }

  /** A page of the guest and its grant. */
  page(readOnly = false): { ref: number; bytes: Uint8Array; frame: number } {
    const page = this.guest.allocatePage();
    return { ...page, ref: this.guest.grant(0, page, readOnly) };
  }

  /** Writes a request into the ring without telling. Returns its id. */
  put(request: RawRequest, queue = 0): bigint {
    const { ring } = this.queues[queue];
    const view = ring.request;
    const offsets = OFFSETS[this.abi];
    const id = request.id ?? this.nextId++;
    new Uint8Array(view.buffer).fill(0);
    view.setUint8(0, request.operation);
    view.setUint8(1, request.second ?? request.segments?.length ?? 0);
    view.setUint16(2, request.indirectSegments ?? request.handle ?? 0, true);
    view.setBigUint64(offsets.id, id, true);
    view.setBigUint64(offsets.sector, BigInt(request.sector ?? 0), true);
    for (const [i, segment] of (request.segments ?? []).slice(0, 11).entries()) {
      view.setUint32(offsets.segments + i * 8, segment.ref, true);
      view.setUint8(offsets.segments + i * 8 + 4, segment.first ?? 0);
      view.setUint8(offsets.segments + i * 8 + 5, segment.last ?? 7);
    }
    for (const [i, ref] of (request.indirectRefs ?? []).entries())
      view.setUint32(offsets.indirectRefs + i * 4, ref, true);
    if (request.discardSectors !== undefined)
      view.setBigUint64(offsets.discardSectors, BigInt(request.discardSectors), true);
    ring.ask();
    return id;
  }

  push(queue = 0): void {
    const { ring, channel } = this.queues[queue];
    if (ring.push()) channel.notify();
  }

  /** The answers that stand in the ring. */
  answers(queue = 0): Answer[] {
    const { ring } = this.queues[queue];
    const found: Answer[] = [];
    for (let left = ring.pending(); left > 0; left--) {
      ring.take();
      const view = ring.response;
      found.push({ id: view.getBigUint64(0, true), operation: view.getUint8(8), status: view.getInt16(10, true) });
    }
    ring.finalCheck();
    return found;
  }

  /** Sends one request and waits for its answer. */
  async ask(request: RawRequest): Promise<Answer> {
    const id = this.put(request);
    this.push();
    await this.bench.time.settle();
    const answers = this.answers();
    if (answers.length !== 1 || answers[0].id !== id)
      throw new Error(`answered: ${JSON.stringify(answers, (_, v) => String(v))}`);
    return answers[0];
  }

  async status(request: RawRequest): Promise<number> {
    return (await this.ask(request)).status;
  }

  /** A page full of segments for an indirect request. */
  segmentPage(segments: readonly Segment[]): { ref: number; bytes: Uint8Array } {
    const page = this.page();
    const view = new DataView(page.bytes.buffer, page.bytes.byteOffset, 4096);
    for (const [i, segment] of segments.entries()) {
      view.setUint32(i * 8, segment.ref, true);
      view.setUint8(i * 8 + 4, segment.first ?? 0);
      view.setUint8(i * 8 + 5, segment.last ?? 7);
    }
    return page;
  }
}
