// One TCP connection: an end point towards the guest (RFC 9293), a stream towards the host.

import { TcpFlag } from "@xen-node/packets";
import type { FlowEntry } from "../flow-table.ts";
import type { HostStream, HostStreamError, HostStreamEvents, OpenHostStream } from "../host-stream.ts";
import { NS_PER_SECOND, type Timer, type TimerQueue } from "../timers.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { SegmentOutput, SegmentPath } from "./segment-output.ts";
import { sequenceAdd, sequenceAfter } from "./sequence.ts";
import { TcpReceiver } from "./tcp-receiver.ts";
import { synOptions, type TcpSegment } from "./tcp-segment.ts";
import { TcpSender } from "./tcp-sender.ts";

/** A SYN-ACK or SYN is repeated after 1, 2, 4 ... seconds, this many times. */
const MOST_SYN_REPEATS = 5;
const HOST_CONNECT_NS = 60 * NS_PER_SECOND;
const DELAYED_ACK_NS = 40e6;
/** Short: the path is a virtual wire, where no segment lingers. */
const TIME_WAIT_NS = NS_PER_SECOND;
/** Smaller ones would make us send a packet for every few bytes. */
const LEAST_MSS = 216;
const DEFAULT_MSS = { 4: 536, 6: 1220 } as const;

export type TcpState =
  | "connecting" // the guest's SYN has come, the host's side isn't there yet
  | "synReceived"
  | "synSent" // a forward: our SYN is on its way to the guest
  | "established" // and all of RFC 9293's states from FIN-WAIT-1 to LAST-ACK: see `finished` of both directions
  | "timeWait"
  | "closed"; // over towards the guest; the host's side may still be taking its last bytes

/** What a connection needs of its surroundings. */
export interface ConnectionContext {
  readonly timers: TimerQueue;
  readonly output: SegmentOutput;
  readonly budget: MemoryBudget;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  /** The host's side could not be reached. */
  hostFailed(connection: TcpConnection, error: HostStreamError): void;
  /** Over towards the guest: it no longer gets segments. */
  guestDone(connection: TcpConnection): void;
  /** Over on both sides. */
  done(connection: TcpConnection): void;
}

export interface ConnectionIdentity {
  readonly key: Uint8Array;
  /** Guest's MAC address. */
  readonly mac: Uint8Array;
  readonly path: SegmentPath;
  /** First sequence number of our side. */
  readonly initial: number;
  /** Start of the guest's SYN packet from the IP header on, for ICMP errors. */
  readonly synHead?: Uint8Array;
}

export class TcpConnection implements FlowEntry, HostStreamEvents {
  readonly key: Uint8Array;
  readonly mac: Uint8Array;
  readonly synHead: Uint8Array | undefined;
  nextFlow: this | undefined;
  state: TcpState;
  lastActiveNs: number;
  bytesToGuest = 0;
  readonly #context: ConnectionContext;
  readonly #path: SegmentPath;
  readonly #initial: number;
  readonly #sender: TcpSender;
  readonly #stream: HostStream;
  readonly #ownMss: number;
  readonly #timer: Timer;
  readonly #delayedAck: Timer;
  readonly #ownScale: number;
  /** Undefined until the guest's SYN has come (forwards). */
  #receiver: TcpReceiver | undefined;
  #scaling = false;
  #synRepeats = 0;
  /** The SYN was repeated at once, because the guest remembered an earlier connection. */
  #strayAnswered = false;
  #ackOwed = false;
  #streamOpen = true;
  #paused = false;
  #hostEnded = false;
  #guestFinishedFirst = false;
  readonly #resumeHost = (): void => this.#maybeResume();

