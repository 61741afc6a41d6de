import type { FrameFields } from "./frame-fields.ts";
import type { Direction, Rule, RulePolicy } from "./rule.ts";
import { canonicalRule } from "./rule-check.ts";
import { compileRule, ROW_WORDS, rowMatches } from "./rule-compiler.ts";
import { formatRule, parseRule } from "./rule-text.ts";

/** A rule in its list. */
export interface RuleEntry {
  /** Stable as long as the rule exists, and never given again. */
  readonly id: number;
  readonly rule: Rule;
  /** The rule as `formatRule` writes it. */
  readonly text: string;
  /** Packets that it matched, and their bytes. */
  readonly packets: number;
  readonly bytes: number;
}

/** The rules of a port, a list in order for each direction. Every change holds from the next packet on. */
export interface PortRules {
  /**
   * Adds a rule behind all others of its direction. Returns its identifier.
   *
   * @throws RuleError if the rule makes no sense.
   */
  append(rule: Rule | string): number;
  /**
   * Adds a rule in front of rule `before`, or of all others of its direction. Returns its identifier.
   *
   * @throws RuleError if the rule makes no sense; RangeError if `before` is no rule of the same direction.
   */
  insert(rule: Rule | string, before?: number): number;
  /** Takes a rule out; false if there is none with that identifier. */
  remove(id: number): boolean;
  /** The rules in the order in which they are tried, those of `out` first. */
  list(direction?: Direction): RuleEntry[];
  /** What happens to packets that no rule decides about. "accept" unless set. */
  policy(direction: Direction): RulePolicy;
  setPolicy(direction: Direction, policy: RulePolicy): void;
}

/** What happens to a packet at the end of a list. */
export const Verdict = { accept: 0, drop: 1, redirect: 2 } as const;

/** A rule as the list holds it. */
export interface ActiveRule {
  readonly id: number;
  readonly rule: Rule;
  readonly text: string;
  packets: number;
  bytes: number;
  /** Log messages of the current second, and since the last one that was given out. */
  loggedAtNs: number;
  loggedInWindow: number;
  suppressed: number;
}

/**
 * Rules that a packet has matched, until it is known whether it counts: a packet that its receiver had no room for is
 * sent again, and would count twice.
 */
export class Matches {
  rules: ActiveRule[] = [];
  count = 0;

  add(rule: ActiveRule): void {
    this.rules[this.count++] = rule;
  }
}

class RuleList {
  readonly rules: ActiveRule[] = [];
  policy: RulePolicy = "accept";
  #rows = new Int32Array(0);

  recompile(): void {
    this.#rows = new Int32Array(this.rules.length * ROW_WORDS);
    for (const [index, { rule }] of this.rules.entries()) compileRule(rule, this.#rows, index);
  }

  /** Runs the list over a packet, noting every rule that matched; the last one of them has decided, if any has. */
  evaluate(fields: FrameFields, matches: Matches): number {
    const { rules } = this;
    const rows = this.#rows;
    for (let index = 0; index < rules.length; index++) {
      if (!rowMatches(rows, index, fields)) continue;
      matches.add(rules[index]);
      switch (rules[index].rule.action) {
        case "accept":
          return Verdict.accept;
        case "drop":
          return Verdict.drop;
        case "redirect":
          return Verdict.redirect;
      }
    }
    return this.policy === "accept" ? Verdict.accept : Verdict.drop;
  }
}

/** Holds the rules of one port and runs packets through them. */
export class Firewall implements PortRules {
  readonly #lists: Readonly<Record<Direction, RuleList>> = { in: new RuleList(), out: new RuleList() };
  readonly #nextId: () => number;

  /** `nextId` gives identifiers, so that they may be unique over many ports. */
  constructor(nextId: () => number) {
    this.#nextId = nextId;
  }

  append(rule: Rule | string): number {
    return this.#add(rule, (rules) => rules.length);
  }

  insert(rule: Rule | string, before?: number): number {
    return this.#add(rule, (rules, direction) => {
      if (before === undefined) return 0;
      const index = rules.findIndex(({ id }) => id === before);
      if (index < 0) throw new RangeError(`There is no rule ${before} in direction "${direction}".`);
      return index;
    });
  }

  remove(id: number): boolean {
    for (const list of Object.values(this.#lists)) {
      const index = list.rules.findIndex((rule) => rule.id === id);
      if (index < 0) continue;
      list.rules.splice(index, 1);
      list.recompile();
      return true;
    }
    return false;
  }

  list(direction?: Direction): RuleEntry[] {
    const directions: Direction[] = direction === undefined ? ["out", "in"] : [direction];
    return directions.flatMap((each) =>
      this.#lists[each].rules.map(({ id, rule, text, packets, bytes }) => ({ id, rule, text, packets, bytes })),
    );
  }

  policy(direction: Direction): RulePolicy {
    return this.#lists[direction].policy;
  }

  setPolicy(direction: Direction, policy: RulePolicy): void {
    this.#lists[direction].policy = policy;
  }

  /** Whether packets of that direction have to be looked at. */
  inspects(direction: Direction): boolean {
    const list = this.#lists[direction];
    return list.rules.length > 0 || list.policy === "drop";
  }

  /** One of `Verdict`. The rules that matched are added to `matches`; a redirect is the last of them. */
  evaluate(direction: Direction, fields: FrameFields, matches: Matches): number {
    return this.#lists[direction].evaluate(fields, matches);
  }

  #add(given: Rule | string, place: (rules: ActiveRule[], direction: Direction) => number): number {
    const rule = typeof given === "string" ? parseRule(given) : canonicalRule(given);
    const list = this.#lists[rule.direction];
    const index = place(list.rules, rule.direction);
    const id = this.#nextId();
    const counters = { packets: 0, bytes: 0, loggedAtNs: 0, loggedInWindow: 0, suppressed: 0 };
    list.rules.splice(index, 0, { id, rule, text: formatRule(rule), ...counters });
    list.recompile();
    return id;
  }
}
