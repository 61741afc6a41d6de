import type { Hypervisor } from "../hypervisor.ts";
import { Timer } from "../timers.ts";
import type { Vcpu } from "../vcpu.ts";

/** x2APIC registers as MSRs (Intel SDM vol. 3, table 11-6). */
const Register = {
  id: 0x802,
  version: 0x803,
  taskPriority: 0x808,
  processorPriority: 0x80a,
  endOfInterrupt: 0x80b,
  logicalDestination: 0x80d,
  spurious: 0x80f,
  inService: 0x810,
  triggerMode: 0x818,
  requested: 0x820,
  errorStatus: 0x828,
  command: 0x830,
  timer: 0x832,
  lastVectorEntry: 0x837,
  initialCount: 0x838,
  currentCount: 0x839,
  divide: 0x83e,
  selfInterrupt: 0x83f,
} as const;
const FIRST = 0x800;
const LAST = 0x8ff;
const WORDS = 8;

/** Version 0x14, six entries in the local vector table. */
const VERSION = 0x00050014;
const ENABLED = 0x100;
const MASKED = 0x10000;
const PERIODIC = 0x20000;
const SPURIOUS_RESET = 0xff;
/** Bits of a local vector table entry that can be set: vector, delivery mode, polarity, trigger, mask, timer mode. */
const ENTRY_BITS = 0x3a7ff;
/** Vectors below are exceptions. */
const FIRST_VECTOR = 16;
/** Error status: a vector that is none was sent. */
const SEND_ILLEGAL_VECTOR = 0x20;
/** Delivery modes of the command register. */
const FIXED = 0;
const LOWEST_PRIORITY = 1;
const NMI = 4;
const BROADCAST = 0xffffffff;
/** One tick of its bus, as Xen's (APIC_BUS_CYCLE_NS). */
const TICK_NS = 10;
/** A guest cannot have the host do nothing but serve its timer. */
const LEAST_PERIOD_NS = 100_000;

const BASE_ADDRESS = 0xfee00000;
const BASE_ENABLED = 0x800;
const BASE_X2APIC = 0x400;
const BASE_BOOT_PROCESSOR = 0x100;

/** A 64-bit register as signed halves. */
export interface Halves {
  lo: number;
  hi: number;
}

/**
 * A vcpu's local APIC, in x2APIC mode from the start, so that nothing of it lies in memory. Its interrupts are its own:
 * those it sends to itself, and its timer's.
 */
export class LocalApic {
  private readonly id: number;
  private readonly requested = new Uint32Array(WORDS);
  private readonly inService = new Uint32Array(WORDS);
  private readonly entries = new Uint32Array(Register.lastVectorEntry - Register.timer + 1).fill(MASKED);
  private spurious = SPURIOUS_RESET;
  private errors = 0;
  private shownErrors = 0;
  private commandLo = 0;
  private commandHi = 0;
  private initialCount = 0;
  private startedNs = 0;
  private divide = 0;
  /** CR8: bits 4-7 of the task priority. */
  taskPriority = 0;
  private readonly countdown: Timer;
  private readonly value: Halves = { lo: 0, hi: 0 };

  constructor(
    private readonly hv: Hypervisor,
    private readonly vcpu: Vcpu,
  ) {
    this.id = 2 * vcpu.id;
    this.countdown = new Timer(() => this.expire());
  }

  /** Whether an MSR is one of its registers. */
  static has(msr: number): boolean {
    return msr >= FIRST && msr <= LAST;
  }

  /** IA32_APIC_BASE, low word; it cannot be changed. */
  get base(): number {
    return BASE_ADDRESS | BASE_ENABLED | BASE_X2APIC | (this.vcpu.id === 0 ? BASE_BOOT_PROCESSOR : 0) | 0;
  }

  /** The vcpu does not run again. */
  stop(): void {
    this.hv.timers.stop(this.countdown);
  }

  /** RDMSR; undefined: there is no such register, or it is for writing alone. */
  read(msr: number): Halves | undefined {
    const { value } = this;
    value.hi = 0;
    switch (msr) {
      case Register.id:
        value.lo = this.id;
        break;
      case Register.version:
        value.lo = VERSION;
        break;
      case Register.taskPriority:
        value.lo = this.taskPriority;
        break;
      case Register.processorPriority:
        value.lo = this.processorPriority;
        break;
      case Register.logicalDestination:
        value.lo = ((this.id >>> 4) << 16) | (1 << (this.id & 15));
        break;
      case Register.spurious:
        value.lo = this.spurious;
        break;
      case Register.errorStatus:
        value.lo = this.shownErrors;
        break;
      case Register.command:
        value.lo = this.commandLo;
        value.hi = this.commandHi;
        break;
      case Register.initialCount:
        value.lo = this.initialCount;
        break;
      case Register.currentCount:
        value.lo = this.currentCount();
        break;
      case Register.divide:
        value.lo = this.divide;
        break;
      default:
        if (msr >= Register.timer && msr <= Register.lastVectorEntry) value.lo = this.entries[msr - Register.timer];
        else if (msr >= Register.inService && msr < Register.triggerMode) value.lo = this.inService[msr & 7];
        else if (msr >= Register.triggerMode && msr < Register.requested) value.lo = 0;
        else if (msr >= Register.requested && msr < Register.errorStatus) value.lo = this.requested[msr & 7];
        else return undefined;
    }
    return value;
  }