  /** A connection that a guest opens (`syn`), or, without `syn`, one to a guest; then the stream is there already. */
  constructor(
    identity: ConnectionIdentity,
    context: ConnectionContext,
    open: OpenHostStream,
    syn: TcpSegment | undefined,
  ) {
    this.key = identity.key;
    this.mac = identity.mac;
    this.synHead = identity.synHead;
    this.#context = context;
    this.#path = identity.path;
    this.#initial = identity.initial;
    const { timers, output } = context;
    this.lastActiveNs = timers.nowNs();
    this.#ownMss = output.mssFor(identity.path.version);
    this.#ownScale = Math.max(0, Math.ceil(Math.log2(context.receiveBufferBytes / 65535)));
    this.#timer = timers.timer(() => this.#timedOut());
    this.#delayedAck = timers.timer(() => {
      this.#receiver?.notAnswered();
      this.#sendAck();
    });
    this.#sender = new TcpSender(identity.initial, timers, {
      emit: (sequence, flags, from, length) => this.#emit(sequence, flags, from, length),
      mostPayload: () => output.mostPayload(this.#path, this.#sender.mss),
      linkBlocked: () => output.link.blocked,
      released: (count) => {
        this.bytesToGuest += count;
        this.#context.budget.change(-count);
        this.#maybeResume();
      },
      gaveUp: () => this.reset(),
    });
    this.#stream = open(this);
    if (syn === undefined) {
      this.state = "synSent";
      this.#pauseHost();
      this.#sendSyn();
      this.#timer.arm(NS_PER_SECOND);
    } else {
      this.state = "connecting";
      this.#takeSyn(syn);
      this.#timer.arm(HOST_CONNECT_NS);
    }
  }

  /** Whether a SYN may take over the addresses: in TIME-WAIT, if it is clearly a later one (RFC 9293, 3.10.7.4). */
  mayBeReplacedBy(syn: TcpSegment): boolean {
    return this.state === "timeWait" && sequenceAfter(syn.sequence, this.#receiver?.expected ?? 0) >= 0;
  }

  /** Whether it is not established yet. */
  get opening(): boolean {
    return this.state === "connecting" || this.state === "synReceived" || this.state === "synSent";
  }

  get bytesToHost(): number {
    return this.#receiver?.bytes ?? 0;
  }

  /** The state by its name in RFC 9293. */
  get stateName(): string {
    if (this.state === "synReceived") return "SYN-RECEIVED";
    if (this.state === "synSent") return "SYN-SENT";
    if (this.state === "timeWait") return "TIME-WAIT";
    if (this.state === "closed") return "CLOSED";
    if (this.state === "connecting") return "LISTEN";
    const guestFinished = this.#receiver?.finished ?? false;
    if (!this.#sender.finSent) return guestFinished ? "CLOSE-WAIT" : "ESTABLISHED";
    if (guestFinished) return "LAST-ACK";
    return this.#sender.finAcknowledged ? "FIN-WAIT-2" : "FIN-WAIT-1";
  }

  /** A segment of the guest, its checksum checked. In TIME-WAIT, a SYN is the table's business. */
  receive(segment: TcpSegment): void {
    this.lastActiveNs = this.#context.timers.nowNs();
    const { flags } = segment;
    if (this.state === "synSent") {
      this.#receiveInSynSent(segment);
      return;
    }
    const receiver = this.#receiver;
    if (receiver === undefined || this.state === "closed") return;
    if (this.state === "connecting") {
      // The guest repeats its SYN; nothing else can be meant for us yet, except that it gave up.
      if ((flags & TcpFlag.rst) !== 0 && segment.sequence === receiver.expected) this.#abandon();
      return;
    }
    const fin = (flags & TcpFlag.fin) !== 0;
    if (this.state === "synReceived" && (flags & TcpFlag.syn) !== 0) {
      if (sequenceAdd(segment.sequence, 1) === receiver.expected) this.#sendSyn();
      else this.#sendAck();
      return;
    }
    if (!receiver.acceptable(segment, segment.length + (fin ? 1 : 0))) {
      if ((flags & TcpFlag.rst) === 0) {
        // The acknowledgment of a segment in a shut window counts all the same (RFC 9293, 3.10.7.4).
        if ((flags & TcpFlag.ack) !== 0 && this.state === "established" && (flags & TcpFlag.syn) === 0)
          this.#sender.acknowledge(segment, fin);
        this.#sendAck();
      }
      return;
    }
    if ((flags & TcpFlag.rst) !== 0) {
      // RFC 5961, 3.2: only the exact number is believed; others are asked back.
      if (segment.sequence === receiver.expected) this.#abandon();
      else this.#sendAck();
      return;
    }
    if ((flags & TcpFlag.syn) !== 0) {
      this.#sendAck(); // RFC 5961, 4.2
      return;
    }
    if ((flags & TcpFlag.ack) === 0) return;
    if (this.state === "synReceived" && !this.#completeHandshake(segment)) return;
    const result = this.#sender.acknowledge(segment, fin);
    if (result !== "fine") {
      this.#sendAck();
      return;
    }
    if (this.state === "timeWait") return;
    const need = receiver.receive(segment, fin, this.#sender.mss);
    if (this.#isClosed()) return;
    if (receiver.finished && !this.#sender.finSent) this.#guestFinishedFirst = true;
    if (need === "now") this.#sendAck();
    else if (need === "soon" && !this.#delayedAck.armed) this.#delayedAck.arm(DELAYED_ACK_NS);
    this.#maybeFinish();
  }

  /** Room on the guests' side: RoomWaiter. */
  roomForPackets(): void {
    if (this.state === "closed") return;
    if (this.state === "established") this.#sender.output();
    else if (this.state === "synSent" || this.state === "synReceived") this.#sendSyn();
    if (this.#ackOwed) this.#sendAck();
  }

  // What the host's side says: HostStreamEvents.

  connected(): void {
    if (this.state !== "connecting") return;
    this.state = "synReceived";
    this.#pauseHost();
    this.#sendSyn();
    this.#timer.arm(NS_PER_SECOND);
  }

  data(bytes: Uint8Array): void {
    if (this.state === "closed" || bytes.length === 0) return;
    this.#context.budget.change(bytes.length);
    if (this.state !== "established") this.#sender.queue.append(bytes);
    else this.#sender.append(bytes);
    if (this.#holdsEnough()) this.#pauseHost();
  }

  ended(): void {
    this.#hostEnded = true;
    if (this.state === "established") {
      this.#sender.finish();
      this.#maybeFinish();
    }
  }

  taken(): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    receiver.taken();
    if (this.state === "established" && receiver.windowUpdateDue) this.#sendAck();
  }

  closed(error: HostStreamError | undefined): void {
    if (!this.#streamOpen) return;
    this.#streamOpen = false;
    this.#receiver?.taken();
    if (this.state === "closed") {
      this.#context.done(this);
      return;
    }
    if (this.state === "connecting") {
      this.#end();
      this.#context.hostFailed(this, error ?? { code: "ECONNRESET" });
      return;
    }
    // After both ends have closed in order, what is left goes on without the stream.
    const inOrder = error === undefined && this.#hostEnded;
    if (!inOrder) this.reset();
    else this.#maybeFinish();
  }

  /** Ends it at once, with resets both ways. */
  reset(): void {
    if (this.state === "closed") {
      if (this.#streamOpen) this.#stream.abort();
      return;
    }
    if (this.state !== "connecting" && this.state !== "timeWait") this.#sendReset();
    this.#abandon();
  }

  /** Answers the guest's SYN, whose connection has ended here, with a reset. */
  refuse(): void {
    const expected = this.#receiver?.expected ?? 0;
    const flags = TcpFlag.rst | TcpFlag.ack;
    this.#context.output.send(this.#path, 0, expected, flags, 0, undefined, undefined, 0, 0, 1);
  }

  #isClosed(): boolean {
    return this.state === "closed";
  }

  #takeSyn(syn: TcpSegment): void {
    const { budget, receiveBufferBytes } = this.#context;
    const sender = this.#sender;
    const receiver = new TcpReceiver(syn.sequence, this.#stream, budget, receiveBufferBytes);
    this.#receiver = receiver;
    const offered = syn.mss === 0 ? DEFAULT_MSS[this.#path.version] : syn.mss;
    sender.mss = Math.min(this.#ownMss, Math.max(LEAST_MSS, offered));
    this.#scaling = syn.windowScale >= 0;
    if (this.#scaling) {
      sender.windowScale = syn.windowScale;
      receiver.windowScale = this.#ownScale;
    }
  }

  /** Our SYN, or SYN-ACK once the guest's SYN is there. */
  #sendSyn(): void {
    const receiver = this.#receiver;
    const scale = receiver === undefined || this.#scaling ? this.#ownScale : -1;
    const flags = TcpFlag.syn | (receiver === undefined ? 0 : TcpFlag.ack);
    const window = receiver === undefined ? 65535 : receiver.announce(0);
    const options = synOptions(this.#ownMss, scale);
    const { output } = this.#context;
    const acknowledged = receiver?.expected ?? 0;
    if (!output.send(this.#path, this.#initial, acknowledged, flags, window, options, undefined, 0, 0, 1))
      output.link.wait(this);
  }

  #receiveInSynSent(segment: TcpSegment): void {
    const { flags } = segment;
    const acknowledges = (flags & TcpFlag.ack) !== 0;
    if (acknowledges && segment.acknowledgment !== sequenceAdd(this.#initial, 1)) {
      if ((flags & TcpFlag.rst) === 0) this.#answerStray(segment);
      return;
    }
    if ((flags & TcpFlag.rst) !== 0) {
      if (acknowledges) this.#abandon();
      return;
    }
    // A simultaneous open, a SYN without an ACK, is left to the repetitions.
    if (!acknowledges || (flags & TcpFlag.syn) === 0) return;
    this.#takeSyn(segment);
    this.#sender.open(segment.sequence, segment.acknowledgment, segment.window);
    this.#establish();
    this.#sendAck();
  }

  /** The guest takes our SYN for a part of an earlier connection: a reset ends that (RFC 9293, 3.10.7.3). */
  #answerStray(segment: TcpSegment): void {
    this.#sendResetOf(segment.acknowledgment);
    // At once, instead of a second later. Once: a guest that answers like that for ever must not keep us busy.
    if (this.#strayAnswered) return;
    this.#strayAnswered = true;
    this.#sendSyn();
  }

  #completeHandshake(segment: TcpSegment): boolean {
    if (segment.acknowledgment !== sequenceAdd(this.#initial, 1)) {
      // RFC 9293, 3.10.7.4: what acknowledges something else is answered by a reset of its own number.
      this.#sendResetOf(segment.acknowledgment);
      return false;
    }
    const window = segment.window << this.#sender.windowScale;
    this.#sender.open(segment.sequence, segment.acknowledgment, window);
    this.#establish();
    return true;
  }

  #establish(): void {
    this.state = "established";
    this.#timer.disarm();
    if (this.#hostEnded) this.#sender.finish();
    this.#maybeResume();
  }

  #emit(sequence: number, flags: number, from: number, length: number): boolean {
    const receiver = this.#receiver;
    if (receiver === undefined || this.state === "closed") return false;
    const { output } = this.#context;
    const { queue, mss } = this.#sender;
    const window = receiver.announce();
    const { expected } = receiver;
    const sent = output.send(this.#path, sequence, expected, flags, window, undefined, queue, from, length, mss);
    if (sent) {
      if (length > 0) receiver.answered();
      this.#acknowledged();
    } else {
      this.#ackOwed = true; // the window of this segment counts as announced
      output.link.wait(this);
    }
    return sent;
  }

  #sendAck(): void {
    const receiver = this.#receiver;
    if (receiver === undefined || this.state === "closed") return;
    const { output } = this.#context;
    const window = receiver.announce();
    // RFC 9293, 3.8.1: an empty segment has the next number, even while older ones are sent again.
    const sequence = this.#sender.highest;
    if (output.send(this.#path, sequence, receiver.expected, TcpFlag.ack, window, undefined, undefined, 0, 0, 1))
      this.#acknowledged();
    else {
      this.#ackOwed = true;
      output.link.wait(this);
    }
  }

  #acknowledged(): void {
    this.#ackOwed = false;
    this.#delayedAck.disarm();
  }

  #sendReset(): void {
    const expected = this.#receiver?.expected ?? 0;
    const flags = TcpFlag.rst | (this.#receiver === undefined ? 0 : TcpFlag.ack);
    const sequence = this.#sender.highest;
    this.#context.output.send(this.#path, sequence, expected, flags, 0, undefined, undefined, 0, 0, 1);
  }

  /** A reset with the number that the guest itself has acknowledged. */
  #sendResetOf(sequence: number): void {
    this.#context.output.send(this.#path, sequence, 0, TcpFlag.rst, 0, undefined, undefined, 0, 0, 1);
  }

  #holdsEnough(): boolean {
    return this.#sender.queue.length >= this.#context.sendBufferBytes || this.#context.budget.exhausted;
  }

  #pauseHost(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#stream.pause();
    if (this.#context.budget.exhausted) this.#context.budget.wait(this.#resumeHost);
  }

  #maybeResume(): void {
    if (!this.#paused || this.state !== "established") return;
    if (this.#context.budget.exhausted) {
      this.#context.budget.wait(this.#resumeHost);
      return;
    }
    if (this.#sender.queue.length > this.#context.sendBufferBytes / 2) return;
    this.#paused = false;
    this.#stream.resume();
  }

  /** Both directions are closed in order: the end, after a while if the guest may have to repeat its FIN. */
  #maybeFinish(): void {
    if (this.state !== "established") return;
    const receiver = this.#receiver;
    if (receiver === undefined || !receiver.finished || !this.#sender.finAcknowledged) return;
    if (this.#guestFinishedFirst) {
      this.#end(); // TIME-WAIT is the guest's
      return;
    }
    this.state = "timeWait";
    this.#delayedAck.disarm();
    this.#timer.arm(TIME_WAIT_NS);
  }

  #timedOut(): void {
    if (this.state === "timeWait") this.#end();
    else if (this.state === "connecting") {
      this.#abandon();
      this.#context.hostFailed(this, { code: "ETIMEDOUT" });
    } else if (this.state === "synReceived" || this.state === "synSent") {
      if (this.#synRepeats++ >= MOST_SYN_REPEATS) {
        this.reset();
        return;
      }
      this.#sendSyn();
      this.#timer.arm(NS_PER_SECOND * 2 ** this.#synRepeats);
    }
  }

  /** Over at once, with nothing said to the guest and a reset for the host. */
  #abandon(): void {
    if (this.#streamOpen) this.#stream.abort();
    this.#end();
  }

  /** Over towards the guest. */
  #end(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#timer.dispose();
    this.#delayedAck.dispose();
    this.#context.output.link.forget(this);
    this.#context.budget.forget(this.#resumeHost);
    this.#context.budget.change(-this.#sender.queue.length);
    this.#sender.close();
    this.#receiver?.close();
    this.#context.guestDone(this);
    if (!this.#streamOpen) this.#context.done(this);
  }
}
