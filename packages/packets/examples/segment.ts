// A guest's large TCP packet, cut into the frames that a real link carries.
import { FrameReader, framesOf, GsoType, type Packet, transportChecksumHolds } from "@xen-node/packets";

const bytes = new Uint8Array(14 + 20 + 20 + 4000);
bytes.set([0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 0x08, 0x00]); // Ethernet: to, from, IPv4
bytes.set([0x45, 0, 0x0f, 0xc8, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 2, 15, 192, 0, 2, 7], 14); // IPv4, 4040 bytes, TCP
bytes.set([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10], 34); // TCP: port 40000 to 443, sequence 1
const packet: Packet = { bytes, checksumBlank: true, checksumValid: true, gsoType: GsoType.tcpv4, gsoSize: 1460 };

const reader = new FrameReader();
for (const frame of framesOf(packet) ?? []) {
  const { payload, end, destinationPort } = reader.read(frame);
  const checksum = transportChecksumHolds(frame) ? "right" : "wrong";
  process.stdout.write(`${end - payload} bytes to port ${destinationPort}, checksum ${checksum}\n`);
}
