import { ETHERNET_HEADER_BYTES, EtherType, GsoType, type Packet, VLAN_TAG_BYTES } from "@xen-node/packets";
import type { FrontendFeatures } from "./frontend-nodes.ts";
import { slotsOf } from "./receive-queue.ts";

const PAGE_BYTES = 4096;
/** Ethernet, a VLAN tag, and IP and TCP with all their options. */
const MOST_HEADER_BYTES = ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + 60 + 60;

const word = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1];
const isTagged = (bytes: Uint8Array): boolean => word(bytes, 12) === EtherType.vlan;

/** Whether the frontend takes the packet as it is; otherwise its checksum is to be completed or it is to be cut. */
export function fitsWhole({ bytes, checksumBlank, gsoType }: Packet, features: FrontendFeatures): boolean {
  if (gsoType !== GsoType.none) {
    if (gsoType === GsoType.tcpv4) return features.gsoTcpv4;
    return gsoType === GsoType.tcpv6 && features.gsoTcpv6;
  }
  if (!checksumBlank || (features.checksum4 && features.checksum6)) return true;
  const etherType = word(bytes, isTagged(bytes) ? 12 + VLAN_TAG_BYTES : 12);
  return etherType === EtherType.ipv4 ? features.checksum4 : etherType === EtherType.ipv6 && features.checksum6;
}

/** Slots for what a packet will be cut into, without cutting it: not fewer than it takes. */
export function slotsWhenCut(packet: Packet): number {
  if (packet.gsoType === GsoType.none) return slotsOf(packet);
  const { bytes, gsoSize } = packet;
  return Math.ceil(bytes.length / gsoSize) * Math.ceil((gsoSize + MOST_HEADER_BYTES) / PAGE_BYTES);
}

/** Whether a frame, one that isn't to be cut, is longer than the link or the frontend takes. */
export function isTooLong(bytes: Uint8Array, mtu: number, features: FrontendFeatures): boolean {
  const headerBytes = ETHERNET_HEADER_BYTES + (isTagged(bytes) ? VLAN_TAG_BYTES : 0);
  return bytes.length > mtu + headerBytes || (!features.sg && bytes.length > PAGE_BYTES);
}
