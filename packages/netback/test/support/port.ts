import { copyPacket, type Packet } from "@xen-node/packets";
import type { NetworkPort } from "../../src/index.ts";

/** A network of one port: keeps what the device sends, and delivers what a test gives it. */
export class Port implements NetworkPort {
  onTransmit: ((budget: number) => boolean) | undefined;
  onReceive: ((packet: Packet) => boolean) | undefined;
  onReceiveEnd: (() => void) | undefined;
  onSendReady: (() => void) | undefined;
  readonly sent: Packet[] = [];
  /** Whether the network has room. */
  accepts: boolean | (() => boolean) = true;
  keepsSent = true;
  requested = false;
  ready = 0;
  carrier: boolean | undefined;
  filter: readonly string[] | undefined;

  requestTransmit(): void {
    this.requested = true;
  }

  send(packet: Packet): boolean {
    const accepts = typeof this.accepts === "boolean" ? this.accepts : this.accepts();
    if (accepts && this.keepsSent) this.sent.push(copyPacket(packet));
    return accepts;
  }

  receiveReady(): void {
    this.ready++;
  }

  setCarrier(up: boolean): void {
    this.carrier = up;
  }

  setMulticastFilter(addresses: readonly Uint8Array[] | undefined): void {
    this.filter = addresses?.map((address) => Buffer.from(address).toString("hex"));
  }

  /** Lets the device transmit as long as it has something; returns the turns that it took. */
  pump(budget = 64): number {
    let turns = 0;
    while (this.requested) {
      this.requested = false;
      if (this.onTransmit?.(budget)) this.requested = true;
      if (++turns > 100_000) throw new Error("transmits without end");
    }
    return turns;
  }

  /** Gives packets to the device; returns how many it took. */
  deliver(...packets: Packet[]): number {
    let taken = 0;
    for (const packet of packets) {
      if (this.onReceive?.(packet) === false) break;
      taken++;
    }
    this.onReceiveEnd?.();
    return taken;
  }
}
