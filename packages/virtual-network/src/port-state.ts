import { copyPacket, formatMac, type Packet, parseMac } from "@xen-node/packets";
import { AntiSpoof } from "./anti-spoof.ts";
import { type Capture, type CaptureOptions, type CaptureSink, type PassedPacket, PortCapture } from "./capture.ts";
import { type PortCounters, Tally } from "./counters.ts";
import { Firewall } from "./firewall.ts";
import { type Flow, FlowTable } from "./flow-table.ts";
import { macBytes, macNumber } from "./frame-fields.ts";
import type { Lease } from "./leases.ts";
import { Patience } from "./patience.ts";
import { parseRate, type RateLimit, TransmitCredit } from "./rate.ts";
import { type Direction, PORT_NAME, RuleError } from "./rule.ts";
import type { PortOptions, SwitchPort } from "./switch-port.ts";
import type { Timers } from "./timers.ts";

/** What a port asks of its switch. */
export interface PortHost {
  readonly timers: Timers;
  readonly patienceNs: number;
  readonly flowsPerPort: number;
  nextRuleId(): number;
  requestTransmit(port: PortState): void;
  send(port: PortState, packet: Packet): boolean;
  receiveReady(port: PortState): void;
  /** The port's credit came back. */
  onCredit(port: PortState): void;
  remove(port: PortState): void;
}

const MAX_ADDRESSES_OF_GUEST = 256;
const MAX_ADDRESSES_OF_LINK = 4096;

function parseOwnMac(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseMac(text);
  if (bytes === undefined || (bytes[0] & 1) !== 0)
    throw new RuleError(`"${text}" is no MAC address that a port can have; write one like 52:54:00:12:34:56.`);
  return macNumber(bytes);
}

/** A port with all that the switch knows of it. */
export class PortState implements SwitchPort {
  readonly name: string;
  readonly mac: string | undefined;
  readonly macNumber: number | undefined;
  readonly rules: Firewall;
  readonly antiSpoof: AntiSpoof | undefined;
  readonly unknownUnicast: boolean;
  readonly maxAddresses: number;
  onTransmit: ((budget: number) => boolean) | undefined;
  onReceive: ((packet: Packet) => boolean) | undefined;
  onReceiveEnd: (() => void) | undefined;
  onSendReady: (() => void) | undefined;

  readonly out = new Tally();
  readonly in = new Tally();
  refused = 0;
  rateLimited = 0;
  filtered = 0;

  removed = false;
  credit: TransmitCredit | undefined;
  multicast: Set<number> | undefined;
  captures: readonly PortCapture[] = [];
  /** Packets that passed, until it is known whether they were delivered. */
  readonly passed: (PassedPacket | undefined)[] = [];
  flowTable: FlowTable | undefined;

  // Of the turns.
  /** In the queue of ports to visit. */
  queued = false;
  /** Wants a visit, but waits for somebody's room or for its own credit. */
  wants = false;
  blocked = false;
  waking = false;
  /** Received packets since its last `onReceiveEnd`. */
  receiving = false;
  deficit = 0;
  spent = 0;
  sends = 0;
  averageCost = 2048;

  // Of refusals.
  readonly patience: Patience;
  /** Grows with the packets of all ports: when this one last got a packet through. */
  servedAt = 0;
  /** Ports whose packets this one had no room for. */
  waiters: PortState[] = [];
  cancelStall: (() => void) | undefined;

  readonly #host: PortHost;
  #carrier: boolean;

