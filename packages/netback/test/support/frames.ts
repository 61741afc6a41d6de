import { createHash } from "node:crypto";
import { completeChecksum, GsoType, type Packet, plainPacket } from "@xen-node/packets";
import { blankableTcp, type TcpFrameOptions } from "./tcp-frame.ts";

export const MAC = Uint8Array.of(0x00, 0x16, 0x3e, 1, 2, 3);
const PEER = Uint8Array.of(0x52, 0x54, 0, 9, 9, 9);

/** A frame of an experimental EtherType with bytes that tell where they stand. */
export function rawFrame(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed) & 0xff;
  bytes.set(MAC.subarray(0, Math.min(6, length)));
  if (length >= 14) {
    bytes.set(PEER, 6);
    bytes.set([0x88, 0xb5], 12);
  }
  return bytes;
}

export const raw = (length: number, seed = 1): Packet => plainPacket(rawFrame(length, seed));

/** A TCP frame whose checksum is complete. */
export function tcp(options: TcpFrameOptions): Packet {
  const bytes = blankableTcp(options);
  completeChecksum(bytes);
  return plainPacket(bytes, true);
}

/** A TCP frame whose checksum field holds the sum over the pseudo-header alone. */
export const blankTcp = (options: TcpFrameOptions): Packet => ({
  bytes: blankableTcp(options),
  checksumBlank: true,
  checksumValid: true,
  gsoType: GsoType.none,
  gsoSize: 0,
});

/** A large segment, to be cut into `gsoSize` bytes of payload each. */
export const gsoTcp = (options: TcpFrameOptions, gsoSize = 1448): Packet => ({
  ...blankTcp(options),
  gsoType: (options.version ?? 4) === 4 ? GsoType.tcpv4 : GsoType.tcpv6,
  gsoSize,
});

/** A packet as one line, for comparing many: vitest compares bytes one by one, slowly. */
export const digest = (packet: Packet): string =>
  [
    packet.bytes.length,
    createHash("sha1").update(packet.bytes).digest("hex"),
    packet.checksumBlank,
    packet.checksumValid,
    packet.gsoType,
    packet.gsoSize,
  ].join(" ");

export const digests = (packets: readonly Packet[]): string[] => packets.map(digest);

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
