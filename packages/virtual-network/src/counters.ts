import { DROP_REASON_NAMES, type DropReasonName } from "./drop-reasons.ts";

/** One direction of a port. */
export interface DirectionCounters {
  /** Packets that went through, and their bytes. A large TCP segment is one packet. */
  readonly packets: number;
  readonly bytes: number;
  /** Packets that did not, by reason; reasons that never came up are left out. */
  readonly drops: Readonly<Partial<Record<DropReasonName, number>>>;
}

/** Counters of a port, from its device's view. */
export interface PortCounters {
  /** Sent by the device. */
  readonly out: DirectionCounters;
  /** Received by the device. */
  readonly in: DirectionCounters;
  /** Times that a packet of the device was refused, because its receiver had no room. The device may have sent it again. */
  readonly refused: number;
  /** Times that a packet of the device was refused because the port's rate was reached. */
  readonly rateLimited: number;
  /** IP flows that the device began to send; one that paused while many others went on may count again. */
  readonly flows: number;
  /** Multicast packets that its filter kept away. */
  readonly filtered: number;
}

/** The numbers behind `DirectionCounters`. */
export class Tally {
  packets = 0;
  bytes = 0;
  readonly drops = new Float64Array(DROP_REASON_NAMES.length);

  count(bytes: number): void {
    this.packets++;
    this.bytes += bytes;
  }

  snapshot(): DirectionCounters {
    const drops: Partial<Record<DropReasonName, number>> = {};
    for (const [reason, name] of DROP_REASON_NAMES.entries())
      if (this.drops[reason] > 0) drops[name] = this.drops[reason];
    return { packets: this.packets, bytes: this.bytes, drops };
  }
}
