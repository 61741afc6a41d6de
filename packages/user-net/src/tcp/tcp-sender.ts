// The direction host to guest of a connection: what has been sent, what must be sent again, and when.
// RFC 9293 (3.8), RFC 5681 and 6582 (congestion control), RFC 6298 (time-outs).

import { TcpFlag } from "@xen-node/packets";
import { NS_PER_MS, NS_PER_SECOND, type Timer, type TimerQueue } from "../timers.ts";
import { RoundTrip } from "./round-trip.ts";
import { SendQueue } from "./send-queue.ts";
import { sequenceAdd, sequenceAfter } from "./sequence.ts";
import type { TcpSegment } from "./tcp-segment.ts";

/** The first window is generous: the path is a virtual wire that says when it is full. */
const INITIAL_WINDOW_BYTES = 1 << 16;
const DUPLICATES_FOR_RETRANSMIT = 3;
const MOST_TIMEOUTS = 12;
const FIRST_PROBE_NS = 500 * NS_PER_MS;
const MOST_PROBE_NS = 60 * NS_PER_SECOND;
const MOST_UNANSWERED_PROBES = 15;

/** What the sender asks of its connection. */
export interface SenderPort {
  /** Sends a segment with the bytes at `from` in the queue; false: no room, `output` is called again when there is. */
  emit(sequence: number, flags: number, from: number, length: number): boolean;
  /** Most payload of one packet, a multiple of `mss` or `mss` itself. */
  mostPayload(): number;
  /** Packets to the guest are refused at the moment. */
  linkBlocked(): boolean;
  /** `count` bytes have been acknowledged and are no longer held. */
  released(count: number): void;
  /** The guest doesn't answer any more. */
  gaveUp(): void;
}

/** What became of an acknowledgment. */
export type AckResult = "fine" | "beyond" | "old";

export class TcpSender {
  readonly queue = new SendQueue();
  /** Oldest sequence number that isn't acknowledged. */
  unacknowledged: number;
  /** Next to be sent; goes back after a time-out. */
  next: number;
  /** One behind everything that was ever sent. */
  highest: number;
  /** Largest segment that the guest takes. */
  mss = 536;
  /** Shift of the windows that the guest announces. */
  windowScale = 0;
  /** The guest has acknowledged our FIN. */
  finAcknowledged = false;
  /** The queue is complete: a FIN follows it. */
  finQueued = false;
  readonly #port: SenderPort;
  readonly #timers: TimerQueue;
  readonly #retransmit: Timer;
  readonly #probe: Timer;
  readonly #roundTrip = new RoundTrip();
  #window = 0;
  #largestWindow = 0;
  #windowSequence = 0;
  #windowAck = 0;
  #congestionWindow = INITIAL_WINDOW_BYTES;
  #slowStartThreshold = Number.POSITIVE_INFINITY;
  #duplicates = 0;
  #recovering = false;
  #recover = 0;
  #timedSequence = 0;
  #timedNs = -1;
  #timeouts = 0;
  #probeNs = FIRST_PROBE_NS;
  #probes = 0;

  /** `initial`: the sequence number of our SYN. */
  constructor(initial: number, timers: TimerQueue, port: SenderPort) {
    this.#port = port;
    this.#timers = timers;
    this.unacknowledged = sequenceAdd(initial, 1);
    this.next = this.unacknowledged;
    this.highest = this.unacknowledged;
    this.#retransmit = timers.timer(() => this.#timedOut());
    this.#probe = timers.timer(() => this.#probeWindow());
  }

  /** All that was sent has been acknowledged. */
  get idle(): boolean {
    return this.unacknowledged === this.highest;
  }

