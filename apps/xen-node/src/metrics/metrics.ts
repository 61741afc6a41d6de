import { Counter, Gauge, type Registry } from "prom-client";

export type Labels = Record<string, string>;
/** Labels and a value. */
export type Sample = readonly [Labels, number];

/** Adds metrics to a registry whose values are read from elsewhere, anew each time that they are asked for. */
export class Metrics {
  constructor(private readonly registry: Registry) {}

  counter(name: string, help: string, labelNames: readonly string[], read: () => Iterable<Sample>): void {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      // A counter of prom-client's can only be set by starting over.
      collect: () => {
        counter.reset();
        for (const [labels, value] of read()) counter.inc(labels, value);
      },
    });
  }

  gauge(name: string, help: string, labelNames: readonly string[], read: () => Iterable<Sample>): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect: () => {
        gauge.reset();
        for (const [labels, value] of read()) gauge.set(labels, value);
      },
    });
  }

  /** One number without labels. */
  single(kind: "counter" | "gauge", name: string, help: string, read: () => number): void {
    this[kind](name, help, [], () => [[{}, read()]]);
  }
}
