import { EAGAIN, EINVAL, ENOENT, errnoName } from "@xen-node/xen-abi";
import type { LocalConnection, WatchCallback } from "./local-connection.ts";
import type { StoreNode } from "./node.ts";
import type { Permission } from "./permissions.ts";
import { formatPermission, parsePermission } from "./permissions.ts";
import type { StoreCore } from "./store-core.ts";

/** A request that failed. `code` is the protocol's name for it ("ENOENT", "EACCES", "EINVAL", ...). */
export class XenStoreError extends Error {
  override readonly name = "XenStoreError";
  readonly errno: number;
  readonly code: string;
  readonly path: string | undefined;

  /** `errno` positive. */
  constructor(operation: string, errno: number, path?: string) {
    super(`xenstore ${operation}${path === undefined ? "" : ` ${path}`}: ${errnoName(errno)}`);
    this.errno = errno;
    this.code = errnoName(errno);
    this.path = path;
  }
}

/** A watch; `close` ends it at once, even for events that are under way. */
export interface WatchHandle {
  close(): void;
}

/**
 * Reading and writing, inside a transaction or outside. Paths are absolute, or relative to /local/domain/<domid>. Values
 * given as strings are written as UTF-8, without a NUL. Failures throw XenStoreError; only a node that isn't there is
 * an `undefined` for the reading methods.
 */
export class StoreView {
  protected readonly connection: LocalConnection;
  protected readonly core: StoreCore;
  protected readonly txId: number;

  constructor(connection: LocalConnection, core: StoreCore, txId: number) {
    this.connection = connection;
    this.core = core;
    this.txId = txId;
  }

  /** The value as UTF-8 text. */
  read(path: string): string | undefined {
    const value = this.readBytes(path);
    return value && new TextDecoder().decode(value);
  }

  /** The value's bytes, as a copy. */
  readBytes(path: string): Uint8Array | undefined {
    return this.#node("read", path, this.connection.read(this.txId, path))?.value.slice();
  }

  /** Whether the node is there. */
  exists(path: string): boolean {
    return this.#node("read", path, this.connection.read(this.txId, path)) !== undefined;
  }

  /** The children's names, oldest first. */
  ls(path: string): string[] | undefined {
    const node = this.#node("directory", path, this.connection.directory(this.txId, path));
    return node && [...node.children.keys()];
  }

  /** Sets the value, creating the node and its ancestors as needed. */
  write(path: string, value: string | Uint8Array): void {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value.slice();
    this.#do("write", path, () => this.connection.write(this.txId, path, bytes));
  }

  /** Writes several nodes below `base`: `writeAll("/local/domain/1", { name: "a", "memory/target": "65536" })`. */
  writeAll(base: string, values: Readonly<Record<string, string | Uint8Array>>): void {
    for (const [name, value] of Object.entries(values))
      this.write(base === "/" ? `/${name}` : `${base}/${name}`, value);
  }

  /** Creates an empty node if there is none. */
  mkdir(path: string): void {
    this.#do("mkdir", path, () => this.connection.mkdir(this.txId, path));
  }

  /** Removes the node and all below it; a node that isn't there is fine as long as its parent is. */
  rm(path: string): void {
    this.#do("rm", path, () => this.connection.rm(this.txId, path));
  }

  /** The permission list: owner (and default for others) first, like ["n1", "r0"]. */
  getPermissions(path: string): string[] | undefined {
    const node = this.#node("get permissions", path, this.connection.getPermissions(this.txId, path));
    return node?.permissions.map(formatPermission);
  }

  /** Sets the permission list; letters n none, r read, w write, b both, then the domid. */
  setPermissions(path: string, permissions: readonly string[]): void {
    this.#do("set permissions", path, () => {
      const parsed: Permission[] = [];
      for (const text of permissions) {
        const permission = parsePermission(text);
        if (typeof permission === "number") return permission;
        parsed.push(permission);
      }
      return parsed.length > 0 ? this.connection.setPermissions(this.txId, path, parsed) : -EINVAL;
    });
  }

  #node(operation: string, path: string, result: StoreNode | number): StoreNode | undefined {
    if (typeof result !== "number") return result;
    if (result === -ENOENT && this.connection.checkTransaction(this.txId) === 0) return undefined;
    throw new XenStoreError(operation, -result, path);
  }

  #do(operation: string, path: string, run: () => number): void {
    const result = this.core.batch(run);
    if (result < 0) throw new XenStoreError(operation, -result, path);
  }
}

/** An open transaction: reads see the tree as it was at the start plus its own writes. */
export class StoreTransaction extends StoreView {
  /** Makes the changes, all at once. False if it conflicted: nothing was changed, begin again. */
  commit(): boolean {
    const result = this.core.batch(() => this.connection.endTransaction(this.txId, true));
    if (result === -EAGAIN) return false;
    if (result < 0) throw new XenStoreError("commit", -result);
    return true;
  }

  /** Forgets the changes. */
  abort(): void {
    const result = this.connection.endTransaction(this.txId, false);
    if (result < 0) throw new XenStoreError("abort", -result);
  }
}

/** A program's connection. */
export class XenStoreClient extends StoreView {
  constructor(connection: LocalConnection, core: StoreCore) {
    super(connection, core, 0);
  }

  get domid(): number {
    return this.connection.domid;
  }

  /** The connection itself, for requests in wire format. */
  get session(): LocalConnection {
    return this.connection;
  }

  /**
   * Calls `callback` with the changed path after every change at `path` or below, and once at the start. Calls come in a
   * microtask of their own, in order; a relative `path` gives relative paths. "@introduceDomain" and "@releaseDomain" give
   * the coming and going of domains. `depth` limits how many levels below count; with depth 1 the special paths report
   * "@releaseDomain/<domid>".
   */
  watch(path: string, callback: WatchCallback, { depth = -1 }: { depth?: number } = {}): WatchHandle {
    const token = this.connection.addCallback(callback);
    const watch = this.core.batch(() => {
      const added = this.connection.watch(path, token, depth);
      if (typeof added !== "number") this.connection.fireFirst(added);
      return added;
    });
    if (typeof watch === "number") {
      this.connection.removeCallback(token);
      throw new XenStoreError("watch", -watch, path);
    }
    return {
      close: () => {
        this.connection.removeCallback(token);
        this.connection.unwatch(path, token);
      },
    };
  }

  /** Begins a transaction by hand, for work that waits for something in between. */
  begin(): StoreTransaction {
    const id = this.connection.startTransaction();
    if (id < 0) throw new XenStoreError("begin", -id);
    return new StoreTransaction(this.connection, this.core, id);
  }

  /**
   * Runs `body` in a transaction and commits, again from the start if it conflicted, EAGAIN after 16 times (since nobody
   * else runs meanwhile, `body` itself writes outside of it then). `body` must not wait: what it returns is the result,
   * and if it throws nothing is changed.
   */
  transaction<T>(body: (tx: StoreView) => T): T {
    for (let tries = 0; tries < 16; tries++) {
      const tx = this.begin();
      let result: T;
      try {
        result = body(tx);
        if (result instanceof Promise) throw new TypeError("a transaction's body can't wait; use begin() and commit()");
      } catch (error) {
        tx.abort();
        throw error;
      }
      if (tx.commit()) return result;
    }
    throw new XenStoreError("transaction", EAGAIN);
  }

  /** Ends the connection with its watches and transactions. */
  close(): void {
    this.connection.release();
  }
}
