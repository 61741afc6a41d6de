// A TcpStack between simulated wires and a simulated host.

import { FrameReader, type Packet } from "@xen-node/packets";
import { planAddresses } from "../src/address-plan.ts";
import { GuestLink } from "../src/guest-link.ts";
import type { HostStream, HostStreamEvents } from "../src/host-stream.ts";
import { IpOutput } from "../src/ip-output.ts";
import { defaultLimits, type UserNetLimits } from "../src/options.ts";
import { SegmentOutput } from "../src/tcp/segment-output.ts";
import { TcpStack } from "../src/tcp/tcp-stack.ts";
import { TimerQueue } from "../src/timers.ts";
import { GATEWAY_MAC, ip4, parse } from "./frames.ts";
import { GuestTcp, type GuestTcpOptions } from "./guest-tcp.ts";
import { noTrouble, SeededRandom, SimulatedClock, type Trouble, Wire } from "./simulation.ts";

/** The host's side of a connection, in the hands of the test. */
export class FakeHost implements HostStream {
  pendingBytes = 0;
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  ended = false;
  aborted = false;
  paused = false;
  /** False: what is written stays pending until `take`. */
  taking = true;
  readonly events: HostStreamEvents;
  readonly #clock: SimulatedClock;
  #outgoing: Uint8Array[] = [];
  #finish = false;
  #scheduled = false;

  constructor(clock: SimulatedClock, events: HostStreamEvents) {
    this.#clock = clock;
    this.events = events;
  }

  write(bytes: Uint8Array): void {
    this.received.push(Uint8Array.from(bytes));
    this.receivedBytes += bytes.length;
    this.pendingBytes += bytes.length;
    if (this.taking) this.#clock.setTimer(() => this.take(bytes.length), 10e3);
  }

  take(count: number): void {
    this.pendingBytes -= count;
    this.events.taken();
  }

  end(): void {
    this.ended = true;
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#clock.setTimer(() => this.close("ECONNRESET"), 1000);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#schedule();
  }

  /** The other side of the host's socket sends. */
  send(bytes: Uint8Array, chunk = 65536): void {
    for (let at = 0; at < bytes.length; at += chunk) this.#outgoing.push(bytes.subarray(at, at + chunk));
    this.#schedule();
  }

  finish(): void {
    this.#finish = true;
    this.#schedule();
  }

  close(code?: string): void {
    this.pendingBytes = 0;
    this.events.closed(code === undefined ? undefined : { code });
  }

  #schedule(): void {
    if (this.#scheduled || this.paused || this.aborted) return;
    this.#scheduled = true;
    this.#clock.setTimer(() => {
      this.#scheduled = false;
      if (this.paused || this.aborted) return;
      const next = this.#outgoing.shift();
      if (next !== undefined) this.events.data(Uint8Array.from(next));
      else if (this.#finish) {
        this.#finish = false;
        this.events.ended();
        return;
      }
      if (next !== undefined) this.#schedule();
    }, 20e3);
  }
}

export interface BenchOptions {
  seed?: number;
  trouble?: Trouble;
  gso?: boolean;
  mtu?: number;
  limits?: Partial<UserNetLimits>;
  /** Called for each packet to guests; false refuses it. */
  accept?: (packet: Packet) => boolean;
  /** Host connections are refused with this code. */
  refuse?: string;
  /** Host connections stay in the air. */
  silent?: boolean;
}

export const GUEST = ip4("10.0.2.15");
export const REMOTE = ip4("192.0.2.80");

export class TcpBench {
  readonly clock = new SimulatedClock();
  readonly timers = new TimerQueue(this.clock);
  readonly random: SeededRandom;
  readonly link: GuestLink;
  readonly stack: TcpStack;
  readonly hosts: FakeHost[] = [];
  readonly guests: GuestTcp[] = [];
  readonly toGuest: Wire;
  readonly fromGuest: Wire;
  /** Copies of what was sent to guests. */
  readonly sent: ReturnType<typeof parse>[] = [];
  readonly unreachable: string[] = [];
  readonly #frame = new FrameReader();

  constructor(options: BenchOptions = {}) {
    this.random = new SeededRandom(options.seed ?? 1);
    const trouble = options.trouble ?? noTrouble;
    this.toGuest = new Wire(this.clock, this.random, trouble, (packet) => {
      for (const guest of this.guests) guest.receive(packet);
    });
    this.fromGuest = new Wire(this.clock, this.random, trouble, (packet) => this.inject(packet.bytes));
    const plan = planAddresses({ send: () => true, mtu: options.mtu });
    this.link = new GuestLink(
      (packet) => {
        if (options.accept?.(packet) === false) return false;
        if (this.sent.length < 10000) this.sent.push(parse(Uint8Array.from(packet.bytes)));
        this.toGuest.send(packet);
        return true;
      },
      this.timers,
      64,
    );
    const gso = options.gso ?? false;
    const output = new SegmentOutput(this.link, new IpOutput(plan, this.link), {
      mtu: plan.mtu,
      acceptGso: gso,
      acceptChecksumBlank: gso,
    });
    this.stack = new TcpStack({
      timers: this.timers,
      output,
      random: this.random,
      limits: { ...defaultLimits, ...options.limits },
      mac: GATEWAY_MAC,
      route: (_address, port) => {
        if (port === 9) return undefined;
        return (events) => {
          const host = new FakeHost(this.clock, events);
          this.hosts.push(host);
          if (options.silent !== true)
            this.clock.setTimer(() => {
              if (host.aborted) return;
              if (options.refuse === undefined) events.connected();
              else host.close(options.refuse);
            }, 50e3);
          return host;
        };
      },
      unreachable: (_mac, _head, reason) => this.unreachable.push(reason),
    });
  }

  /** A segment of a guest, as the network hands it on. */
  inject(bytes: Uint8Array): void {
    const frame = this.#frame.read(bytes);
    if (frame.transport !== 0 && !this.stack.receive(frame)) this.stack.receiveOther(frame);
  }

  guest(options: Partial<GuestTcpOptions> = {}): GuestTcp {
    const guest = new GuestTcp({
      clock: this.clock,
      send: (packet) => this.fromGuest.send(packet),
      address: GUEST,
      port: 40000 + this.guests.length,
      remote: REMOTE,
      remotePort: 80,
      ...options,
    });
    this.guests.push(guest);
    return guest;
  }

  /** A guest's connection that is established, with its host. */
  open(options: Partial<GuestTcpOptions> = {}): { guest: GuestTcp; host: FakeHost } {
    const guest = this.guest(options);
    guest.connect();
    const before = this.hosts.length;
    if (!this.clock.run(60e9, () => guest.state === "open")) throw new Error("no connection");
    this.clock.run(2e6);
    return { guest, host: this.hosts[before] };
  }
}
