// ARP, RFC 826, for IPv4 over Ethernet.

import { ARP_BYTES, ETHERNET_HEADER_BYTES, EtherType, plainPacket, sameBytes } from "@xen-node/packets";
import { type AddressPlan, isGuestAddress } from "./address-plan.ts";
import { get16, put16 } from "./big-endian.ts";
import type { GuestLink } from "./guest-link.ts";
import { writeEthernetHeader } from "./ip-output.ts";
import type { Neighbors } from "./neighbors.ts";

const REQUEST = 1;
const REPLY = 2;
const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);
const NOBODY = new Uint8Array(6);

/** Answers for the gateway and the DNS server, and learns from what guests say. */
export function receiveArp(bytes: Uint8Array, plan: AddressPlan, link: GuestLink, neighbors: Neighbors): void {
  const at = ETHERNET_HEADER_BYTES;
  if (bytes.length < at + ARP_BYTES) return;
  if (get16(bytes, at) !== 1 || get16(bytes, at + 2) !== EtherType.ipv4 || get16(bytes, at + 4) !== 0x0604) return;
  const operation = get16(bytes, at + 6);
  const senderMac = bytes.slice(at + 8, at + 14);
  const senderIp = bytes.slice(at + 14, at + 18);
  const targetIp = bytes.slice(at + 24, at + 28);
  if (!sameBytes(senderMac, 0, bytes, 6, 6)) return;
  const known = isGuestAddress(plan, senderIp);
  if (known) neighbors.learn(senderIp, senderMac);
  const own = sameBytes(targetIp, 0, plan.gateway4, 0, 4) || sameBytes(targetIp, 0, plan.dns4, 0, 4);
  // A sender of 0.0.0.0 probes whether the address is free (RFC 5227): ours is not.
  if (operation !== REQUEST || !own || !(known || senderIp.every((byte) => byte === 0))) return;
  link.sendOrQueue(plainPacket(arpFrame(REPLY, plan.mac, targetIp, senderMac, senderIp)));
}

export function sendArpRequest(address: Uint8Array, plan: AddressPlan, link: GuestLink): void {
  link.sendOrQueue(plainPacket(arpFrame(REQUEST, plan.mac, plan.gateway4, undefined, address)));
}

function arpFrame(
  operation: number,
  senderMac: Uint8Array,
  senderIp: Uint8Array,
  targetMac: Uint8Array | undefined,
  targetIp: Uint8Array,
): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + ARP_BYTES);
  writeEthernetHeader(frame, targetMac ?? BROADCAST, senderMac, EtherType.arp);
  const at = ETHERNET_HEADER_BYTES;
  put16(frame, at, 1);
  put16(frame, at + 2, EtherType.ipv4);
  put16(frame, at + 4, 0x0604); // lengths of both kinds of address
  put16(frame, at + 6, operation);
  frame.set(senderMac, at + 8);
  frame.set(senderIp, at + 14);
  frame.set(targetMac ?? NOBODY, at + 18);
  frame.set(targetIp, at + 24);
  return frame;
}
