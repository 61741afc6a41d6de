import type { FrameReader } from "@xen-node/packets";

const mix = (hash: number, word: number): number => Math.imul(hash ^ word, 0x9e3779b1) ^ (hash >>> 15);

function endpoint(bytes: Uint8Array, offset: number, length: number, port: number): number {
  let hash = mix(0x811c9dc5, port);
  for (let i = 0; i < length; i += 2) hash = mix(hash, (bytes[offset + i] << 8) | bytes[offset + i + 1]);
  return hash;
}

/**
 * A 32-bit hash of a frame's addresses, protocol and ports, the same in both directions of a flow. Fragments of a datagram
 * hash by addresses alone, since only the first has ports. What is not IP hashes to 0.
 */
export function flowHash(frame: FrameReader): number {
  const { bytes, network, ipVersion, fragment } = frame;
  if (ipVersion === 0) return 0;
  const source = ipVersion === 4 ? network + 12 : network + 8;
  const length = ipVersion === 4 ? 4 : 16;
  const a = endpoint(bytes, source, length, fragment ? 0 : frame.sourcePort);
  const b = endpoint(bytes, source + length, length, fragment ? 0 : frame.destinationPort);
  const hash = mix((a + b) | 0, frame.protocol);
  return (hash ^ (hash >>> 16)) >>> 0;
}
