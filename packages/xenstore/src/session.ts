// A connection without its transport: who it is, its watches and open transactions, and every request as a method.
// Methods return 0 or a result, or a negative errno; nothing that a guest can pass makes them throw.

import { EBUSY, EEXIST, ENOENT, ENOMEM, ENOSPC } from "@xen-node/xen-abi";
import type { Draft } from "./draft.ts";
import type { StoreNode } from "./node.ts";
import { canonicalPath, domainPath, isSpecial } from "./path.ts";
import type { Actor, PermissionList } from "./permissions.ts";
import { PERM_READ } from "./permissions.ts";
import type { QuotaName } from "./quota.ts";
import { exceeds } from "./quota.ts";
import type { Member, StoreCore } from "./store-core.ts";
import { Transaction } from "./transaction.ts";
import type { Watch, Watcher } from "./watches.ts";

// What a queued change is reckoned to hold besides its path and value.
const CHANGE_OVERHEAD = 64;

/** One watch or transaction as it is saved. */
export interface SessionState {
  watches: { path: string; token: string; depth: number; relative: boolean }[];
  transactions: number[];
  nextTransaction: number;
}

export abstract class Session implements Actor, Member, Watcher {
  readonly domid: number;
  readonly privileged: boolean;
  target: number | undefined;
  protected readonly core: StoreCore;
  readonly #base: string;
  readonly #watches = new Map<string, Watch>();
  readonly #transactions = new Map<number, Transaction>();
  #nextTransaction = 1;
  #watchBytes = 0;

  constructor(core: StoreCore, domid: number) {
    this.core = core;
    this.domid = domid;
    this.privileged = domid === 0;
    this.#base = domainPath(domid);
    core.join(this);
  }

  abstract queueEvent(path: string, token: string): void;
  abstract flush(): void;
  /** Bytes of messages that wait for the peer. */
  protected abstract readonly queuedBytes: number;

