// Limits of one unprivileged domain. Names are those of GET_QUOTA and SET_QUOTA, defaults those of Xen 4.23's xenstored.

/** All limits; 0 switches a check off. */
export interface Quotas {
  /** Nodes that the domain owns. */
  nodes: number;
  /** Watches. */
  watches: number;
  /** Replies that it has not taken out of the ring yet; at the limit its requests wait. */
  outstanding: number;
  /** Bytes: nodes it owns, watches, open transactions, messages that wait for it. */
  memory: number;
  /** Bytes from which a warning would be due; kept for GET_QUOTA, nothing acts on it. */
  "soft-memory": number;
  /** Open transactions. */
  transactions: number;
  /** Nodes touched in one transaction. */
  "transaction-nodes": number;
  /** Entries of a permission list. */
  "node-permissions": number;
  /** Bytes of a path after /local/domain/<domid>/. */
  "path-max": number;
  /** Bytes of a node: header, permissions, value, children's names. */
  "node-size": number;
}

export type QuotaName = keyof Quotas;

export const DEFAULT_QUOTAS: Readonly<Quotas> = {
  nodes: 1000,
  watches: 128,
  outstanding: 20,
  memory: 2560 * 1024,
  "soft-memory": 2048 * 1024,
  transactions: 10,
  "transaction-nodes": 1024,
  "node-permissions": 5,
  "path-max": 2048,
  "node-size": 2048,
};

export const isQuotaName = (name: string): name is QuotaName => Object.hasOwn(DEFAULT_QUOTAS, name);

/** Whether `count` is more than `limit` allows. */
export const exceeds = (count: number, limit: number): boolean => limit > 0 && count > limit;

/** Nodes and bytes by owner. */
export class Usage {
  readonly #byOwner = new Map<number, { nodes: number; bytes: number }>();

  nodes(domid: number): number {
    return this.#byOwner.get(domid)?.nodes ?? 0;
  }

  bytes(domid: number): number {
    return this.#byOwner.get(domid)?.bytes ?? 0;
  }

  add(domid: number, nodes: number, bytes: number): void {
    const entry = this.#byOwner.get(domid) ?? { nodes: 0, bytes: 0 };
    entry.nodes += nodes;
    entry.bytes += bytes;
    if (entry.nodes === 0 && entry.bytes === 0) this.#byOwner.delete(domid);
    else this.#byOwner.set(domid, entry);
  }

  /** Adds everything that `other` holds. */
  merge(other: Usage): void {
    for (const [domid, { nodes, bytes }] of other.#byOwner) this.add(domid, nodes, bytes);
  }

  /** Owners in order, for comparison with a recount. */
  entries(): { domid: number; nodes: number; bytes: number }[] {
    return [...this.#byOwner].map(([domid, use]) => ({ domid, ...use })).sort((a, b) => a.domid - b.domid);
  }
}
