/** Kinds of trace records. */
export const TraceKind = {
  /** a = exit reason, b = vector or operation, t = rip */
  exit: 1,
  /** a = hypercall number, b = sub-operation */
  hypercall: 2,
  /** a = hypercall number, value = result */
  hypercallReturn: 3,
  /** a = port, b = target domid */
  event: 4,
  /** a = vector, b = error code */
  bounce: 5,
  /** the vcpu got the processor */
  scheduleIn: 6,
  /** the vcpu left the processor; a = its run state */
  scheduleOut: 7,
  /** an event upcall was delivered */
  upcall: 8,
  /** a timer fired; a = kind */
  timer: 9,
} as const;

/** One decoded trace record. Times in ns; `value` is a number whose meaning depends on the kind. */
export interface TraceRecord {
  timeNs: number;
  kind: number;
  domid: number;
  vcpu: number;
  a: number;
  b: number;
  value: number;
}

/**
 * A ring of fixed-size records in preallocated typed arrays. When `enabled` is false, callers skip `add`:
 * the cost of tracing that is off is one boolean test.
 */
export class TraceRing {
  enabled: boolean;
  /** Records ever added; the ring holds the last `capacity` of them. */
  count = 0;
  readonly capacity: number;
  private readonly mask: number;
  private readonly time: Float64Array;
  private readonly value: Float64Array;
  private readonly who: Uint32Array;
  private readonly a: Int32Array;
  private readonly b: Int32Array;
  private readonly kind: Uint8Array;

  /** `capacity` is rounded up to a power of two. */
  constructor(options: { capacity?: number; enabled?: boolean } = {}) {
    let capacity = 1024;
    while (capacity < (options.capacity ?? 65536)) capacity *= 2;
    this.enabled = options.enabled ?? false;
    const size = options.capacity === 0 ? 1 : capacity;
    this.capacity = size;
    this.mask = size - 1;
    this.time = new Float64Array(size);
    this.value = new Float64Array(size);
    this.who = new Uint32Array(size);
    this.a = new Int32Array(size);
    this.b = new Int32Array(size);
    this.kind = new Uint8Array(size);
  }

  /** Appends a record, overwriting the oldest. */
  add(kind: number, timeNs: number, domid: number, vcpu: number, a: number, b: number, value: number): void {
    const i = this.count++ & this.mask;
    this.kind[i] = kind;
    this.time[i] = timeNs;
    this.who[i] = (domid << 16) | vcpu;
    this.a[i] = a;
    this.b[i] = b;
    this.value[i] = value;
  }

  /** The records still held, oldest first. */
  *records(): Generator<TraceRecord> {
    for (let n = Math.max(0, this.count - this.capacity); n < this.count; n++) {
      const i = n & this.mask;
      yield {
        timeNs: this.time[i],
        kind: this.kind[i],
        domid: this.who[i] >>> 16,
        vcpu: this.who[i] & 0xffff,
        a: this.a[i],
        b: this.b[i],
        value: this.value[i],
      };
    }
  }

  /** A 32-bit FNV-1a hash of all records held: equal runs give equal hashes. */
  hash(): number {
    let h = 0x811c9dc5;
    const words = new Uint32Array(2);
    const double = new Float64Array(words.buffer);
    const mix = (w: number): void => {
      h = Math.imul(h ^ w, 0x01000193);
    };
    for (const r of this.records()) {
      mix(r.kind);
      mix((r.domid << 16) | r.vcpu);
      mix(r.a);
      mix(r.b);
      double[0] = r.timeNs;
      mix(words[0]);
      mix(words[1]);
      double[0] = r.value;
      mix(words[0]);
      mix(words[1]);
    }
    return h >>> 0;
  }
}
