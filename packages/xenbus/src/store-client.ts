// What the handshake needs of xenstore. XenStoreClient of @xen-node/xenstore is such a client.
import { XenbusStateReconfigured } from "@xen-node/xen-abi";

/** Reading and writing nodes. Absolute paths. */
export interface StoreTree {
  /** undefined: there is no such node. */
  read(path: string): string | undefined;
  exists(path: string): boolean;
  ls(path: string): string[] | undefined;
  write(path: string, value: string): void;
  rm(path: string): void;
  setPermissions(path: string, permissions: readonly string[]): void;
}

export interface StoreClient extends StoreTree {
  /** Calls back at once and after each change at the path or below, never inside another call. */
  watch(path: string, callback: (path: string) => void): { close(): void };
  /** Runs `body` so that all of it happens at once. */
  transaction<T>(body: (tree: StoreTree) => T): T;
}

/** A node's decimal number; undefined if it isn't there or is none, or is beyond `most`. */
export function readNumber(tree: StoreTree, path: string, most = 0xffffffff): number | undefined {
  const text = tree.read(path);
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= most ? value : undefined;
}

/**
 * The XenbusState* of a device's other end; undefined if its node is gone or no state. To a client without privileges a
 * node that was removed together with those around it is closed (EACCES), not missing: that is gone too.
 */
export function readPeerState(tree: StoreTree, home: string): number | undefined {
  try {
    return readNumber(tree, `${home}/state`, XenbusStateReconfigured);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EACCES") return undefined;
    throw error;
  }
}
