// Puts datagrams together from fragments: RFC 791, 3.2, and RFC 8200, 4.5, with overlaps refused as RFC 5722 asks.

import {
  checksumOf,
  ETHERNET_HEADER_BYTES,
  type FrameReader,
  IPV6_HEADER_BYTES,
  IpProtocol,
  sumBytes,
} from "@xen-node/packets";
import { get16, get32, put16 } from "./big-endian.ts";
import { NS_PER_SECOND, type Timer, type TimerQueue } from "./timers.ts";

const TIMEOUT_NS = 15 * NS_PER_SECOND;
/** Fragments of a datagram: one of 64 KiB over an MTU of 576 has 120. */
const MOST_FRAGMENTS = 128;

interface Piece {
  offset: number;
  bytes: Uint8Array;
}

interface Assembly {
  pieces: Piece[];
  received: number;
  /** Length of the whole payload, -1 until the last fragment has come. */
  total: number;
  /** The first fragment's headers without the fragment header; undefined until it has come. */
  header: Uint8Array | undefined;
  deadlineNs: number;
  /** An overlap was seen: the rest of it is dropped as well. */
  bad: boolean;
}

export class IpReassembly {
  readonly #limit: number;
  readonly #timers: TimerQueue;
  readonly #timer: Timer;
  readonly #assemblies = new Map<string, Assembly>();

  /** `limit`: datagrams under way; the oldest goes for a new one. */
  constructor(timers: TimerQueue, limit: number) {
    this.#limit = limit;
    this.#timers = timers;
    this.#timer = timers.timer(() => this.#expire());
  }

  get pending(): number {
    return this.#assemblies.size;
  }

  /** Takes a fragment; returns the whole frame when it was the last one missing. */
  add(frame: FrameReader): Uint8Array | undefined {
    const { bytes, network, end } = frame;
    const v4 = frame.ipVersion === 4;
    const fragmentHeader = v4 ? network : fragmentHeaderOf(frame);
    if (fragmentHeader === 0) return undefined;
    const payloadAt = v4 ? network + (bytes[network] & 15) * 4 : fragmentHeader + 8;
    const field = v4 ? get16(bytes, network + 6) : get16(bytes, fragmentHeader + 2);
    const offset = v4 ? (field & 0x1fff) * 8 : field & 0xfff8;
    const more = v4 ? (field & 0x2000) !== 0 : (field & 1) !== 0;
    const length = end - payloadAt;
    if (length <= 0 || (more && length % 8 !== 0) || offset + length > 65535) return undefined;

    const key = v4
      ? `${get32(bytes, network + 12)} ${get32(bytes, network + 16)} ${bytes[network + 9]} ${get16(bytes, network + 4)}`
      : `${Buffer.from(bytes.subarray(network + 8, network + 40)).toString("hex")} ${get32(bytes, fragmentHeader + 4)}`;
    const assembly = this.#assemblies.get(key) ?? this.#start(key);
    if (assembly.bad) return undefined;
    if (!place(assembly, offset, bytes.subarray(payloadAt, end), more)) {
      assembly.bad = true;
      assembly.pieces = [];
      assembly.header = undefined;
      return undefined;
    }
    if (offset === 0) assembly.header = v4 ? bytes.slice(0, payloadAt) : header6(frame, fragmentHeader);
    if (assembly.received !== assembly.total || assembly.header === undefined) return undefined;
    this.#assemblies.delete(key);
    return wholeFrame(assembly, assembly.header, v4, network);
  }

  close(): void {
    this.#assemblies.clear();
    this.#timer.dispose();
  }

  #start(key: string): Assembly {
    if (this.#assemblies.size >= this.#limit) {
      const [oldest] = this.#assemblies.keys();
      this.#assemblies.delete(oldest);
    }
    const deadlineNs = this.#timers.nowNs() + TIMEOUT_NS;
    const assembly = { pieces: [], received: 0, total: -1, header: undefined, deadlineNs, bad: false };
    this.#assemblies.set(key, assembly);
    if (!this.#timer.armed) this.#timer.arm(TIMEOUT_NS);
    return assembly;
  }

  #expire(): void {
    const now = this.#timers.nowNs();
    for (const [key, assembly] of this.#assemblies) {
      if (assembly.deadlineNs > now) {
        this.#timer.arm(assembly.deadlineNs - now);
        break;
      }
      this.#assemblies.delete(key);
    }
  }
}

/** Files a piece; false: it overlaps, contradicts what came before, or is one too many. A repeated piece is fine. */
function place(assembly: Assembly, offset: number, bytes: Uint8Array, more: boolean): boolean {
  const end = offset + bytes.length;
  if (more ? assembly.total >= 0 && end > assembly.total : assembly.total >= 0 && assembly.total !== end) return false;
  const { pieces } = assembly;
  let index = pieces.length;
  while (index > 0 && pieces[index - 1].offset >= offset) index--;
  const same = pieces[index];
  if (same !== undefined && same.offset === offset && same.bytes.length === bytes.length) return true;
  if (index > 0 && pieces[index - 1].offset + pieces[index - 1].bytes.length > offset) return false;
  if (same !== undefined && same.offset < end) return false;
  if (!more) {
    if (index < pieces.length) return false;
    assembly.total = end;
  }
  if (pieces.length >= MOST_FRAGMENTS) return false;
  pieces.splice(index, 0, { offset, bytes: bytes.slice() });
  assembly.received += bytes.length;
  return true;
}

/** Offset of the IPv6 fragment header, 0 if it isn't whole. */
function fragmentHeaderOf(frame: FrameReader): number {
  const { bytes, network, end } = frame;
  let next = bytes[network + 6];
  let at = network + IPV6_HEADER_BYTES;
  for (let walked = 0; walked < 8 && at + 8 <= end; walked++) {
    if (next === IpProtocol.fragment) return at;
    next = bytes[at];
    at += (bytes[at + 1] + 1) * 8;
  }
  return 0;
}

/** Headers up to the fragment header, which the chain then leaves out. */
function header6(frame: FrameReader, fragmentHeader: number): Uint8Array {
  const { bytes, network } = frame;
  const header = bytes.slice(0, fragmentHeader);
  let nextAt = network + 6;
  let at = network + IPV6_HEADER_BYTES;
  while (at < fragmentHeader) {
    nextAt = at;
    at += (bytes[at + 1] + 1) * 8;
  }
  header[nextAt] = bytes[fragmentHeader];
  return header;
}

function wholeFrame(assembly: Assembly, header: Uint8Array, v4: boolean, network: number): Uint8Array | undefined {
  const ipHeader = header.length - network;
  const ipLength = v4 ? ipHeader + assembly.total : ipHeader - IPV6_HEADER_BYTES + assembly.total;
  if (ipLength > 65535 || network < ETHERNET_HEADER_BYTES) return undefined;
  const frame = new Uint8Array(header.length + assembly.total);
  frame.set(header);
  for (const piece of assembly.pieces) frame.set(piece.bytes, header.length + piece.offset);
  if (v4) {
    put16(frame, network + 2, ipLength);
    put16(frame, network + 6, 0);
    put16(frame, network + 10, 0);
    put16(frame, network + 10, checksumOf(sumBytes(frame, network, ipHeader)));
  } else put16(frame, network + 4, ipLength);
  return frame;
}
