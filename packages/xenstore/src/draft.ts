// Changes in the making: an alternative top of the tree, plus what they do to quotas and whom they concern.
// A request outside transactions is a draft that lives for one call; a transaction is a draft that lives longer.

import { EACCES, EINVAL, ENOENT, ENOMEM, ENOSPC, EPERM } from "@xen-node/xen-abi";
import type { OwnLists, StoreNode } from "./node.ts";
import { leaf, lookup, nodeMemory, nodeSize, replace, walkPostOrder } from "./node.ts";
import { childPath, leafName, parentPath } from "./path.ts";
import type { Actor, Permission, PermissionList } from "./permissions.ts";
import { accessOf, PERM_OWNER, PERM_READ, PERM_WRITE } from "./permissions.ts";
import type { QuotaName } from "./quota.ts";
import { exceeds, Usage } from "./quota.ts";
import type { Touches } from "./touches.ts";

/** What a draft asks of the store that it was taken from. */
export interface DraftHost {
  nextGeneration(): number;
  quota(domid: number, name: QuotaName): number;
  /** Nodes that `domid` owns. */
  nodes(domid: number): number;
  /** Bytes that `domid` holds in all. */
  memory(domid: number): number;
}

/** A change that watches may want to hear of. */
export interface StoreEvent {
  readonly path: string;
  /** subtree: watches at the path and above it; exact: at the path alone (below a removed node). */
  readonly match: "subtree" | "exact";
  /** A domain hears of it if it may read by any of these: the node before, after, and its parent. */
  readonly readableBy: readonly PermissionList[];
}

/** Bytes that a child's name takes in its parent's list. */
const listingBytes = (path: string): number => leafName(path).length + 1;

const NO_BYTES = new Uint8Array(0);

export class Draft {
  top: StoreNode;
  readonly usage = new Usage();
  readonly events: StoreEvent[] = [];
  readonly #host: DraftHost;
  readonly #touches: Touches | undefined;
  readonly #own: OwnLists = new Set();

  /** `touches` records what is looked at, and makes this a transaction's draft, which collects no events. */
  constructor(host: DraftHost, top: StoreNode, touches?: Touches) {
    this.#host = host;
    this.top = top;
    this.#touches = touches;
  }

