// Which MAC address is behind which port (IEEE 802.1Q, 8.8).

interface Station<Port> {
  port: Port;
  seenNs: number;
  /** Belongs to its port by configuration: neither ages nor moves. */
  readonly fixed: boolean;
}

/** One address of the table. */
export interface LearnedAddress<Port> {
  readonly mac: number;
  readonly port: Port;
  readonly fixed: boolean;
  readonly ageNs: number;
}

/** Who learns: a port, with the most addresses that may be behind it. */
export interface Learner {
  readonly maxAddresses: number;
}

/** Addresses are numbers, as `macNumber` makes them. A port fills only its own share, so none can push out another's. */
export class LearningTable<Port extends Learner> {
  readonly #stations = new Map<number, Station<Port>>();
  /** Learned addresses of each port, in the order of learning. */
  readonly #learned = new Map<Port, Set<number>>();
  readonly #ageingNs: number;

  constructor(ageingNs: number) {
    this.#ageingNs = ageingNs;
  }

  get size(): number {
    return this.#stations.size;
  }

  /** Whose address this is by configuration. */
  ownerOf(mac: number): Port | undefined {
    const station = this.#stations.get(mac);
    return station?.fixed ? station.port : undefined;
  }

  fix(mac: number, port: Port, nowNs: number): void {
    this.#forget(mac);
    this.#stations.set(mac, { port, seenNs: nowNs, fixed: true });
  }

  learn(mac: number, port: Port, nowNs: number): void {
    const station = this.#stations.get(mac);
    if (station !== undefined) {
      if (station.fixed) return;
      if (station.port === port) {
        station.seenNs = nowNs;
        return;
      }
      this.#forget(mac);
    }
    let learned = this.#learned.get(port);
    if (learned === undefined) this.#learned.set(port, (learned = new Set()));
    if (learned.size >= port.maxAddresses) {
      for (const first of learned) {
        this.#forget(first);
        break;
      }
    }
    if (port.maxAddresses < 1) return;
    learned.add(mac);
    this.#stations.set(mac, { port, seenNs: nowNs, fixed: false });
  }

  lookup(mac: number, nowNs: number): Port | undefined {
    const station = this.#stations.get(mac);
    if (station === undefined) return undefined;
    if (!station.fixed && nowNs - station.seenNs > this.#ageingNs) {
      this.#forget(mac);
      return undefined;
    }
    return station.port;
  }

  /** Forgets all that is behind a port. */
  removePort(port: Port): void {
    for (const [mac, station] of this.#stations) if (station.port === port) this.#stations.delete(mac);
    this.#learned.delete(port);
  }

  list(nowNs: number): LearnedAddress<Port>[] {
    return [...this.#stations]
      .map(([mac, { port, fixed, seenNs }]) => ({ mac, port, fixed, ageNs: fixed ? 0 : nowNs - seenNs }))
      .filter(({ ageNs }) => ageNs <= this.#ageingNs);
  }

  #forget(mac: number): void {
    const station = this.#stations.get(mac);
    if (station === undefined) return;
    this.#stations.delete(mac);
    this.#learned.get(station.port)?.delete(mac);
  }
}
