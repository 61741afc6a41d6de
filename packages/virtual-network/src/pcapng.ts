// The pcapng file format (draft-ietf-opsawg-pcapng), as far as one Ethernet interface needs it. Little-endian.

const BlockType = { section: 0x0a0d0d0a, interface: 1, enhancedPacket: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const Option = {
  end: 0,
  interfaceName: 2,
  interfaceTimestampResolution: 9,
  packetFlags: 2,
  packetDropCount: 4,
} as const;
/** Timestamps are in units of 10^-9 s. */
const NANOSECONDS = 9;

/** Bits 0 and 1 of a packet's flags. */
export const PcapngDirection = { inbound: 1, outbound: 2 } as const;

const padded = (bytes: number): number => (bytes + 3) & ~3;

/** A block is filled in one pass: total length at both ends, options with code, length and padding. */
class BlockWriter {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 8;

  constructor(type: number, bodyBytes: number) {
    const total = 12 + bodyBytes;
    this.bytes = new Uint8Array(total);
    this.view = new DataView(this.bytes.buffer);
    this.view.setUint32(0, type, true);
    this.view.setUint32(4, total, true);
    this.view.setUint32(total - 4, total, true);
  }

  put16(value: number): void {
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  put32(value: number): void {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  putBytes(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += padded(bytes.length);
  }

  putOption(code: number, value: Uint8Array): void {
    this.put16(code);
    this.put16(value.length);
    this.putBytes(value);
  }
}

/** What a file begins with: a section and the description of its one interface. `snapLength` 0: packets are whole. */
export function pcapngHeader(interfaceName: string, snapLength: number): Uint8Array {
  const section = new BlockWriter(BlockType.section, 16);
  section.put32(BYTE_ORDER_MAGIC);
  section.put16(1);
  section.put16(0);
  // The section's length isn't known.
  section.put32(0xffffffff);
  section.put32(0xffffffff);
  const name = new TextEncoder().encode(interfaceName);
  const description = new BlockWriter(BlockType.interface, 8 + 4 + padded(name.length) + 8 + 4);
  description.put16(LINKTYPE_ETHERNET);
  description.put16(0);
  description.put32(snapLength);
  description.putOption(Option.interfaceName, name);
  description.putOption(Option.interfaceTimestampResolution, Uint8Array.of(NANOSECONDS));
  description.put32(Option.end);
  const header = new Uint8Array(section.bytes.length + description.bytes.length);
  header.set(section.bytes);
  header.set(description.bytes, section.bytes.length);
  return header;
}

/** One packet of a capture. */
export interface PcapngPacket {
  /** The captured bytes, perhaps fewer than the packet has. */
  readonly bytes: Uint8Array;
  readonly originalLength: number;
  /** Nanoseconds since 1970, in two halves of 32 bits. */
  readonly timestampHigh: number;
  readonly timestampLow: number;
  /** One of PcapngDirection; undefined: not said. */
  readonly direction: number | undefined;
  /** Packets lost between the one before and this one. */
  readonly lostBefore: number;
}

/** An enhanced packet block. */
export function pcapngPacket(packet: PcapngPacket): Uint8Array {
  const hasFlags = packet.direction !== undefined;
  const hasLost = packet.lostBefore > 0;
  const optionBytes = hasFlags || hasLost ? (hasFlags ? 8 : 0) + (hasLost ? 12 : 0) + 4 : 0;
  const block = new BlockWriter(BlockType.enhancedPacket, 20 + padded(packet.bytes.length) + optionBytes);
  block.put32(0);
  block.put32(packet.timestampHigh);
  block.put32(packet.timestampLow);
  block.put32(packet.bytes.length);
  block.put32(packet.originalLength);
  block.putBytes(packet.bytes);
  if (packet.direction !== undefined) {
    block.put16(Option.packetFlags);
    block.put16(4);
    block.put32(packet.direction);
  }
  if (hasLost) {
    block.put16(Option.packetDropCount);
    block.put16(8);
    block.put32(packet.lostBefore % 2 ** 32);
    block.put32(Math.floor(packet.lostBefore / 2 ** 32));
  }
  if (optionBytes > 0) block.put32(Option.end);
  return block.bytes;
}
