import { formatMac } from "@xen-node/packets";
import { Forwarder } from "./forwarder.ts";
import { macBytes } from "./frame-fields.ts";
import { LearningTable } from "./learning-table.ts";
import { type PortHost, PortState } from "./port-state.ts";
import type { RuleLogEntry } from "./rule-log.ts";
import type { PortOptions, SwitchPort } from "./switch-port.ts";
import { hostTimers, type Timers } from "./timers.ts";
import { Turns } from "./turns.ts";

export interface SwitchOptions {
  /** Default: the host's. */
  timers?: Timers;
  /** Runs work soon, after what the host's event loop has in hand. Default: setImmediate. */
  defer?: (work: () => void) => void;
  /** After that long without a packet a learned address is forgotten. Default 300 s. */
  ageingNs?: number;
  /** How long senders wait for a receiver that takes nothing, before its packets are dropped. Default 200 ms. */
  patienceNs?: number;
  /** Flows counted for each port, at least; 0: none. Default 128. */
  flowsPerPort?: number;
  /** Default 1024. */
  maxPorts?: number;
  /** Gets what rules log, at most ten entries a second of each rule. */
  onLog?: (entry: RuleLogEntry) => void;
}

/** An address that the switch knows. */
export interface KnownAddress {
  readonly mac: string;
  readonly port: string;
  /** Belongs to the port by its configuration. */
  readonly fixed: boolean;
  readonly ageNs: number;
}

/** A learning Ethernet switch with rules at each port, which serves its ports in turn. */
export class VirtualSwitch {
  readonly #timers: Timers;
  readonly #table: LearningTable<PortState>;
  readonly #maxPorts: number;
  readonly #host: PortHost;
  readonly #byName = new Map<string, PortState>();
  #ports: readonly PortState[] = [];
  #lastRuleId = 0;

  constructor(options: SwitchOptions = {}) {
    const timers = options.timers ?? hostTimers;
    const turns = new Turns(timers, options.defer ?? ((work) => void setImmediate(work)));
    this.#timers = timers;
    this.#table = new LearningTable(options.ageingNs ?? 300e9);
    this.#maxPorts = options.maxPorts ?? 1024;
    const forwarder = new Forwarder({
      timers,
      turns,
      table: this.#table,
      ports: () => this.#ports,
      portNamed: (name) => this.#byName.get(name),
      onLog: options.onLog,
    });
    this.#host = {
      timers,
      patienceNs: options.patienceNs ?? 200e6,
      flowsPerPort: options.flowsPerPort ?? 128,
      nextRuleId: () => ++this.#lastRuleId,
      requestTransmit: (port) => turns.request(port),
      send: (port, packet) => forwarder.send(port, packet),
      receiveReady: (port) => forwarder.release(port),
      onCredit: (port) => turns.wake(port),
      remove: (port) => {
        if (port.removed) return;
        port.removed = true;
        port.credit?.close();
        forwarder.release(port);
        this.#table.removePort(port);
        this.#byName.delete(port.name);
        this.#ports = this.#ports.filter((each) => each !== port);
      },
    };
  }

  /**
   * Adds a port.
   *
   * @throws RuleError or RateError if an option makes no sense; Error if the name or MAC address is taken or there are too
   * many ports.
   */
  addPort(options: PortOptions): SwitchPort {
    if (this.#byName.has(options.name)) throw new Error(`There is a port "${options.name}" already.`);
    if (this.#ports.length >= this.#maxPorts) throw new Error(`A switch has at most ${this.#maxPorts} ports.`);
    const port = new PortState(options, this.#host);
    if (port.macNumber !== undefined) {
      const owner = this.#table.ownerOf(port.macNumber);
      if (owner !== undefined) throw new Error(`The MAC address ${port.mac} is that of port "${owner.name}" already.`);
      this.#table.fix(port.macNumber, port, this.#timers.nowNs());
    }
    this.#byName.set(port.name, port);
    this.#ports = [...this.#ports, port];
    return port;
  }

  port(name: string): SwitchPort | undefined {
    return this.#byName.get(name);
  }

  ports(): readonly SwitchPort[] {
    return this.#ports;
  }

  /** The addresses that are known, learned or configured. */
  addresses(): KnownAddress[] {
    return this.#table
      .list(this.#timers.nowNs())
      .map(({ mac, port, fixed, ageNs }) => ({ mac: formatMac(macBytes(mac)), port: port.name, fixed, ageNs }));
  }
}
