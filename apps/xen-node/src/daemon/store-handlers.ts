import type { Socket } from "node:net";
import { ControlError, type OperationHandlers, type StreamHandlers } from "@xen-node/control";
import { type XenStoreClient, XenStoreError } from "@xen-node/xenstore";

/** A watcher that does not read this many bytes is let go. */
const MOST_BEHIND_BYTES = 1024 * 1024;

interface StoreNode {
  path: string;
  value: string;
  permissions: string[];
}

/** The xenstore tools' operations, with Dom0's rights. Values are text of one byte a character. */
export function storeHandlers(store: XenStoreClient) {
  const text = (path: string): string | null => {
    const bytes = store.readBytes(path);
    return bytes === undefined ? null : Buffer.from(bytes).toString("latin1");
  };
  const tree = (path: string, nodes: StoreNode[]): StoreNode[] => {
    for (const name of store.ls(path) ?? []) {
      const child = path === "/" ? `/${name}` : `${path}/${name}`;
      nodes.push({ path: child, value: text(child) ?? "", permissions: store.getPermissions(child) ?? [] });
      tree(child, nodes);
    }
    return nodes;
  };
  return {
    "store-read": ({ path }) => refusing(() => text(path)),
    "store-list": ({ path }) => refusing(() => store.ls(path) ?? null),
    "store-tree": ({ path }) => refusing(() => (store.exists(path) ? tree(path, []) : null)),
    "store-write": ({ path, value }) =>
      refusing(() => {
        store.write(path, Buffer.from(value, "latin1"));
        return null;
      }),
    "store-rm": ({ path }) =>
      refusing(() => {
        store.rm(path);
        return null;
      }),
    "store-chmod": ({ path, permissions }) =>
      refusing(() => {
        store.setPermissions(path, permissions);
        return null;
      }),
  } satisfies OperationHandlers;
}

export function storeStreams(newClient: () => XenStoreClient) {
  return {
    "store-watch": ({ paths }) => {
      const client = newClient();
      return (socket: Socket) => {
        const show = (path: string): void => {
          if (socket.writableLength > MOST_BEHIND_BYTES) socket.destroy();
          else socket.write(`${path}\n`);
        };
        socket.on("error", () => socket.destroy());
        socket.on("close", () => client.close());
        socket.resume();
        try {
          for (const path of paths) client.watch(path, show);
        } catch {
          // A path that no node can have: there is nothing to be seen.
          socket.destroy();
        }
      };
    },
  } satisfies StreamHandlers;
}

/** The store's own refusals are the caller's to know. */
function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof XenStoreError) throw new ControlError("refused", error.code);
    throw error;
  }
}
