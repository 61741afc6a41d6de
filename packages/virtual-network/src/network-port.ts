import type { Packet } from "@xen-node/packets";

/** Where a device (a guest's network card, an uplink, a NAT) is plugged into a network. */
export interface NetworkPort {
  /** The device has packets to send: the port calls `onTransmit` soon, in turn with other ports (round-robin, a budget each). */
  requestTransmit(): void;
  /** Set by the device: takes at most `budget` packets out of its own queue, hands each to `send`, returns whether more wait. */
  onTransmit: ((budget: number) => boolean) | undefined;
  /**
   * A packet from the device into the network. The bytes are read before the call returns. False: nobody had room for it
   * (it counts as dropped unless the device keeps it and sends it again); true: delivered, or dropped by a rule, or nobody
   * to deliver to. Also allowed outside of `onTransmit`.
   */
  send(packet: Packet): boolean;
  /** Set by the device: takes a packet from the network (copying what it keeps). False: no room now. */
  onReceive: ((packet: Packet) => boolean) | undefined;
  /** Set by the device: a run of `onReceive` calls is over (one notification to the guest for many packets). */
  onReceiveEnd: (() => void) | undefined;
  /** The device refused packets and has room again. */
  receiveReady(): void;
  /** Set by the device: somebody who refused its packets has room again. */
  onSendReady: (() => void) | undefined;
}
