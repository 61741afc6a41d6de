import type { XenStoreClient } from "@xen-node/xenstore";
import type { StoreEntry } from "../dom0/domain-entries.ts";
import type { DevicePaths } from "./device-entries.ts";

/** A backend as its owner sees it: Vbd of @xen-node/blkback and Vif of @xen-node/netback. */
export interface Backend {
  readonly connected: boolean;
  /** Begins to close; `onClosed` of its options tells when it has. */
  close(options?: { force?: boolean }): void;
}

/** How long a guest may take to let go of a device before it is taken away, as xl waits (LIBXL_DESTROY_TIMEOUT). */
const PATIENCE_MS = 10_000;

/** A device of a running domain: its nodes in xenstore, and its backend. */
export class AttachedDevice {
  private readonly backend: Backend;
  private waiting: (() => void)[] = [];
  private closed = false;
  private timer: NodeJS.Timeout | undefined;

  /**
   * Writes the device's nodes, all at once, and starts its backend.
   *
   * @param start makes the backend, which calls `onClosed` when nothing of it is left.
   */
  constructor(
    private readonly store: XenStoreClient,
    readonly paths: DevicePaths,
    entries: readonly StoreEntry[],
    start: (onClosed: () => void) => Backend,
  ) {
    store.transaction((tree) => {
      for (const { path, value, permissions } of entries) {
        tree.write(path, value);
        tree.setPermissions(path, permissions);
      }
    });
    this.backend = start(() => this.onClosed());
  }

  get connected(): boolean {
    return this.backend.connected;
  }

  /** Node of the frontend or the backend, for listings. */
  read(end: "backend" | "frontend", name: string): string | undefined {
    return this.store.read(`${this.paths[end]}/${name}`);
  }

  /**
   * Asks the guest to let go of the device, waits for it a while, and takes it away. `force` doesn't ask.
   *
   * @param then called when the backend has let go of all that it had of the guest, and the nodes are removed.
   */
  remove({ force = false }: { force?: boolean }, then: () => void): void {
    if (this.closed) {
      then();
      return;
    }
    this.waiting.push(then);
    this.backend.close({ force });
    if (force || this.timer !== undefined || this.closed) return;
    this.timer = setTimeout(() => this.backend.close({ force: true }), PATIENCE_MS);
    this.timer.unref();
  }

  private onClosed(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.store.transaction((tree) => {
      for (const path of [...Object.values(this.paths), errorPath(this.paths.backend)])
        if (tree.exists(path)) tree.rm(path);
      // The folders of the domain's devices, with the last of them: guests come and go for ever.
      for (const path of [this.paths.backend, errorPath(this.paths.backend)]) {
        const folder = path.slice(0, path.lastIndexOf("/"));
        if (tree.ls(folder)?.length === 0) tree.rm(folder);
      }
    });
    const { waiting } = this;
    this.waiting = [];
    for (const then of waiting) then();
  }
}

/** Where a backend reports what its frontend did wrong (xenbus_dev_error of Linux). */
function errorPath(backendPath: string): string {
  return backendPath.replace(/^\/local\/domain\/\d+/, "$&/error");
}
