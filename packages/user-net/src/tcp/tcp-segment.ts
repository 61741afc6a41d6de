import type { FrameReader } from "@xen-node/packets";
import { get16, get32 } from "../big-endian.ts";

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;

/** A TCP header taken apart (RFC 9293, 3.1). One object is read into again and again. */
export class TcpSegment {
  bytes: Uint8Array = new Uint8Array(0);
  sequence = 0;
  acknowledgment = 0;
  /** TcpFlag bits. */
  flags = 0;
  /** As in the header, unscaled. */
  window = 0;
  /** Where the payload lies in `bytes`. */
  payload = 0;
  length = 0;
  /** From the options; 0: not there. */
  mss = 0;
  /** From the options; -1: not there. */
  windowScale = -1;

  /** `frame` has a whole TCP header. Options are read on demand, by `readOptions`. */
  read(frame: FrameReader): void {
    const { bytes, transport } = frame;
    this.bytes = bytes;
    this.sequence = get32(bytes, transport + 4);
    this.acknowledgment = get32(bytes, transport + 8);
    this.flags = bytes[transport + 13];
    this.window = get16(bytes, transport + 14);
    this.payload = frame.payload;
    this.length = frame.end - frame.payload;
    this.mss = 0;
    this.windowScale = -1;
  }

  /** Reads what a SYN may say. */
  readOptions(frame: FrameReader): void {
    const { bytes } = frame;
    let at = frame.transport + 20;
    while (at < frame.payload) {
      const kind = bytes[at];
      if (kind === OPTION_END) return;
      if (kind === OPTION_NOP) {
        at++;
        continue;
      }
      if (at + 2 > frame.payload) return;
      const length = bytes[at + 1];
      if (length < 2 || at + length > frame.payload) return;
      if (kind === OPTION_MSS && length === 4) this.mss = get16(bytes, at + 2);
      if (kind === OPTION_WINDOW_SCALE && length === 3) this.windowScale = Math.min(14, bytes[at + 2]);
      at += length;
    }
  }
}

/** The options of our SYN: MSS, and a window scale unless the guest offered none. Whole words. */
export function synOptions(mss: number, windowScale: number): Uint8Array {
  const options = [OPTION_MSS, 4, mss >>> 8, mss & 0xff];
  if (windowScale >= 0) options.push(OPTION_NOP, OPTION_WINDOW_SCALE, 3, windowScale);
  return Uint8Array.from(options);
}
