import { EventChannels, type EventHost } from "../src/index.ts";

const PAGE = 4096;
const FIRST_MFN = 0x100;

/** Memory and frame references just as event channels need them; every imbalance throws. */
export class FakeMmu {
  readonly buffer = new ArrayBuffer(1 << 20);
  readonly memory = { u8: new Uint8Array(this.buffer), u32: new Uint32Array(this.buffer) };
  private nextMfn = FIRST_MFN;
  readonly owner = new Map<number, number>();
  readonly general = new Map<number, number>();
  readonly typed = new Map<number, number>();
  /** Frames that refuse the writable type, as page tables do. */
  readonly pageTables = new Set<number>();
  readonly frames = { hostAddress: (mfn: number): number => (mfn - FIRST_MFN + 16) * PAGE };

  alloc(domid: number): number {
    const mfn = this.nextMfn++;
    this.owner.set(mfn, domid);
    this.general.set(mfn, 1);
    this.typed.set(mfn, 0);
    return mfn;
  }

  readonly types = {
    getPage: (mfn: number, domid: number): boolean => {
      if (this.owner.get(mfn) !== domid) return false;
      this.general.set(mfn, this.general.get(mfn)! + 1);
      return true;
    },
    putPage: (mfn: number): void => {
      if (this.general.get(mfn)! < 1) throw new Error(`frame ${mfn}: no reference to put`);
      this.general.set(mfn, this.general.get(mfn)! - 1);
    },
    getPageType: (mfn: number, _type: number, domid: number): number => {
      if (this.owner.get(mfn) !== domid || this.pageTables.has(mfn)) return -22;
      this.typed.set(mfn, this.typed.get(mfn)! + 1);
      return 0;
    },
    putPageType: (mfn: number): void => {
      if (this.typed.get(mfn)! < 1) throw new Error(`frame ${mfn}: no type reference to put`);
      this.typed.set(mfn, this.typed.get(mfn)! - 1);
    },
  };
}

/** Event channels over a FakeMmu; what the host is told is kept in `log`. */
export class Machine {
  readonly mmu = new FakeMmu();
  readonly log: string[] = [];
  readonly paused = new Set<number>();
  readonly host: EventHost = {
    notifyVcpu: (domid, vcpu) => this.log.push(`notify d${domid}v${vcpu}`),
    pollWake: (domid, vcpu) => this.log.push(`poll d${domid}v${vcpu}`),
    isPausedByController: (domid) => this.paused.has(domid),
  };
  readonly events = new EventChannels(this.mmu, this.host);

  /** A privileged TypeScript domain 0 that logs its events. */
  addDom0(): void {
    this.events.addDomain(0, { privileged: true, onEvent: (port) => this.log.push(`dom0 ${port}`) });
  }

  addGuest(domid: number, options: { vcpus?: number; wordBits?: 32 | 64; maxPort?: number } = {}): Guest {
    const { vcpus = 2, wordBits = 64, maxPort } = options;
    const mfn = this.mmu.alloc(domid);
    const sharedInfo = this.mmu.frames.hostAddress(mfn);
    this.events.addDomain(domid, { vcpus, wordBits, sharedInfo, maxPort });
    return new Guest(this, domid, sharedInfo, wordBits);
  }

  takeLog(): string[] {
    return this.log.splice(0);
  }
}

/** The guest's side of a domain: its view of shared memory. */
export class Guest {
  /** FIFO: array pages and control blocks as u32 indexes. */
  readonly arrayWords: number[] = [];
  readonly controlWords: number[] = [];
  private readonly heads = new Map<number, number>();

  constructor(
    private readonly machine: Machine,
    readonly domid: number,
    readonly sharedInfo: number,
    private readonly wordBits: 32 | 64,
  ) {}

  private get u32(): Uint32Array {
    return this.machine.mmu.memory.u32;
  }

  bitmap(which: "pending" | "mask", port: number): number {
    return (this.u32[this.bitmapWord(which, port)] >>> (port & 31)) & 1;
  }

