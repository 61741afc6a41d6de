/** Why a packet was not delivered. Each port counts each reason, for what it sent and for what was on its way to it. */
export const DropReason = {
  /** Sent: shorter than an Ethernet header. */
  tooShort: 0,
  /** Sent: longer than any packet may be, GSO included. */
  tooLong: 1,
  /** Sent: the source is a group address. */
  invalidSource: 2,
  /** Sent: to 01:80:c2:00:00:00 to 0f, which no bridge forwards (IEEE 802.1Q, 8.6.3). */
  reservedDestination: 3,
  /** Either: headers that cannot be read, on a port that checks addresses or has rules. */
  malformed: 4,
  /** Sent: another source MAC address than the port's. */
  spoofedMac: 5,
  /** Sent: ARP (or a neighbour advertisement) that speaks for another address. */
  spoofedArp: 6,
  /** Sent: an IP source address that isn't the port's. */
  spoofedIp: 7,
  /** Sent: DHCP in the server's role. */
  dhcpServer: 8,
  /** Sent: an IPv6 router advertisement or redirect. */
  routerAdvertisement: 9,
  /** Either: a rule or the policy said so. */
  firewall: 10,
  /** Sent: the port that a rule redirects to does not exist, or is the sender. */
  redirect: 11,
  /** Sent: devices that answer each other in the same call, too deeply. */
  nested: 12,
  /** Either: the port's carrier is off or no device is there. */
  noCarrier: 13,
  /** Received: no room, and the packet had other receivers or its sender does not wait. */
  noRoom: 14,
  /** Received: no room for longer than the switch lets others wait. */
  stalled: 15,
} as const;

export type DropReasonName = keyof typeof DropReason;

export const DROP_REASON_NAMES = Object.keys(DropReason) as DropReasonName[];
