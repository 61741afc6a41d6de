// What all connections share: the tree, its accounts, the watches, and the delivery of events once a request is done.

import type { DraftHost, StoreEvent } from "./draft.ts";
import { Draft } from "./draft.ts";
import type { StoreNode } from "./node.ts";
import { leaf, lookup, nodeMemory, replace, walkPostOrder } from "./node.ts";
import { childPath } from "./path.ts";
import { PERM_NONE } from "./permissions.ts";
import type { QuotaName, Quotas } from "./quota.ts";
import { DEFAULT_QUOTAS, Usage } from "./quota.ts";
import type { Transaction } from "./transaction.ts";
import { WatchIndex } from "./watches.ts";

/** What the core must know of a connection. */
export interface Member {
  readonly domid: number;
  /** Bytes held for it besides its nodes. */
  readonly heldBytes: number;
  readonly watchCount: number;
  readonly transactionCount: number;
  /** Hands over what was queued for it. */
  flush(): void;
}

const SPECIAL_PATHS = ["@introduceDomain", "@releaseDomain"];
const OWNED_BY_DOM0 = [{ domid: 0, access: PERM_NONE }];

/** A tree with "/", /tool/xenstored and the special paths, all domain 0's. */
export function initialTree(): StoreNode {
  const empty = leaf(new Uint8Array(0), OWNED_BY_DOM0, 1);
  return ["/", "/tool", "/tool/xenstored", ...SPECIAL_PATHS].reduce((top, path) => replace(top, path, empty, 1), empty);
}

/** Nodes and bytes of every owner, counted from scratch. */
export function recount(top: StoreNode): Usage {
  const usage = new Usage();
  for (const [name, node] of top.children) {
    const path = name === "" ? "/" : name;
    walkPostOrder(node, path, (at, where) => usage.add(at.permissions[0].domid, 1, nodeMemory(at, where)));
  }
  return usage;
}

export class StoreCore implements DraftHost {
  top: StoreNode = initialTree();
  usage = recount(this.top);
  readonly watches = new WatchIndex();
  readonly defaultQuotas: Quotas;
  readonly quotasOf = new Map<number, Partial<Quotas>>();
  /** Last generation given out. */
  generation = 1;
  readonly #members = new Map<number, Set<Member>>();
  readonly #dirty = new Set<Member>();
  #depth = 0;
  #flushing = false;

  constructor(quotas: Partial<Quotas> = {}) {
    this.defaultQuotas = { ...DEFAULT_QUOTAS, ...quotas };
  }

  nextGeneration(): number {
    return ++this.generation;
  }

  quota(domid: number, name: QuotaName): number {
    return this.quotasOf.get(domid)?.[name] ?? this.defaultQuotas[name];
  }

  nodes(domid: number): number {
    return this.usage.nodes(domid);
  }

  memory(domid: number): number {
    return this.#sum(domid, "heldBytes") + this.usage.bytes(domid);
  }

  watchCount(domid: number): number {
    return this.#sum(domid, "watchCount");
  }

  transactionCount(domid: number): number {
    return this.#sum(domid, "transactionCount");
  }

  join(member: Member): void {
    const there = this.#members.get(member.domid);
    if (there) there.add(member);
    else this.#members.set(member.domid, new Set([member]));
  }

  leave(member: Member): void {
    const there = this.#members.get(member.domid);
    there?.delete(member);
    if (there?.size === 0) this.#members.delete(member.domid);
    this.#dirty.delete(member);
  }

  members(domid: number): Member[] {
    return [...(this.#members.get(domid) ?? [])];
  }

  /** Applies `change` to the tree and fires its events, or changes nothing and returns its errno. */
  run(change: (draft: Draft) => number): number {
    const draft = new Draft(this, this.top);
    const result = change(draft);
    if (result >= 0) this.#apply(draft, draft.events);
    return result;
  }

  /** Commits: 0, or a negative errno with nothing changed. One event a path, however often it was written. */
  commit(transaction: Transaction): number {
    const draft = transaction.replayOn(this.top);
    if (typeof draft === "number") return draft;
    const events = new Map<string, StoreEvent>();
    for (const event of draft.events) {
      const earlier = events.get(event.path);
      const match = earlier?.match === "subtree" ? "subtree" : event.match;
      events.set(event.path, { ...event, match, readableBy: [...(earlier?.readableBy ?? []), ...event.readableBy] });
    }
    this.#apply(draft, events.values());
    return 0;
  }

  /** Fires @introduceDomain or @releaseDomain for `domid`. */
  fireSpecial(path: string, domid: number): void {
    const readableBy = [lookup(this.top, path)?.permissions ?? OWNED_BY_DOM0];
    this.watches.fire({ path, match: "special", readableBy });
    this.watches.fire({ path: childPath(path, `${domid}`), match: "specialDomain", readableBy });
  }

  /** Runs `work`; when the outermost batch is over, everybody with something queued gets it. */
  batch<T>(work: () => T): T {
    this.#depth++;
    try {
      return work();
    } finally {
      this.#depth--;
      if (this.#depth === 0) this.#flush();
    }
  }

  /** Remembers that `member` has something queued. */
  markDirty(member: Member): void {
    this.#dirty.add(member);
  }

  #apply(draft: Draft, events: Iterable<StoreEvent>): void {
    this.top = draft.top;
    this.usage.merge(draft.usage);
    for (const event of events) this.watches.fire(event);
  }

  #flush(): void {
    // A notified peer in this process may come back with a request at once; the loop below then delivers for it too.
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      for (const member of this.#dirty) {
        this.#dirty.delete(member);
        member.flush();
      }
    } finally {
      this.#flushing = false;
    }
  }

  #sum(domid: number, what: "heldBytes" | "watchCount" | "transactionCount"): number {
    let sum = 0;
    for (const member of this.#members.get(domid) ?? []) sum += member[what];
    return sum;
  }
}