  /** The FIN has been sent at least once. */
  get finSent(): boolean {
    return this.finAcknowledged || (this.finQueued && sequenceAfter(this.highest, this.#finSequence()) > 0);
  }

  /** The window of the segment that completes the handshake. */
  open(sequence: number, acknowledgment: number, window: number): void {
    this.#windowSequence = sequence;
    this.#windowAck = acknowledgment;
    this.#window = window;
    this.#largestWindow = window;
    this.#congestionWindow = Math.max(INITIAL_WINDOW_BYTES, 10 * this.mss);
  }

  /** Bytes of the host for the guest. */
  append(bytes: Uint8Array): void {
    this.queue.append(bytes);
    this.output();
  }

  finish(): void {
    if (this.finQueued) return;
    this.finQueued = true;
    this.output();
  }

  close(): void {
    this.#retransmit.dispose();
    this.#probe.dispose();
    this.queue.drop(this.queue.length);
  }

  /** Takes the acknowledgment and window of an acceptable segment. */
  acknowledge(segment: TcpSegment, fin: boolean): AckResult {
    const ack = segment.acknowledgment;
    const advance = sequenceAfter(ack, this.unacknowledged);
    if (sequenceAfter(ack, this.highest) > 0) return "beyond";
    // RFC 5961, 5.2.
    if (advance < -Math.max(65535, this.#largestWindow)) return "old";
    this.#probes = 0;
    const window = segment.window << this.windowScale;
    if (advance > 0) this.#advance(ack, advance);
    else if (advance === 0) this.#maybeDuplicate(segment, window, fin);
    // RFC 9293, 3.10.7.4: only newer segments change the window.
    const newer = sequenceAfter(segment.sequence, this.#windowSequence);
    if (advance >= 0 && (newer > 0 || (newer === 0 && sequenceAfter(ack, this.#windowAck) >= 0))) {
      this.#windowSequence = segment.sequence;
      this.#windowAck = ack;
      this.#window = window;
      this.#largestWindow = Math.max(this.#largestWindow, window);
    }
    this.output();
    return "fine";
  }

  /** Sends what may be sent now. */
  output(): void {
    const port = this.#port;
    for (;;) {
      const inFlight = sequenceAfter(this.next, this.unacknowledged);
      const unsent = this.queue.length - inFlight; // -1 once the FIN is sent
      if (unsent <= 0) {
        if (!this.finQueued || this.finAcknowledged || unsent < 0) break;
        if (!port.emit(this.next, TcpFlag.fin | TcpFlag.ack, 0, 0)) return;
        this.#sent(1);
        break;
      }
      const usable = Math.min(this.#window, this.#congestionWindow) - inFlight;
      let length = Math.min(unsent, usable, port.mostPayload());
      // Silly windows (RFC 9293, 3.8.6.2.1): small pieces in mid-stream wait for an ACK, or for the probe's timer.
      if (
        length < this.mss &&
        length < unsent &&
        !(inFlight === 0 && length > 0 && 2 * length >= this.#largestWindow)
      ) {
        if (inFlight === 0 && !this.#probe.armed) {
          this.#probeNs = FIRST_PROBE_NS;
          this.#probe.arm(this.#probeNs);
        }
        break;
      }
      if (length > this.mss && length < unsent) length -= length % this.mss;
      const last = length === unsent;
      const fin = last && this.finQueued;
      const flags = TcpFlag.ack | (last ? TcpFlag.psh : 0) | (fin ? TcpFlag.fin : 0);
      if (!port.emit(this.next, flags, inFlight, length)) return;
      this.#probe.disarm();
      this.#sent(length + (fin ? 1 : 0));
    }
  }

  #finSequence(): number {
    return sequenceAdd(this.unacknowledged, this.queue.length);
  }

  #sent(count: number): void {
    const before = this.next;
    this.next = sequenceAdd(before, count);
    if (sequenceAfter(this.next, this.highest) > 0) {
      this.highest = this.next;
      // Karn: only what was sent once is timed.
      if (this.#timedNs < 0) {
        this.#timedNs = this.#timers.nowNs();
        this.#timedSequence = this.next;
      }
    }
    if (!this.#retransmit.armed) this.#retransmit.arm(this.#roundTrip.timeoutNs);
  }

  #advance(ack: number, advance: number): void {
    const flight = sequenceAfter(this.highest, this.unacknowledged);
    const bytes = Math.min(advance, this.queue.length);
    this.finAcknowledged ||= this.finQueued && advance > this.queue.length;
    this.queue.drop(bytes);
    this.unacknowledged = ack;
    if (sequenceAfter(ack, this.next) > 0) this.next = ack;
    this.#timeouts = 0;
    this.#roundTrip.progress();
    if (this.#timedNs >= 0 && sequenceAfter(ack, this.#timedSequence) >= 0) {
      this.#roundTrip.sample(this.#timers.nowNs() - this.#timedNs);
      this.#timedNs = -1;
    }
    this.#duplicates = 0;
    if (!this.#recovering) this.#growCongestionWindow(advance, flight);
    else if (sequenceAfter(ack, this.#recover) >= 0) {
      this.#recovering = false;
      this.#congestionWindow = Math.max(2 * this.mss, this.#slowStartThreshold);
    } else {
      // A partial acknowledgment: the next hole (RFC 6582, 3.2).
      this.#congestionWindow = Math.max(this.mss, this.#congestionWindow - advance + this.mss);
      this.#sendAgain();
    }
    if (this.idle) this.#retransmit.disarm();
    else this.#retransmit.arm(this.#roundTrip.timeoutNs);
    if (bytes > 0) this.#port.released(bytes);
  }

  #growCongestionWindow(acknowledged: number, flight: number): void {
    // A window that isn't used says nothing about the path.
    if (flight * 2 < this.#congestionWindow) return;
    const slowStart = this.#congestionWindow < this.#slowStartThreshold;
    const more = slowStart ? acknowledged : Math.ceil((this.mss * acknowledged) / this.#congestionWindow);
    this.#congestionWindow = Math.min(1 << 30, this.#congestionWindow + more);
  }

  #maybeDuplicate(segment: TcpSegment, window: number, fin: boolean): void {
    if (this.idle || segment.length > 0 || fin || window !== this.#window) return;
    this.#duplicates++;
    if (this.#recovering) this.#congestionWindow += this.mss;
    else if (this.#duplicates === DUPLICATES_FOR_RETRANSMIT) {
      this.#halve();
      this.#recovering = true;
      this.#recover = this.highest;
      this.#congestionWindow = this.#slowStartThreshold + DUPLICATES_FOR_RETRANSMIT * this.mss;
      this.#sendAgain();
    }
  }

  #halve(): void {
    const flight = sequenceAfter(this.highest, this.unacknowledged);
    this.#slowStartThreshold = Math.max(2 * this.mss, flight / 2);
    this.#timedNs = -1;
  }

  /** Sends the first packet that isn't acknowledged again. */
  #sendAgain(): void {
    const sent = sequenceAfter(this.highest, this.unacknowledged);
    const length = Math.min(this.queue.length, sent, this.#port.mostPayload());
    const fin = this.finQueued && length === this.queue.length && sent > length;
    const flags = TcpFlag.ack | (fin ? TcpFlag.fin : 0);
    if (length > 0 || fin) this.#port.emit(this.unacknowledged, flags, 0, length);
  }

  #timedOut(): void {
    if (this.idle) return;
    if (this.#port.linkBlocked()) {
      // It may not even have left: no sign of loss.
      this.#retransmit.arm(this.#roundTrip.timeoutNs);
      return;
    }
    if (this.#window === 0) {
      // The guest has taken its window back: from now on the probes' business.
      this.next = this.unacknowledged;
      this.output();
      return;
    }
    this.#timeouts++;
    if (this.#timeouts > MOST_TIMEOUTS) {
      this.#port.gaveUp();
      return;
    }
    this.#roundTrip.backOff();
    this.#halve();
    this.#recovering = false;
    this.#duplicates = 0;
    this.#congestionWindow = this.mss;
    this.next = this.unacknowledged;
    this.#retransmit.arm(this.#roundTrip.timeoutNs);
    this.output();
  }

  /** The guest's window stays shut (or very small): RFC 9293, 3.8.6.1. */
  #probeWindow(): void {
    const inFlight = sequenceAfter(this.next, this.unacknowledged);
    if (inFlight !== 0 || this.queue.length === 0) return;
    this.#probes++;
    if (this.#probes > MOST_UNANSWERED_PROBES) {
      this.#port.gaveUp();
      return;
    }
    const length = Math.max(1, Math.min(this.#window, this.queue.length, this.mss));
    if (this.#port.emit(this.unacknowledged, TcpFlag.ack | TcpFlag.psh, 0, length)) {
      const end = sequenceAdd(this.unacknowledged, length);
      if (sequenceAfter(end, this.highest) > 0) this.highest = end;
    }
    this.#probeNs = Math.min(MOST_PROBE_NS, this.#probeNs * 2);
    this.#probe.arm(this.#probeNs);
  }
}