  /** The node, if `actor` may do `need` with it; else -ENOENT, or -EACCES where even that would tell too much. */
  get(actor: Actor, path: string, need: number): StoreNode | number {
    if (!this.#touchSelf(actor, path)) return -ENOSPC;
    const node = lookup(this.top, path);
    if (node) return (accessOf(actor, node.permissions) & need) === need ? node : -EACCES;
    const ancestor = this.#nearest(actor, parentPath(path));
    if (typeof ancestor === "number") return ancestor;
    return accessOf(actor, ancestor.node.permissions) & need ? -ENOENT : -EACCES;
  }

  /** As `get` for reading, where the result depends on the list of children too. */
  directory(actor: Actor, path: string): StoreNode | number {
    const node = this.get(actor, path, PERM_READ);
    if (typeof node === "number") return node;
    return this.#touches?.children(path, this.#touchLimit(actor)) === false ? -ENOSPC : node;
  }

  write(actor: Actor, path: string, value: Uint8Array): number {
    const node = this.get(actor, path, PERM_WRITE);
    if (node === -ENOENT) return this.#create(actor, path, value);
    if (typeof node === "number") return node;
    const generation = this.#host.nextGeneration();
    const changed = { ...node, value, selfGeneration: generation };
    const error = this.#swap(actor, path, node, changed, generation);
    if (error === 0) this.#emit(path, [node.permissions, this.#parentPermissions(path)]);
    return error;
  }

  mkdir(actor: Actor, path: string): number {
    const node = this.get(actor, path, PERM_WRITE);
    if (node === -ENOENT) return this.#create(actor, path, NO_BYTES);
    return typeof node === "number" ? node : 0;
  }

  rm(actor: Actor, path: string): number {
    const node = this.get(actor, path, PERM_WRITE);
    if (node === -ENOENT) {
      const parent = parentPath(path);
      if (!this.#touchSelf(actor, parent)) return -ENOSPC;
      return lookup(this.top, parent) ? 0 : -ENOENT;
    }
    if (typeof node === "number") return node;
    if (path === "/") return -EINVAL;
    this.remove(path, node);
    return 0;
  }

  /** Removes `node`, which is at `path`, and all below it, asking nobody. */
  remove(path: string, node: StoreNode): void {
    const above = this.#parentPermissions(path);
    walkPostOrder(node, path, (removed, at, parent) => {
      this.usage.add(removed.permissions[0].domid, -1, -nodeMemory(removed, at));
      const readableBy = [removed.permissions, parent?.permissions ?? above];
      this.#emit(at, readableBy, at === path ? "subtree" : "exact");
    });
    if (above.length > 0) this.usage.add(above[0].domid, 0, -listingBytes(path));
    this.top = replace(this.top, path, undefined, this.#host.nextGeneration(), this.#own);
  }

  setPermissions(actor: Actor, path: string, permissions: PermissionList): number {
    if (!actor.privileged && exceeds(permissions.length, this.#host.quota(actor.domid, "node-permissions")))
      return -ENOSPC;
    const node = this.get(actor, path, PERM_WRITE | PERM_OWNER);
    if (typeof node === "number") return node;
    if (!actor.privileged && permissions[0].domid !== node.permissions[0].domid) return -EPERM;
    const generation = this.#host.nextGeneration();
    const changed = { ...node, permissions, selfGeneration: generation };
    const error = this.#swap(actor, path, node, changed, generation);
    if (error === 0) this.#emit(path, [node.permissions, permissions, this.#parentPermissions(path)]);
    return error;
  }

  /** Creates the node and the ancestors that miss, or nothing at all. */
  #create(actor: Actor, path: string, value: Uint8Array): number {
    const nearest = this.#nearest(actor, parentPath(path));
    if (typeof nearest === "number") return nearest;
    const inherited = nearest.node.permissions;
    // What an unprivileged domain creates is its own; what domain 0 creates belongs to the parent's owner.
    const permissions: readonly Permission[] = actor.privileged
      ? inherited
      : [{ domid: actor.domid, access: inherited[0].access }, ...inherited.slice(1)];
    const generation = this.#host.nextGeneration();

    // The new chain, bottom up: `missing` lists the paths to be made, the wanted one first.
    const missing: string[] = [];
    for (let at = path; at !== nearest.path; at = parentPath(at)) missing.push(at);
    let child: StoreNode | undefined;
    let bytes = 0;
    let largest = 0;
    for (const [i, at] of missing.entries()) {
      const made = leaf(i === 0 ? value : NO_BYTES, permissions, generation);
      const name = i > 0 ? leafName(missing[i - 1]) : "";
      const node: StoreNode = child
        ? { ...made, children: new Map([[name, child]]), childBytes: name.length + 1 }
        : made;
      bytes += nodeMemory(node, at);
      largest = Math.max(largest, nodeSize(node));
      child = node;
    }
    const top = childPath(nearest.path, leafName(missing[missing.length - 1]));
    const listing = listingBytes(top);

    if (!actor.privileged) {
      const { domid } = actor;
      const size = Math.max(largest, nodeSize(nearest.node) + listing);
      if (exceeds(size, this.#host.quota(domid, "node-size"))) return -ENOSPC;
      const nodes = this.#host.nodes(domid) + this.usage.nodes(domid) + missing.length;
      if (exceeds(nodes, this.#host.quota(domid, "nodes"))) return -ENOSPC;
      if (this.#overMemory(actor, bytes + listing)) return -ENOMEM;
    }
    this.usage.add(permissions[0].domid, missing.length, bytes);
    this.usage.add(inherited[0].domid, 0, listing);
    this.top = replace(this.top, top, child, generation, this.#own);
    this.#emit(path, [permissions, this.#parentPermissions(path)]);
    return 0;
  }

  /** Puts `changed` in the place of `node`, if the quotas allow. */
  #swap(actor: Actor, path: string, node: StoreNode, changed: StoreNode, generation: number): number {
    const growth = nodeMemory(changed, path) - nodeMemory(node, path);
    if (!actor.privileged) {
      if (exceeds(nodeSize(changed), this.#host.quota(actor.domid, "node-size"))) return -ENOSPC;
      if (growth > 0 && this.#overMemory(actor, growth)) return -ENOMEM;
    }
    this.usage.add(node.permissions[0].domid, -1, -nodeMemory(node, path));
    this.usage.add(changed.permissions[0].domid, 1, nodeMemory(changed, path));
    this.top = replace(this.top, path, changed, generation, this.#own);
    return 0;
  }

  #overMemory(actor: Actor, growth: number): boolean {
    const held = this.#host.memory(actor.domid) + this.usage.bytes(actor.domid);
    return exceeds(held + growth, this.#host.quota(actor.domid, "memory"));
  }

  /** The node at `path` or its nearest ancestor that exists; "/" always does. Each path asked is touched. */
  #nearest(actor: Actor, path: string): { path: string; node: StoreNode } | number {
    for (let at = path; ; at = parentPath(at)) {
      if (!this.#touchSelf(actor, at)) return -ENOSPC;
      const node = lookup(this.top, at);
      if (node) return { path: at, node };
      if (at === "/") throw new Error("the tree has lost its root");
    }
  }

  #touchLimit = (actor: Actor): number => (actor.privileged ? 0 : this.#host.quota(actor.domid, "transaction-nodes"));

  #touchSelf(actor: Actor, path: string): boolean {
    return this.#touches === undefined || this.#touches.self(path, this.#touchLimit(actor));
  }

  #parentPermissions(path: string): PermissionList {
    return lookup(this.top, parentPath(path))?.permissions ?? [];
  }

  #emit(path: string, readableBy: readonly PermissionList[], match: StoreEvent["match"] = "subtree"): void {
    if (this.#touches === undefined) this.events.push({ path, match, readableBy });
  }
}