  constructor(options: PortOptions, host: PortHost) {
    this.#host = host;
    if (!PORT_NAME.test(options.name)) throw new RuleError(`"${options.name}" cannot be the name of a port.`);
    this.name = options.name;
    this.macNumber = parseOwnMac(options.mac);
    this.mac = this.macNumber === undefined ? undefined : formatMac(macBytes(this.macNumber));
    if (options.antiSpoof === true && this.macNumber === undefined)
      throw new RuleError(`Port "${options.name}" needs a mac for its anti-spoofing.`);
    if (this.macNumber !== undefined && options.antiSpoof !== false)
      this.antiSpoof = new AntiSpoof(this.macNumber, {
        dhcpServer: options.dhcpServer === true,
        router: options.router === true,
      });
    if (options.addresses !== undefined) this.setAddresses(options.addresses);
    this.rules = new Firewall(() => host.nextRuleId());
    for (const rule of options.rules ?? []) this.rules.append(rule);
    this.rules.setPolicy("in", options.policy?.in ?? "accept");
    this.rules.setPolicy("out", options.policy?.out ?? "accept");
    this.unknownUnicast = options.unknownUnicast ?? this.antiSpoof === undefined;
    this.maxAddresses =
      options.maxAddresses ?? (this.macNumber === undefined ? MAX_ADDRESSES_OF_LINK : MAX_ADDRESSES_OF_GUEST);
    this.patience = new Patience(host.patienceNs);
    this.#carrier = options.carrier ?? true;
    this.setRateLimit(options.rateLimit);
  }

  requestTransmit(): void {
    this.#host.requestTransmit(this);
  }

  send(packet: Packet): boolean {
    return this.#host.send(this, packet);
  }

  receiveReady(): void {
    this.#host.receiveReady(this);
  }

  get carrier(): boolean {
    return this.#carrier;
  }

  set carrier(on: boolean) {
    if (on === this.#carrier) return;
    this.#carrier = on;
    // Those who wait for the port would wait for nothing.
    this.#host.receiveReady(this);
  }

  setAddresses(addresses: readonly string[]): void {
    if (this.antiSpoof === undefined)
      throw new RuleError(`Port "${this.name}" has addresses, but no anti-spoofing that would check them.`);
    this.antiSpoof.setAddresses(addresses);
  }

  setRateLimit(rate: string | RateLimit | undefined): void {
    const limit = typeof rate === "string" ? parseRate(rate) : rate;
    const waited = this.credit?.exhausted === true;
    this.credit?.close();
    this.credit =
      limit === undefined ? undefined : new TransmitCredit(limit, this.#host.timers, () => this.#host.onCredit(this));
    if (waited) this.#host.onCredit(this);
  }

  setMulticastFilter(addresses: readonly Uint8Array[] | undefined): void {
    this.multicast = addresses === undefined ? undefined : new Set(addresses.map((address) => macNumber(address)));
  }

  counters(): PortCounters {
    const { refused, rateLimited, filtered } = this;
    const flows = this.flowTable?.begun ?? 0;
    return { out: this.out.snapshot(), in: this.in.snapshot(), refused, rateLimited, flows, filtered };
  }

  /** The table of its flows, made for the first packet; undefined if the switch counts none. */
  countedFlows(): FlowTable | undefined {
    if (this.flowTable === undefined && this.#host.flowsPerPort > 0)
      this.flowTable = new FlowTable(this.#host.flowsPerPort);
    return this.flowTable;
  }

  flows(most?: number): Flow[] {
    return this.flowTable?.list(most) ?? [];
  }

  leases(): Lease[] {
    return this.antiSpoof?.leases(this.#host.timers.nowNs()) ?? [];
  }

  captureTo(sink: CaptureSink, options: CaptureOptions = {}): Capture {
    const capture = new PortCapture(this.name, sink, options, this.#host.timers.nowNs(), (closed) => {
      this.captures = this.captures.filter((each) => each !== closed);
    });
    this.captures = [...this.captures, capture];
    return capture;
  }

  /** Keeps a packet for the captures. Returns its place, by which it is taken back if it was not delivered after all. */
  pass(direction: Direction, packet: Packet, nowNs: number): number {
    return this.passed.push({ direction, packet: copyPacket(packet), nowNs }) - 1;
  }

  /** Gives the captures what has passed. */
  flushCaptures(): void {
    const passed = this.passed.splice(0);
    for (const packet of passed) if (packet !== undefined) for (const capture of this.captures) capture.write(packet);
  }

  remove(): void {
    this.#host.remove(this);
  }
}
