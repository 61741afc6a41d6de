import type { FrameReader } from "@xen-node/packets";

/** Source and destination of a read frame, as copies. */
export function addressesOf(frame: FrameReader): [Uint8Array, Uint8Array] {
  const { bytes, network } = frame;
  return frame.ipVersion === 4
    ? [bytes.slice(network + 12, network + 16), bytes.slice(network + 16, network + 20)]
    : [bytes.slice(network + 8, network + 24), bytes.slice(network + 24, network + 40)];
}
