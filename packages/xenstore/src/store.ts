import {
  EBUSY,
  EINVAL,
  ENOENT,
  ENOSYS,
  XENSTORE_SERVER_FEATURE_DOMID_ANY,
  XENSTORE_SERVER_FEATURE_ERROR,
  XENSTORE_SERVER_FEATURE_RECONNECTION,
  XENSTORE_SERVER_FEATURE_WATCHDEPTH,
} from "@xen-node/xen-abi";
import { XenStoreClient } from "./client.ts";
import type { Draft } from "./draft.ts";
import { LocalConnection } from "./local-connection.ts";
import { lookup, walkPostOrder } from "./node.ts";
import { parentPath } from "./path.ts";
import type { QuotaName, Quotas } from "./quota.ts";
import type { DomainRegistry } from "./requests.ts";
import { answer } from "./requests.ts";
import type { RingService } from "./ring-connection.ts";
import { RingConnection } from "./ring-connection.ts";
import type { Session } from "./session.ts";
import { loadTree, type StoreState, saveTree } from "./state.ts";
import { recount, StoreCore } from "./store-core.ts";
import type { RingPage } from "./store-ring.ts";
import type { Message } from "./wire.ts";

/** Every feature of the ring that this store offers. */
export const SUPPORTED_FEATURES =
  XENSTORE_SERVER_FEATURE_RECONNECTION |
  XENSTORE_SERVER_FEATURE_ERROR |
  XENSTORE_SERVER_FEATURE_WATCHDEPTH |
  XENSTORE_SERVER_FEATURE_DOMID_ANY;

export interface XenStoreOptions {
  /** Limits that differ from DEFAULT_QUOTAS. */
  quotas?: Partial<Quotas>;
  /** Runs `work` after others have had their turn; used to go on with a domain that floods. Default setImmediate. */
  defer?: (work: () => void) => void;
  /** Maps the ring for an INTRODUCE request and gives it, or a negative errno. Without it INTRODUCE is ENOSYS. */
  introduce?: (domid: number, gfn: number, port: number) => RingPage | number;
  /** A domain's connection was closed; `error` is XENSTORE_ERROR_RINGIDX or XENSTORE_ERROR_PROTO. */
  onConnectionClosed?: (domid: number, error: number) => void;
  /** A watch callback threw. Default: the error is thrown again where nobody catches it. */
  onWatchError?: (error: unknown) => void;
}

const rethrow = (error: unknown): void =>
  queueMicrotask(() => {
    throw error;
  });

/** xenstored: the tree, and the connections of domains and of programs in this process. */
export class XenStore {
  readonly #core: StoreCore;
  readonly #options: XenStoreOptions;
  readonly #connections = new Map<number, RingConnection>();
  readonly #features = new Map<number, number>();
  readonly #shutDown = new Set<number>();
  readonly #service: RingService;
  readonly #registry: DomainRegistry;

