// A guest of twenty lines: asks for an address by DHCP, and prints what it is given.
import { completeChecksum, formatIpv4, plainPacket } from "@xen-node/packets";
import { UserNet } from "@xen-node/user-net";

const net = new UserNet({ send: receive, subnet: "10.0.2.0/24", dnsServers: [] });

const frame = new Uint8Array(14 + 20 + 8 + 244);
frame.fill(0xff, 0, 6); // to everybody
frame.set([0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 0], 6); // from our MAC address, IPv4
frame.set([0x45, 0, 1, 16, 0, 0, 0, 0, 64, 17, 0x79, 0xde, 0, 0, 0, 0, 255, 255, 255, 255], 14); // the IP header
frame.set([0, 68, 0, 67, 0, 252], 34); // UDP, from port 68 to 67
frame.set([1, 1, 6, 0, 1, 2, 3, 4], 42); // a DHCP request over Ethernet, transaction 01020304
frame.set(frame.subarray(6, 12), 70); // our MAC address once more
frame.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255], 278); // the options: DHCPDISCOVER
completeChecksum(frame);
net.receive(plainPacket(frame));
net.close();

function receive({ bytes }: { bytes: Uint8Array }): boolean {
  console.log(`${formatIpv4(bytes, 26)} offers ${formatIpv4(bytes, 58)}`);
  return true;
}