  get heldBytes(): number {
    let bytes = this.#watchBytes + this.queuedBytes;
    for (const transaction of this.#transactions.values()) bytes += transaction.bytes;
    return bytes;
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  get transactionCount(): number {
    return this.#transactions.size;
  }

  /** 0 if `txId` is 0 or an open transaction of this connection, else -ENOENT. */
  checkTransaction(txId: number): number {
    return txId === 0 || this.#transactions.has(txId) ? 0 : -ENOENT;
  }

  /** The node, to read its value. */
  read(txId: number, path: string): StoreNode | number {
    return this.#look(txId, path, false, (draft, at) => draft.get(this, at, PERM_READ));
  }

  /** The node, to read its list of children. */
  directory(txId: number, path: string): StoreNode | number {
    return this.#look(txId, path, false, (draft, at) => draft.directory(this, at));
  }

  /** The node, to read its permissions; special paths have some too. */
  getPermissions(txId: number, path: string): StoreNode | number {
    return this.#look(txId, path, true, (draft, at) => draft.get(this, at, PERM_READ));
  }

  write(txId: number, path: string, value: Uint8Array): number {
    return this.#change(txId, path, false, value.length, (draft, at) => draft.write(this, at, value));
  }

  mkdir(txId: number, path: string): number {
    return this.#change(txId, path, false, 0, (draft, at) => draft.mkdir(this, at));
  }

  rm(txId: number, path: string): number {
    return this.#change(txId, path, false, 0, (draft, at) => draft.rm(this, at));
  }

  setPermissions(txId: number, path: string, permissions: PermissionList): number {
    const bytes = 8 * permissions.length;
    return this.#change(txId, path, true, bytes, (draft, at) => draft.setPermissions(this, at, permissions));
  }

  /**
   * Registers a watch. The caller sends its reply, then calls `fireFirst` with the watch returned.
   * `depth` -1: the whole subtree.
   */
  watch(path: string, token: string, depth = -1): Watch | number {
    const name = this.#canonical(path, true);
    if (typeof name === "number") return name;
    const key = `${name}\0${token}`;
    if (this.#watches.has(key)) return -EEXIST;
    if (!this.privileged) {
      if (exceeds(this.core.watchCount(this.domid) + 1, this.#quota("watches"))) return -ENOSPC;
      if (exceeds(this.core.memory(this.domid) + key.length, this.#quota("memory"))) return -ENOMEM;
    }
    const relative = !path.startsWith("/") && !isSpecial(path);
    const prefixLength = relative ? this.#base.length + 1 : 0;
    const watch: Watch = { watcher: this, path: name, token, depth, prefixLength };
    this.#watches.set(key, watch);
    this.#watchBytes += key.length;
    this.core.watches.add(watch);
    return watch;
  }

  /** Queues the event that every watch starts with. */
  fireFirst(watch: Watch): void {
    this.queueEvent(watch.path.slice(watch.prefixLength), watch.token);
  }

  unwatch(path: string, token: string): number {
    const name = this.#canonical(path, true);
    if (typeof name === "number") return name;
    const watch = this.#watches.get(`${name}\0${token}`);
    if (watch === undefined) return -ENOENT;
    this.#drop(watch);
    return 0;
  }

  /** The new transaction's id, above 0. */
  startTransaction(txId = 0): number {
    if (txId !== 0) return -EBUSY;
    if (!this.privileged && exceeds(this.core.transactionCount(this.domid) + 1, this.#quota("transactions")))
      return -ENOSPC;
    while (this.#nextTransaction === 0 || this.#transactions.has(this.#nextTransaction)) this.#countTransaction();
    const id = this.#nextTransaction;
    this.#countTransaction();
    this.#transactions.set(id, new Transaction(this.core, this.core.top));
    return id;
  }

  /** Ends it either way; -EAGAIN: it conflicted and has to be done again. */
  endTransaction(txId: number, commit: boolean): number {
    const transaction = this.#transactions.get(txId);
    if (transaction === undefined) return -ENOENT;
    this.#transactions.delete(txId);
    return commit ? this.core.commit(transaction) : 0;
  }

  /** Forgets all watches and transactions. */
  reset(): void {
    for (const watch of [...this.#watches.values()]) this.#drop(watch);
    this.#transactions.clear();
  }

  saveSession(): SessionState {
    const watches = [...this.#watches.values()].map(({ path, token, depth, prefixLength }) => ({
      path,
      token,
      depth,
      relative: prefixLength > 0,
    }));
    return { watches, transactions: [...this.#transactions.keys()], nextTransaction: this.#nextTransaction };
  }

  restoreSession(state: SessionState): void {
    for (const { path, token, depth, relative } of state.watches)
      this.watch(relative ? path.slice(this.#base.length + 1) : path, token, depth);
    for (const id of state.transactions) this.#transactions.set(id, new Transaction(this.core, this.core.top, true));
    this.#nextTransaction = state.nextTransaction;
  }

  #look(
    txId: number,
    path: string,
    allowSpecial: boolean,
    look: (draft: Draft, path: string) => StoreNode | number,
  ): StoreNode | number {
    const name = this.#canonical(path, allowSpecial);
    if (typeof name === "number") return name;
    let found: StoreNode | number = -ENOENT;
    const keep = (draft: Draft): number => {
      found = look(draft, name);
      return typeof found === "number" ? found : 0;
    };
    const result = this.#run(txId, keep, 0);
    return result < 0 ? result : found;
  }

  #change(
    txId: number,
    path: string,
    allowSpecial: boolean,
    bytes: number,
    change: (draft: Draft, path: string) => number,
  ): number {
    const name = this.#canonical(path, allowSpecial);
    if (typeof name === "number") return name;
    return this.#run(txId, (draft) => change(draft, name), CHANGE_OVERHEAD + name.length + bytes);
  }

  #run(txId: number, change: (draft: Draft) => number, bytes: number): number {
    if (txId === 0) return this.core.run(change);
    const transaction = this.#transactions.get(txId);
    if (transaction === undefined) return -ENOENT;
    if (!this.privileged && exceeds(this.core.memory(this.domid) + bytes, this.#quota("memory"))) return -ENOMEM;
    return transaction.run(change, bytes);
  }

  #canonical(path: string, allowSpecial: boolean): string | number {
    const relativeMax = this.privileged ? 0 : this.#quota("path-max");
    return canonicalPath(path, this.#base, relativeMax, allowSpecial);
  }

  #quota(name: QuotaName): number {
    return this.core.quota(this.domid, name);
  }

  #drop(watch: Watch): void {
    const key = `${watch.path}\0${watch.token}`;
    this.#watches.delete(key);
    this.#watchBytes -= key.length;
    this.core.watches.remove(watch);
  }

  #countTransaction(): void {
    this.#nextTransaction = (this.#nextTransaction + 1) >>> 0;
  }
}