  constructor(options: XenStoreOptions = {}) {
    this.#options = options;
    this.#core = new StoreCore(options.quotas);
    const defer = options.defer ?? ((work) => void setImmediate(work));
    this.#service = {
      answer: (session, request) => answer(session, this.#registry, request),
      defer,
      closed: (domid, error) => options.onConnectionClosed?.(domid, error),
    };
    this.#registry = {
      isIntroduced: (domid) => this.isIntroduced(domid),
      introduce: (domid, gfn, port) => this.#introduceByRequest(domid, gfn, port),
      release: (domid) => (this.releaseDomain(domid) ? 0 : -ENOENT),
      resume: (domid) => (this.domainResumed(domid) ? 0 : -ENOENT),
      setTarget: (domid, target) => this.#setTarget(domid, target),
      features: (domid) => this.#featuresOf(domid),
      setFeatures: (domid, features) => this.#setFeatures(domid, features),
      quota: (domid, name) => this.quota(name, domid),
      setQuota: (domid, name, value) => this.setQuota(name, value, domid),
    };
  }

  /**
   * Connects a domain by its ring. Call the result's `onEvent` whenever the domain kicks. The ring's indices are set to
   * zero, as xenstored does. Introducing a domain again gives it a fresh connection over the new page, silently.
   */
  introduceDomain(domid: number, ring: RingPage): RingConnection {
    return this.#core.batch(() => {
      const known = this.#connections.get(domid);
      const connection = known ?? this.#connect(domid, ring);
      connection.restart(ring);
      if (!known) this.#core.fireSpecial("@introduceDomain", domid);
      return connection;
    });
  }

  /**
   * Drops a domain's connection, watches and transactions, and fires @releaseDomain. Its nodes stay, for the toolstack to
   * remove, unless `purge` is set: then all that it owns goes, and its name goes from all permission lists, so that a
   * later domain of the same number inherits nothing. False if no such domain was introduced.
   */
  releaseDomain(domid: number, { purge = false }: { purge?: boolean } = {}): boolean {
    const connection = this.#connections.get(domid);
    if (connection === undefined) return false;
    this.#core.batch(() => {
      connection.release();
      this.#connections.delete(domid);
      this.#features.delete(domid);
      this.#shutDown.delete(domid);
      this.#core.quotasOf.delete(domid);
      for (const other of this.#connections.values()) if (other.target === domid) other.target = undefined;
      if (purge) this.#core.run((draft) => purgeDomain(draft, domid));
      this.#core.fireSpecial("@releaseDomain", domid);
    });
    return true;
  }

  /** Tells the watchers of @releaseDomain that a domain has shut down, once until `domainResumed`. */
  domainShutDown(domid: number): void {
    if (!this.#connections.has(domid) || this.#shutDown.has(domid)) return;
    this.#shutDown.add(domid);
    this.#core.batch(() => this.#core.fireSpecial("@releaseDomain", domid));
  }

  /** Lets the domain's next shutdown be told again (RESUME). False if no such domain was introduced. */
  domainResumed(domid: number): boolean {
    this.#shutDown.delete(domid);
    return this.#connections.has(domid);
  }

  /** Whether the domain has a connection by ring; domain 0 always counts. */
  isIntroduced(domid: number): boolean {
    return domid === 0 || this.#connections.has(domid);
  }

  /** The connection of an introduced domain. */
  connection(domid: number): RingConnection | undefined {
    return this.#connections.get(domid);
  }

  /** A connection for a program in this process: domain 0's unless said otherwise, with that domain's rights. */
  client(domid = 0): XenStoreClient {
    const connection = new LocalConnection(this.#core, domid, this.#options.onWatchError ?? rethrow);
    return new XenStoreClient(connection, this.#core);
  }

  /**
   * Answers one request as if it had come over `session`'s transport, without any ring: for a socket, a tool, a test.
   * The reply is returned, not queued.
   */
  answer(session: Session, request: Message): Message {
    return this.#core.batch(() => {
      const { reply, after } = answer(session, this.#registry, request);
      after?.();
      return reply;
    });
  }

  /** A limit: of one domain, or the default for those without their own. 0 is none. */
  quota(name: QuotaName, domid?: number): number {
    return domid === undefined ? this.#core.defaultQuotas[name] : this.#core.quota(domid, name);
  }

  setQuota(name: QuotaName, value: number, domid?: number): void {
    if (domid === undefined) this.#core.defaultQuotas[name] = value;
    else this.#core.quotasOf.set(domid, { ...this.#core.quotasOf.get(domid), [name]: value });
  }

  /** Sentences about what is wrong with the accounts; empty if all agrees with a recount. */
  audit(): string[] {
    const kept = JSON.stringify(this.#core.usage.entries());
    const counted = JSON.stringify(recount(this.#core.top).entries());
    return kept === counted ? [] : [`usage is kept as ${kept} but counts as ${counted}`];
  }

  /** Everything but the clients in this process, as data that `structuredClone` and IPC can carry. */
  saveState(): StoreState {
    return {
      generation: this.#core.generation,
      nodes: saveTree(this.#core.top),
      quotas: { ...this.#core.defaultQuotas },
      quotasOf: [...this.#core.quotasOf],
      features: [...this.#features],
      shutDown: [...this.#shutDown],
      connections: [...this.#connections].map(([domid, connection]) => [domid, connection.saveConnection()]),
    };
  }

  /**
   * Takes over a saved state; only for a store without connections. `ringOf` gives each domain's ring, whose indices are
   * left as they are. Transactions that were open end with EAGAIN, so their owners do them again.
   */
  restoreState(state: StoreState, ringOf: (domid: number) => RingPage): void {
    if (this.#connections.size > 0) throw new Error("a store with connections can't take over a saved state");
    const core = this.#core;
    core.top = loadTree(state.nodes);
    core.usage = recount(core.top);
    core.generation = state.generation;
    Object.assign(core.defaultQuotas, state.quotas);
    for (const [domid, quotas] of state.quotasOf) core.quotasOf.set(domid, quotas);
    for (const [domid, features] of state.features) this.#features.set(domid, features);
    for (const domid of state.shutDown) this.#shutDown.add(domid);
    core.batch(() => {
      for (const [domid, saved] of state.connections) {
        this.#features.set(domid, saved.features);
        this.#connect(domid, ringOf(domid)).restoreConnection(saved);
      }
    });
  }

  #connect(domid: number, ring: RingPage): RingConnection {
    const connection = new RingConnection(this.#core, domid, ring, this.#featuresOf(domid), this.#service);
    this.#connections.set(domid, connection);
    return connection;
  }

  #introduceByRequest(domid: number, gfn: number, port: number): number {
    const ring = this.#options.introduce?.(domid, gfn, port) ?? -ENOSYS;
    if (typeof ring === "number") return ring;
    this.introduceDomain(domid, ring);
    return 0;
  }

  #setTarget(domid: number, target: number): number {
    const connection = this.#connections.get(domid);
    if (connection === undefined || !this.#connections.has(target)) return -ENOENT;
    connection.target = target;
    return 0;
  }

  #featuresOf(domid?: number): number {
    return (domid === undefined ? undefined : this.#features.get(domid)) ?? SUPPORTED_FEATURES;
  }

  #setFeatures(domid: number, features: number): number {
    if (this.isIntroduced(domid)) return -EBUSY;
    if (features & ~SUPPORTED_FEATURES) return -EINVAL;
    this.#features.set(domid, features);
    return 0;
  }
}

/** Removes what `domid` owns, and its entries from the permissions of what is left. */
function purgeDomain(draft: Draft, domid: number): number {
  const dom0 = { domid: 0, privileged: true, target: undefined };
  const owned: string[] = [];
  const named: string[] = [];
  for (const [name, node] of draft.top.children) {
    walkPostOrder(node, name === "" ? "/" : name, ({ permissions }, path) => {
      if (permissions[0].domid === domid) owned.push(path);
      else if (permissions.some((permission) => permission.domid === domid)) named.push(path);
    });
  }
  // A subtree goes with its topmost owned node, as one removal: the others are met as gone.
  const isOwned = new Set(owned);
  const underOwned = (path: string): boolean => {
    for (let at = path; at !== "/"; ) {
      at = parentPath(at);
      if (isOwned.has(at)) return true;
    }
    return false;
  };
  for (const path of owned) {
    const node = underOwned(path) ? undefined : lookup(draft.top, path);
    if (node && path !== "/" && !path.startsWith("@")) draft.remove(path, node);
  }
  for (const path of [...named, ...owned]) {
    const node = lookup(draft.top, path);
    const rest = node?.permissions.filter((permission, i) => i === 0 || permission.domid !== domid);
    if (node && rest && rest.length < node.permissions.length) draft.setPermissions(dom0, path, rest);
  }
  return 0;
}
