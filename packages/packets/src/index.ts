export {
  formatIpv4,
  formatIpv6,
  formatMac,
  isGroupAddress,
  parseIpv4,
  parseIpv6,
  parseMac,
  sameBytes,
} from "./addresses.ts";
export { checksumOf, foldSum, pseudoHeaderSum4, pseudoHeaderSum6, sumBytes } from "./checksum.ts";
export { FrameReader } from "./frame-reader.ts";
export * from "./numbers.ts";
export { completeChecksum, framesOf, transportChecksumHolds } from "./offloads.ts";
export { copyPacket, GsoType, type Packet, plainPacket } from "./packet.ts";
