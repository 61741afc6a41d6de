import {
  XENSTORE_CONNECTED,
  XENSTORE_ERROR_NONE,
  XENSTORE_ERROR_PROTO,
  XENSTORE_ERROR_RINGIDX,
  XENSTORE_PAYLOAD_MAX,
  XENSTORE_RECONNECT,
  XENSTORE_SERVER_FEATURE_ERROR,
  XENSTORE_SERVER_FEATURE_RECONNECTION,
  XS_WATCH_EVENT,
} from "@xen-node/xen-abi";
import { exceeds } from "./quota.ts";
import type { SessionState } from "./session.ts";
import { Session } from "./session.ts";
import type { StoreCore } from "./store-core.ts";
import type { RingPage } from "./store-ring.ts";
import {
  CONNECTION_AT,
  ERROR_AT,
  putBytes,
  REQUESTS,
  RESPONSES,
  readWord,
  SERVER_FEATURES_AT,
  takeBytes,
  waitingBytes,
  writeWord,
} from "./store-ring.ts";
import type { Message } from "./wire.ts";
import { encodeMessage, joinStrings, MessageReader } from "./wire.ts";

/** Requests handled in one `onEvent` call; the rest of a flood waits for its turn. */
export const REQUESTS_PER_EVENT = 16;

/** What a connection needs from the store that serves it. */
export interface RingService {
  /** Answers one request. Watch events that must follow the reply are fired by `after`. */
  answer(session: Session, request: Message): { reply: Message; after?: () => void };
  /** Runs `work` later, when others have had their turn. */
  defer(work: () => void): void;
  /** A connection was closed for XENSTORE_ERROR_RINGIDX or XENSTORE_ERROR_PROTO. */
  closed(domid: number, error: number): void;
}

interface Outgoing {
  readonly bytes: Uint8Array;
  /** Identity of a watch event, to drop repetitions; undefined for replies and special events. */
  readonly eventKey: string | undefined;
  readonly isReply: boolean;
}

/** A domain's connection as it is saved; the indices travel in the domain's page. */
export interface RingConnectionState {
  session: SessionState;
  features: number;
  closed: boolean;
  target: number | undefined;
  /** The part of a request that has been read. */
  input: Uint8Array;
  /** What the ring had no room for yet; the first piece may be the rest of a message. */
  output: { bytes: Uint8Array; isReply: boolean }[];
}

/** One domain's connection over its xenstore ring. */
export class RingConnection extends Session {
  readonly features: number;
  #ring: RingPage;
  readonly #service: RingService;
  readonly #reader = new MessageReader();
  #queue: Outgoing[] = [];
  #written = 0; // bytes of #queue[0] already in the ring
  #queued = 0;
  #replies = 0;
  readonly #eventKeys = new Set<string>();
  #closed = false;
  #kick = false;
  #busy = false;
  #deferred = false;
  #released = false;

  constructor(core: StoreCore, domid: number, ring: RingPage, features: number, service: RingService) {
    super(core, domid);
    this.#ring = ring;
    this.features = features;
    this.#service = service;
    writeWord(ring.bytes, SERVER_FEATURES_AT, features);
  }

  /** Whether the domain broke the protocol: then its ring is left alone until it reconnects. */
  get closed(): boolean {
    return this.#closed;
  }

  protected override get queuedBytes(): number {
    return this.#queued;
  }

