// The byte format of xen/include/public/io/xs_wire.h: a 16-byte header (type, req_id, tx_id, len), then the payload.

import { structs, XENSTORE_PAYLOAD_MAX } from "@xen-node/xen-abi";

const header = structs.xsd_sockmsg;

/** Bytes of a message's header. */
export const HEADER_BYTES = header.size;

/** A request, reply or watch event. */
export interface Message {
  readonly type: number;
  readonly reqId: number;
  readonly txId: number;
  readonly payload: Uint8Array;
}

/** Header and payload in one piece. */
export function encodeMessage({ type, reqId, txId, payload }: Message): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(header.offsets.type, type, true);
  view.setUint32(header.offsets.req_id, reqId, true);
  view.setUint32(header.offsets.tx_id, txId, true);
  view.setUint32(header.offsets.len, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Puts messages together from a byte stream that may be cut anywhere. */
export class MessageReader {
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #payload: Uint8Array | undefined;
  #payloadBytes = 0;

  /** Bytes that may be pushed next: never more than what the present header or payload lacks, and at least 1. */
  get wanted(): number {
    return this.#payload ? this.#payload.length - this.#payloadBytes : HEADER_BYTES - this.#headerBytes;
  }

  /** Whether part of a message is here. */
  get partial(): boolean {
    return this.#headerBytes > 0;
  }

  /**
   * Adds at most `wanted` bytes. Returns the message they complete, undefined if none is complete yet, or "tooLong" for a
   * header that announces more than XENSTORE_PAYLOAD_MAX; nothing can be read from the stream after that.
   */
  push(bytes: Uint8Array): Message | "tooLong" | undefined {
    if (this.#payload === undefined) {
      this.#header.set(bytes, this.#headerBytes);
      this.#headerBytes += bytes.length;
      if (this.#headerBytes < HEADER_BYTES) return undefined;
      const length = this.#field(header.offsets.len);
      if (length > XENSTORE_PAYLOAD_MAX) return "tooLong";
      if (length === 0) return this.#take(new Uint8Array(0));
      this.#payload = new Uint8Array(length);
      return undefined;
    }
    this.#payload.set(bytes, this.#payloadBytes);
    this.#payloadBytes += bytes.length;
    return this.#payloadBytes === this.#payload.length ? this.#take(this.#payload) : undefined;
  }

  /** Forgets what has come of a message. */
  reset(): void {
    this.#headerBytes = 0;
    this.#payload = undefined;
    this.#payloadBytes = 0;
  }

  /** A copy of what has come of a message, to be pushed into another reader. */
  toBytes(): Uint8Array {
    const payload = this.#payload?.subarray(0, this.#payloadBytes) ?? new Uint8Array(0);
    const bytes = new Uint8Array(this.#headerBytes + payload.length);
    bytes.set(this.#header.subarray(0, this.#headerBytes));
    bytes.set(payload, this.#headerBytes);
    return bytes;
  }

  #take(payload: Uint8Array): Message {
    const { type, req_id, tx_id } = header.offsets;
    const message = { type: this.#field(type), reqId: this.#field(req_id), txId: this.#field(tx_id), payload };
    this.reset();
    return message;
  }

  #field(at: number): number {
    return new DataView(this.#header.buffer).getUint32(at, true);
  }
}

/** Text of bytes, one character a byte: paths, tokens and numbers of the protocol, which must come back as they were. */
export function bytesToText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** The reverse of `bytesToText`. */
export function textToBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** The NUL-terminated strings of a payload; what follows the last NUL is left out. */
export function splitStrings(payload: Uint8Array): string[] {
  const parts = bytesToText(payload).split("\0");
  parts.pop();
  return parts;
}

/** Payload of NUL-terminated strings. */
export const joinStrings = (strings: readonly string[]): Uint8Array =>
  textToBytes(strings.map((s) => `${s}\0`).join(""));

/** The only string of a payload that is exactly one NUL-terminated string. */
export function onlyString(payload: Uint8Array): string | undefined {
  return payload.length > 0 && payload.indexOf(0) === payload.length - 1
    ? bytesToText(payload.subarray(0, -1))
    : undefined;
}
