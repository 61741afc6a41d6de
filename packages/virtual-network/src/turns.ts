import type { PortState } from "./port-state.ts";
import type { Timers } from "./timers.ts";

/** What a packet costs besides its bytes, so that many small ones are as dear as they are to the host. */
export const PACKET_COST = 256;

/** Credit of a port in each round. */
const QUANTUM = 64 * 1024;
/** Most packets of one port in a row. */
const MOST_PACKETS = 128;
/** A port cannot owe more than this, or it would wait for long after a burst. */
const MOST_DEBT = 4 * 1024 * 1024;
/** After that much the turn gives the host's event loop its chance. */
const TURN_COST = 1024 * 1024;
/** A visit that sends nothing isn't free either. */
const VISIT_COST = 64;

/**
 * Serves the ports that asked to transmit, by deficit round-robin (Shreedhar and Varghese, 1995): each round gives each port
 * the same credit in bytes. How long a device's next packets are isn't known before they are sent, so what it sent too
 * much is taken from its next rounds.
 */
export class Turns {
  readonly #timers: Timers;
  readonly #defer: (work: () => void) => void;
  readonly #queue: PortState[] = [];
  #waking: PortState[] = [];
  #receiving: PortState[] = [];
  #scheduled = false;
  #running = false;
  #cost = 0;
  #nowNs = 0;

  constructor(timers: Timers, defer: (work: () => void) => void) {
    this.#timers = timers;
    this.#defer = defer;
  }

  /** The time of what is going on now; in a turn the clock is asked once per port. */
  nowNs(): number {
    return this.#running ? this.#nowNs : this.#timers.nowNs();
  }

  request(port: PortState): void {
    if (port.removed || port.queued) return;
    if (port.blocked) {
      port.wants = true;
      return;
    }
    port.queued = true;
    this.#queue.push(port);
    this.#schedule();
  }

  /** Somebody who refused the port's packets has room again, or its credit is back: it is told in the next turn. */
  wake(port: PortState): void {
    if (port.waking || port.removed) return;
    port.waking = true;
    this.#waking.push(port);
    this.#schedule();
  }

  /** The port has received something; at the end of the turn it gets its `onReceiveEnd`. */
  received(port: PortState): void {
    if (port.receiving) return;
    port.receiving = true;
    this.#receiving.push(port);
    this.#schedule();
  }

  /** The port has made that much work. */
  charge(port: PortState, cost: number): void {
    port.deficit = Math.max(port.deficit - cost, -MOST_DEBT);
    port.spent += cost;
    this.#cost += cost;
  }

  #schedule(): void {
    if (this.#scheduled || this.#running) return;
    this.#scheduled = true;
    this.#defer(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    this.#running = true;
    this.#cost = 0;
    try {
      this.#nowNs = this.#timers.nowNs();
      this.#wakeAll();
      while (this.#queue.length > 0 && this.#cost < TURN_COST) {
        this.#visit(this.#queue.shift()!);
        this.#cost += VISIT_COST;
      }
    } finally {
      try {
        this.#endReceiving();
      } finally {
        this.#running = false;
        if (this.#queue.length + this.#waking.length + this.#receiving.length > 0) this.#schedule();
      }
    }
  }

  #wakeAll(): void {
    const waking = this.#waking;
    this.#waking = [];
    for (const port of waking) {
      port.waking = false;
      port.blocked = false;
      if (port.removed) continue;
      port.onSendReady?.();
      if (port.wants && !port.blocked) this.request(port);
    }
  }

  #visit(port: PortState): void {
    port.queued = false;
    port.wants = false;
    if (port.removed || port.onTransmit === undefined) return;
    port.deficit = Math.min(port.deficit + QUANTUM, QUANTUM);
    if (port.deficit <= 0) {
      this.request(port);
      return;
    }
    this.#nowNs = this.#timers.nowNs();
    const budget = Math.min(MOST_PACKETS, Math.max(1, Math.ceil(port.deficit / port.averageCost)));
    const { spent, sends } = port;
    const more = port.onTransmit(budget);
    const packets = port.sends - sends;
    if (packets > 0) port.averageCost = (3 * port.averageCost + (port.spent - spent) / packets) / 4;
    // A port that waits for room is asked again when there is some, not before.
    if (port.blocked) port.wants = port.wants || more;
    else if (more) this.request(port);
    if (!port.queued) port.deficit = Math.min(port.deficit, 0);
  }

  #endReceiving(): void {
    const receiving = this.#receiving;
    this.#receiving = [];
    for (const port of receiving) {
      port.receiving = false;
      if (!port.removed) port.onReceiveEnd?.();
    }
  }
}