  /**
   * To be called when the domain kicks. Sends what waits, then handles at most REQUESTS_PER_EVENT requests; if more are
   * there, goes on later by itself. Never throws for what the domain wrote.
   */
  onEvent(): void {
    if (this.#released) return;
    this.core.batch(() => {
      if (this.#reconnectWanted()) this.#reconnect();
      // A host hook called by a request may come back here; the outer call goes on with the ring then.
      else if (!this.#closed && !this.#busy) this.#serve();
      this.core.markDirty(this);
    });
  }

  /** Starts over with an empty ring, without watches, transactions or anything under way (INTRODUCE does that). */
  restart(ring: RingPage): void {
    this.#ring = ring;
    writeWord(ring.bytes, SERVER_FEATURES_AT, this.features);
    const wasWaiting = this.#reconnectWanted();
    this.#reconnect();
    this.#kick = wasWaiting;
    this.core.markDirty(this);
  }

  /** Ends the connection for good. */
  release(): void {
    this.#forget();
    this.#released = true;
    this.core.leave(this);
  }

  override queueEvent(path: string, token: string): void {
    if (this.#closed || this.#released) return;
    const payload = joinStrings([path, token]);
    if (payload.length > XENSTORE_PAYLOAD_MAX) return; // xenstored sends no such event either
    const eventKey = path.startsWith("@") ? undefined : `${path}\0${token}`;
    if (eventKey !== undefined && this.#eventKeys.has(eventKey)) return;
    const bytes = encodeMessage({ type: XS_WATCH_EVENT, reqId: 0, txId: 0, payload });
    // A domain that doesn't take its events loses the newest instead of filling our memory.
    const held = this.core.memory(this.domid) + bytes.length;
    if (!this.privileged && exceeds(held, this.core.quota(this.domid, "memory"))) return;
    if (eventKey !== undefined) this.#eventKeys.add(eventKey);
    this.#enqueue({ bytes, eventKey, isReply: false });
  }

  override flush(): void {
    if (this.#released) return;
    if (!this.#closed) this.#send();
    if (!this.#kick) return;
    this.#kick = false;
    this.#ring.notify();
  }

  saveConnection(): RingConnectionState {
    const output = this.#queue.map(({ bytes, isReply }, i) => ({
      bytes: i === 0 ? bytes.slice(this.#written) : bytes,
      isReply,
    }));
    return {
      session: this.saveSession(),
      features: this.features,
      closed: this.#closed,
      target: this.target,
      input: this.#reader.toBytes(),
      output,
    };
  }

  restoreConnection(state: RingConnectionState): void {
    this.restoreSession(state.session);
    this.#closed = state.closed;
    this.target = state.target;
    for (let at = 0; at < state.input.length; ) {
      const piece = state.input.subarray(at, at + this.#reader.wanted);
      this.#reader.push(piece);
      at += piece.length;
    }
    for (const { bytes, isReply } of state.output) this.#enqueue({ bytes, eventKey: undefined, isReply });
  }

  #serve(): void {
    this.#busy = true;
    try {
      this.#send();
      for (let handled = 0; !this.#closed && this.#mayRead(); ) {
        if (handled === REQUESTS_PER_EVENT) {
          this.#continueLater();
          return;
        }
        const bytes = takeBytes(this.#ring.bytes, REQUESTS, this.#reader.wanted);
        if (bytes === undefined) {
          this.#close(XENSTORE_ERROR_RINGIDX);
          return;
        }
        if (bytes.length === 0) return;
        this.#kick = true; // the domain may be waiting for room
        const request = this.#reader.push(bytes);
        if (request === "tooLong") {
          this.#close(XENSTORE_ERROR_PROTO);
          return;
        }
        if (request === undefined) continue;
        handled++;
        const { reply, after } = this.#service.answer(this, request);
        this.#enqueue({ bytes: encodeMessage(reply), eventKey: undefined, isReply: true });
        after?.();
        this.#send();
      }
    } finally {
      this.#busy = false;
    }
  }

  /** Requests wait while the domain doesn't take its replies, or holds too much memory. */
  #mayRead(): boolean {
    if (this.privileged) return true;
    const outstanding = this.core.quota(this.domid, "outstanding");
    const memory = this.core.quota(this.domid, "memory");
    return !exceeds(this.#replies + 1, outstanding) && !exceeds(this.core.memory(this.domid), memory);
  }

  #continueLater(): void {
    if (this.#deferred || waitingBytes(this.#ring.bytes, REQUESTS) === 0) return;
    this.#deferred = true;
    this.#service.defer(() => {
      this.#deferred = false;
      this.onEvent();
    });
  }

  #enqueue(message: Outgoing): void {
    this.#queue.push(message);
    this.#queued += message.bytes.length;
    if (message.isReply) this.#replies++;
    this.core.markDirty(this);
  }

  #send(): void {
    let sent = 0;
    while (sent < this.#queue.length) {
      const message = this.#queue[sent];
      const count = putBytes(this.#ring.bytes, RESPONSES, message.bytes.subarray(this.#written));
      if (count < 0) {
        this.#close(XENSTORE_ERROR_RINGIDX);
        return;
      }
      if (count > 0) this.#kick = true;
      this.#written += count;
      if (this.#written < message.bytes.length) break;
      this.#written = 0;
      this.#queued -= message.bytes.length;
      if (message.isReply) this.#replies--;
      if (message.eventKey !== undefined) this.#eventKeys.delete(message.eventKey);
      sent++;
    }
    if (sent > 0) this.#queue = this.#queue.slice(sent);
  }

  #close(error: number): void {
    this.#forget();
    this.#closed = true;
    if (this.features & XENSTORE_SERVER_FEATURE_ERROR) writeWord(this.#ring.bytes, ERROR_AT, error);
    this.#service.closed(this.domid, error);
  }

  #reconnectWanted(): boolean {
    if (!(this.features & XENSTORE_SERVER_FEATURE_RECONNECTION)) return false;
    return readWord(this.#ring.bytes, CONNECTION_AT) === XENSTORE_RECONNECT;
  }

  #reconnect(): void {
    this.#forget();
    this.#closed = false;
    const page = this.#ring.bytes;
    for (const { consumerAt, producerAt } of [REQUESTS, RESPONSES]) {
      writeWord(page, consumerAt, 0);
      writeWord(page, producerAt, 0);
    }
    writeWord(page, ERROR_AT, XENSTORE_ERROR_NONE);
    writeWord(page, CONNECTION_AT, XENSTORE_CONNECTED);
    this.#kick = true;
  }

  #forget(): void {
    this.reset();
    this.#reader.reset();
    this.#queue = [];
    this.#written = 0;
    this.#queued = 0;
    this.#replies = 0;
    this.#eventKeys.clear();
  }
}
