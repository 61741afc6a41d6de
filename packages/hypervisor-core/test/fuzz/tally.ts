import { errnoName } from "@xen-node/xen-abi";

/** Which outcomes each hypercall had: a fuzzer that only ever gets EINVAL tests nothing. */
export class Tally {
  private readonly outcomes = new Map<string, Map<string, number>>();
  /** Outcomes counted. */
  total = 0;

  /** @param result a result >= 0 or a negative errno; text for other outcomes */
  add(name: string, result: number | string): void {
    const outcome = typeof result === "string" ? result : result < 0 && result > -4096 ? errnoName(-result) : "ok";
    const counts = this.outcomes.get(name) ?? new Map<string, number>();
    this.outcomes.set(name, counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
    this.total++;
  }

  get names(): string[] {
    return [...this.outcomes.keys()].sort();
  }

  count(name: string, outcome: string): number {
    return this.outcomes.get(name)?.get(outcome) ?? 0;
  }

  /** One line a hypercall: its outcomes, most frequent first. */
  lines(): string[] {
    return this.names.map((name) => {
      const counts = [...(this.outcomes.get(name) ?? [])].sort(([, a], [, b]) => b - a);
      return `${name.padEnd(42)} ${counts.map(([outcome, count]) => `${outcome} ${count}`).join(", ")}`;
    });
  }
}
