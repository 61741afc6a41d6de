import { formatMac, type Packet, plainPacket } from "@xen-node/packets";
import {
  type NetworkPort,
  type PortOptions,
  type SwitchOptions,
  type SwitchPort,
  type Timers,
  VirtualSwitch,
} from "../src/index.ts";

/** A clock and an event loop that stand still unless told to go on. */
export class Lab implements Timers {
  now = 1e12;
  readonly network: VirtualSwitch;
  readonly #work: (() => void)[] = [];
  #timers: { atNs: number; fn: () => void }[] = [];

  constructor(options: SwitchOptions = {}) {
    this.network = new VirtualSwitch({ timers: this, defer: (work) => void this.#work.push(work), ...options });
  }

  nowNs(): number {
    return this.now;
  }

  setTimer(delayNs: number, fn: () => void): () => void {
    const timer = { atNs: this.now + delayNs, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  get waitingTimers(): number {
    return this.#timers.length;
  }

  get waitingWork(): number {
    return this.#work.length;
  }

  /** One turn of the event loop. */
  step(): void {
    for (const work of this.#work.splice(0)) work();
  }

  /** Turns until nothing is left to do. Returns how many. */
  run(most = 10_000): number {
    let turns = 0;
    for (; this.#work.length > 0; turns++) {
      if (turns === most) throw new Error("the event loop does not come to rest");
      this.step();
    }
    return turns;
  }

  /** Lets time pass, timer by timer, and the work that comes of it. */
  advance(ns: number): void {
    const until = this.now + ns;
    for (;;) {
      this.run();
      const next = this.#timers.sort((a, b) => a.atNs - b.atNs)[0];
      if (next === undefined || next.atNs > until) break;
      this.#timers.shift();
      this.now = Math.max(this.now, next.atNs);
      next.fn();
    }
    this.now = until;
  }

  host(name: string, options: Partial<PortOptions> = {}): Host {
    return new Host(this.network.addPort({ name, ...options }));
  }
}

/** A device that keeps what it gets, and sends again what was refused, as a network backend does. */
export class Host {
  readonly port: SwitchPort;
  readonly received: Uint8Array[] = [];
  readonly queue: (Uint8Array | Packet)[] = [];
  /** Packets it has room for. */
  room = Number.POSITIVE_INFINITY;
  ends = 0;
  readies = 0;
  visits = 0;
  refusals = 0;

  constructor(port: SwitchPort) {
    this.port = port;
    const attached: NetworkPort = port;
    attached.onReceive = (packet) => {
      if (this.room <= 0) {
        this.refusals++;
        return false;
      }
      this.room--;
      this.received.push(packet.bytes.slice());
      return true;
    };
    attached.onReceiveEnd = () => void this.ends++;
    attached.onSendReady = () => {
      this.readies++;
      if (this.queue.length > 0) attached.requestTransmit();
    };
    attached.onTransmit = (budget) => {
      this.visits++;
      for (let sent = 0; sent < budget && this.queue.length > 0; sent++) {
        const next = this.queue[0];
        if (!attached.send(next instanceof Uint8Array ? plainPacket(next) : next)) break;
        this.queue.shift();
      }
      return this.queue.length > 0;
    };
  }

  /** Sends at once; whether it was taken. */
  send(frame: Uint8Array | Packet): boolean {
    return this.port.send(frame instanceof Uint8Array ? plainPacket(frame) : frame);
  }

  /** Queues frames and asks for a turn. */
  enqueue(...frames: (Uint8Array | Packet)[]): void {
    this.queue.push(...frames);
    this.port.requestTransmit();
  }

  makeRoom(packets: number): void {
    this.room = packets;
    this.port.receiveReady();
  }

  /** Senders of what was received, in order. */
  get senders(): string[] {
    return this.received.map((frame) => formatMac(frame, 6));
  }

  get drops() {
    const { in: received, out: sent } = this.port.counters();
    return { in: received.drops, out: sent.drops };
  }
}
