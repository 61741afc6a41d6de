import type { Packet } from "@xen-node/packets";

/** Where a device is plugged into a network: a port of a switch. The network sets nothing here, the device all handlers. */
export interface NetworkPort {
  /** The device has packets to send: the port calls `onTransmit` soon, in turn with other ports, with a budget for each. */
  requestTransmit(): void;
  /** Takes at most `budget` packets out of the device's queue, hands each to `send`, returns whether more wait. */
  onTransmit: ((budget: number) => boolean) | undefined;
  /**
   * A packet from the device into the network. The bytes are read before the call returns. False: nobody had room for it,
   * and it is lost unless the device sends it again later. True: delivered, dropped by a rule, or there is nobody to
   * deliver it to.
   */
  send(packet: Packet): boolean;
  /** Takes a packet from the network, copying what it keeps. False: no room now. */
  onReceive: ((packet: Packet) => boolean) | undefined;
  /** A run of `onReceive` calls is over. */
  onReceiveEnd: (() => void) | undefined;
  /** The device refused packets and has room again. */
  receiveReady(): void;
  /** Somebody who refused the device's packets has room again. */
  onSendReady: (() => void) | undefined;
  /** Frames to other group addresses than these (6 bytes each), broadcast aside, need not be delivered; undefined: all are. */
  setMulticastFilter?(addresses: readonly Uint8Array[] | undefined): void;
  /** Whether anybody listens at the device's end. */
  setCarrier?(up: boolean): void;
}