  private bitmapWord(which: "pending" | "mask", port: number): number {
    const offset = which === "pending" ? 2048 : this.wordBits === 64 ? 2560 : 2176;
    return ((this.sharedInfo + offset) >>> 2) + (port >>> 5);
  }

  setBitmap(which: "pending" | "mask", port: number, value: 0 | 1): void {
    const word = this.bitmapWord(which, port);
    this.u32[word] = value ? this.u32[word] | (1 << (port & 31)) : this.u32[word] & ~(1 << (port & 31));
  }

  vcpuInfo(vcpu: number): { pending: number; mask: number; selector: bigint } {
    const at = this.machine.events.vcpuInfo(this.domid, vcpu);
    const view = new DataView(this.machine.mmu.buffer, at, 64);
    const selector = this.wordBits === 64 ? view.getBigUint64(8, true) : BigInt(view.getUint32(4, true));
    return { pending: view.getUint8(0), mask: view.getUint8(1), selector };
  }

  /** What an upcall handler does first; returns the selector. */
  takeUpcall(vcpu: number): bigint {
    const at = this.machine.events.vcpuInfo(this.domid, vcpu);
    const { selector } = this.vcpuInfo(vcpu);
    this.machine.mmu.memory.u8[at] = 0;
    this.u32[(at + (this.wordBits === 64 ? 8 : 4)) >>> 2] = 0;
    if (this.wordBits === 64) this.u32[(at + 12) >>> 2] = 0;
    return selector;
  }

  initControl(vcpu: number): number {
    const mfn = this.machine.mmu.alloc(this.domid);
    this.controlWords[vcpu] = this.machine.mmu.frames.hostAddress(mfn) >>> 2;
    return this.machine.events.initControl(this.domid, vcpu, mfn, 0);
  }

  expandArray(): number {
    const mfn = this.machine.mmu.alloc(this.domid);
    this.arrayWords.push(this.machine.mmu.frames.hostAddress(mfn) >>> 2);
    return this.machine.events.expandArray(this.domid, mfn);
  }

  wordAt(port: number): number {
    return this.arrayWords[port >>> 10] + (port & 1023);
  }

  word(port: number): number {
    return this.u32[this.wordAt(port)];
  }

  /** Priority of the first queue that is ready, or -1. */
  readyPriority(vcpu: number): number {
    const ready = this.u32[this.controlWords[vcpu]];
    return ready === 0 ? -1 : 31 - Math.clz32(ready & -ready);
  }

  /**
   * Takes one event word off a vcpu's queues as a FIFO guest must: unlink, and clear the ready bit when the queue ends.
   * @returns the port if it was pending and not masked, -port if it was skipped, 0 if no queue is ready
   */
  consume(vcpu: number): number {
    const priority = this.readyPriority(vcpu);
    if (priority < 0) return 0;
    const control = this.controlWords[vcpu];
    const queue = vcpu * 16 + priority;
    const port = this.heads.get(queue) || this.u32[control + 2 + priority];
    const at = this.wordAt(port);
    const link = this.u32[at] & 0x1ffff;
    this.u32[at] &= ~(0x20000000 | 0x1ffff);
    if (link === 0) this.u32[control] &= ~(1 << priority);
    this.heads.set(queue, link);
    const word = this.u32[at];
    if (word & 0x40000000 || (word & 0x80000000) === 0) return -port;
    this.u32[at] &= 0x7fffffff;
    return port;
  }

  /** Unlinks and clears a queue's only word but leaves its ready bit, as a guest does that looks before it clears. */
  takeHead(vcpu: number, priority: number): number {
    const port = this.u32[this.controlWords[vcpu] + 2 + priority];
    this.u32[this.wordAt(port)] &= ~(0x80000000 | 0x20000000 | 0x1ffff);
    return port;
  }

  maskWord(port: number): void {
    this.u32[this.wordAt(port)] |= 0x40000000;
  }
}
