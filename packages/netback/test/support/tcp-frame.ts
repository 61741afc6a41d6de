import { checksumOf, pseudoHeaderSum4, pseudoHeaderSum6, sumBytes } from "@xen-node/packets";

export interface TcpFrameOptions {
  payload: number;
  version?: 4 | 6;
  sourcePort?: number;
  destinationPort?: number;
  /** Last byte of the source address; the destination's is 2. */
  source?: number;
  destination?: number;
  vlan?: boolean;
}

/** An Ethernet frame with a TCP segment, its checksum field holding the sum over the pseudo-header. */
export function blankableTcp(options: TcpFrameOptions): Uint8Array {
  const { payload, version = 4, sourcePort = 40000, destinationPort = 80, source = 1, destination = 2 } = options;
  const ip = options.vlan ? 18 : 14;
  const ipBytes = version === 4 ? 20 : 40;
  const at = ip + ipBytes;
  const bytes = new Uint8Array(at + 20 + payload);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0x16, 0x3e, 1, 2, 3, 0x52, 0x54, 0, 9, 9, 9]);
  if (options.vlan) view.setUint32(12, 0x81000005);
  view.setUint16(ip - 2, version === 4 ? 0x0800 : 0x86dd);
  if (version === 4) {
    view.setUint16(ip, 0x4500);
    view.setUint16(ip + 2, 40 + payload);
    view.setUint16(ip + 8, 0x4006);
    bytes.set([192, 0, 2, source, 192, 0, 2, destination], ip + 12);
    view.setUint16(ip + 10, checksumOf(sumBytes(bytes, ip, 20)));
  } else {
    view.setUint32(ip, 0x60000000);
    view.setUint16(ip + 4, 20 + payload);
    view.setUint16(ip + 6, 0x0640);
    bytes.set([0x20, 1, 0xd, 0xb8], ip + 8);
    bytes[ip + 23] = source;
    bytes.set([0x20, 1, 0xd, 0xb8], ip + 24);
    bytes[ip + 39] = destination;
  }
  view.setUint16(at, sourcePort);
  view.setUint16(at + 2, destinationPort);
  view.setUint32(at + 4, 1000);
  bytes[at + 12] = 0x50;
  bytes[at + 13] = 0x18;
  for (let i = 0; i < payload; i++) bytes[at + 20 + i] = (i * 7 + (i >>> 8)) & 0xff;
  const length = 20 + payload;
  const sum = version === 4 ? pseudoHeaderSum4(bytes, ip, 6, length) : pseudoHeaderSum6(bytes, ip, 6, length);
  view.setUint16(at + 16, sum);
  return bytes;
}