  /** WRMSR; false: #GP(0). */
  write(msr: number, lo: number, hi: number): boolean {
    if (msr === Register.command) {
      this.commandLo = lo;
      this.commandHi = hi;
      this.send(lo, hi);
      return true;
    }
    if (hi !== 0) return false;
    switch (msr) {
      case Register.taskPriority:
        if ((lo & ~0xff) !== 0) return false;
        this.taskPriority = lo;
        return true;
      case Register.endOfInterrupt:
        if (lo !== 0) return false;
        clear(this.inService, highest(this.inService));
        return true;
      case Register.spurious:
        this.spurious = lo & 0x1ff;
        // A disabled APIC masks its own sources.
        if ((lo & ENABLED) === 0) for (let i = 0; i < this.entries.length; i++) this.entries[i] |= MASKED;
        return true;
      case Register.errorStatus:
        if (lo !== 0) return false;
        this.shownErrors = this.errors;
        this.errors = 0;
        return true;
      case Register.initialCount:
        this.initialCount = lo >>> 0;
        this.start();
        return true;
      case Register.divide:
        this.divide = lo & 0xb;
        this.start();
        return true;
      case Register.selfInterrupt:
        if ((lo & ~0xff) !== 0) return false;
        this.request(lo & 0xff);
        return true;
      default:
        if (msr < Register.timer || msr > Register.lastVectorEntry) return false;
        this.entries[msr - Register.timer] = (lo & ENTRY_BITS) | ((this.spurious & ENABLED) === 0 ? MASKED : 0);
        if (msr === Register.timer) this.start();
        return true;
    }
  }

  /** The interrupt that the vcpu would take now if its flags allow any; -1 = none. */
  get pending(): number {
    const vector = highest(this.requested);
    return vector >= 0 && vector >>> 4 > this.processorPriority >>> 4 ? vector : -1;
  }

  /** The vcpu takes an interrupt that was pending. */
  accept(vector: number): void {
    clear(this.requested, vector);
    this.inService[vector >>> 5] |= 1 << (vector & 31);
  }

  private get processorPriority(): number {
    const served = highest(this.inService);
    const level = served < 0 ? 0 : served & 0xf0;
    return this.taskPriority >>> 4 >= level >>> 4 ? this.taskPriority : level;
  }

  private request(vector: number): void {
    if (vector < FIRST_VECTOR) {
      this.errors |= SEND_ILLEGAL_VECTOR;
      return;
    }
    if ((this.spurious & ENABLED) === 0) return;
    this.requested[vector >>> 5] |= 1 << (vector & 31);
    this.hv.wake(this.vcpu);
  }

  /** A command to other processors finds nobody: there is but this one. */
  private send(lo: number, hi: number): void {
    const shorthand = (lo >>> 18) & 3;
    const logical = (lo & 0x800) !== 0;
    const addressed = logical
      ? (hi & (1 << (this.id & 15))) !== 0 && hi >>> 16 === this.id >>> 4
      : hi >>> 0 === this.id;
    const toSelf = shorthand === 0 ? addressed || hi >>> 0 === BROADCAST : shorthand !== 3;
    if (!toSelf) return;
    const mode = (lo >>> 8) & 7;
    if (mode === FIXED || mode === LOWEST_PRIORITY) this.request(lo & 0xff);
    else if (mode === NMI) {
      this.vcpu.nmiPending = true;
      this.hv.wake(this.vcpu);
    }
  }

  /** ns of one count of the timer. */
  private get countNs(): number {
    const code = (this.divide & 3) | ((this.divide & 8) >>> 1);
    return TICK_NS * (code === 7 ? 1 : 2 << code);
  }

  private start(): void {
    const { hv } = this;
    hv.timers.stop(this.countdown);
    if (this.initialCount === 0) return;
    this.startedNs = hv.now();
    hv.timers.set(this.countdown, this.startedNs + this.initialCount * this.countNs);
  }

  private currentCount(): number {
    if (this.initialCount === 0) return 0;
    const gone = Math.floor((this.hv.now() - this.startedNs) / this.countNs);
    if (gone < this.initialCount) return this.initialCount - gone;
    return (this.entries[0] & PERIODIC) !== 0 ? this.initialCount - (gone % this.initialCount) : 0;
  }

  private expire(): void {
    const [entry] = this.entries;
    if (!this.vcpu.alive) return;
    if ((entry & PERIODIC) !== 0) {
      const now = this.hv.now();
      const periodNs = Math.max(LEAST_PERIOD_NS, this.initialCount * this.countNs);
      // Rounds that were missed are not made up for.
      this.startedNs += Math.max(1, Math.floor((now - this.startedNs) / periodNs)) * periodNs;
      this.hv.timers.set(this.countdown, this.startedNs + periodNs);
    } else this.initialCount = 0;
    if ((entry & MASKED) === 0) this.request(entry & 0xff);
  }
}

/** The highest vector of a set, -1 if it is empty. */
function highest(set: Uint32Array): number {
  for (let word = WORDS - 1; word >= 0; word--) if (set[word] !== 0) return word * 32 + 31 - Math.clz32(set[word]);
  return -1;
}

function clear(set: Uint32Array, vector: number): void {
  if (vector >= 0) set[vector >>> 5] &= ~(1 << (vector & 31));
}
