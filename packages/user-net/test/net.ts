// A UserNet with a guest's side that keeps what was sent.
import { type Packet, plainPacket } from "@xen-node/packets";
import type { UserNetOptions } from "../src/options.ts";
import { UserNet } from "../src/user-net.ts";
import { parse } from "./frames.ts";
import { SeededRandom, SimulatedClock } from "./simulation.ts";

export type Parsed = ReturnType<typeof parse>;

export class TestNet {
  readonly clock = new SimulatedClock();
  readonly sent: Parsed[] = [];
  readonly packets: Packet[] = [];
  readonly logged: string[] = [];
  readonly net: UserNet;
  onPacket: ((packet: Packet) => void) | undefined;
  #waiting: { holds: (frame: Parsed) => boolean; resolve: (frame: Parsed) => void }[] = [];

  /** With `clock: undefined` in the options, time is the host's. */
  constructor(options: Partial<UserNetOptions> = {}) {
    this.net = new UserNet({
      ping: false,
      dnsServers: [],
      clock: this.clock,
      random: new SeededRandom(1),
      log: (_level, message) => this.logged.push(message),
      send: (packet) => {
        const copy = { ...packet, bytes: Uint8Array.from(packet.bytes) };
        const frame = parse(copy.bytes);
        this.packets.push(copy);
        this.sent.push(frame);
        for (const waiting of this.#waiting.filter(({ holds }) => holds(frame))) {
          this.#waiting = this.#waiting.filter((other) => other !== waiting);
          waiting.resolve(frame);
        }
        this.onPacket?.(copy);
        return true;
      },
      ...options,
    });
  }

  receive(bytes: Uint8Array): void {
    this.net.receive(plainPacket(bytes));
  }

  /** Gives a frame of a guest, and returns what came back before this returned. */
  exchange(bytes: Uint8Array): Parsed[] {
    const before = this.sent.length;
    this.receive(bytes);
    return this.sent.slice(before);
  }

  /** The first frame to come for which `holds` does. */
  next(holds: (frame: Parsed) => boolean): Promise<Parsed> {
    return new Promise((resolve) => {
      this.#waiting.push({ holds, resolve });
    });
  }
}
