import type { StoreClient, StoreTree } from "./store-client.ts";

interface Watch {
  readonly path: string;
  readonly callback: (path: string) => void;
  open: boolean;
}

const isBelow = (path: string, root: string): boolean => path === root || path.startsWith(`${root}/`);

/**
 * A store in this process alone, without permissions, quotas and conflicts: for tests of drivers and for examples. As with
 * xenstore, writing creates parents, `rm` takes everything below, and watches report each changed node at or below their
 * path, later, in order.
 */
export class MemoryStore implements StoreClient {
  private nodes = new Map<string, string>();
  private readonly permissions = new Map<string, readonly string[]>();
  private readonly watches = new Set<Watch>();
  private readonly post: (task: () => void) => void;
  /** Paths changed in the transaction under way. */
  private changed: string[] | undefined;

  /** @param post runs a task later; by default in a microtask. */
  constructor(post: (task: () => void) => void = queueMicrotask) {
    this.post = post;
  }

  read(path: string): string | undefined {
    return this.nodes.get(path);
  }

  exists(path: string): boolean {
    return this.nodes.has(path);
  }

  ls(path: string): string[] | undefined {
    if (!this.nodes.has(path)) return undefined;
    const start = `${path}/`;
    return [...this.nodes.keys()]
      .filter((node) => node.startsWith(start) && !node.includes("/", start.length))
      .map((node) => node.slice(start.length));
  }

  write(path: string, value: string): void {
    for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) {
      const parent = path.slice(0, end);
      if (!this.nodes.has(parent)) this.nodes.set(parent, "");
    }
    this.nodes.set(path, value);
    this.note(path);
  }

  /** Writes several nodes below `base`. */
  writeAll(base: string, values: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(values)) this.write(`${base}/${name}`, value);
  }

  rm(path: string): void {
    const gone = [...this.nodes.keys()].filter((node) => isBelow(node, path));
    for (const node of gone) {
      this.nodes.delete(node);
      this.permissions.delete(node);
      this.note(node);
    }
  }

  setPermissions(path: string, permissions: readonly string[]): void {
    this.permissions.set(path, permissions);
  }

  permissionsOf(path: string): readonly string[] | undefined {
    return this.permissions.get(path);
  }

  /** Open watches, for tests that look for leaks. */
  get watchCount(): number {
    return this.watches.size;
  }

  watch(path: string, callback: (path: string) => void): { close(): void } {
    const watch: Watch = { path, callback, open: true };
    this.watches.add(watch);
    this.fire(watch, path);
    return {
      close: () => {
        watch.open = false;
        this.watches.delete(watch);
      },
    };
  }

  /** If `body` throws nothing is changed. */
  transaction<T>(body: (tree: StoreTree) => T): T {
    if (this.changed !== undefined) throw new Error("a transaction inside of another");
    const before = new Map(this.nodes);
    const changed: string[] = [];
    this.changed = changed;
    try {
      const result = body(this);
      this.changed = undefined;
      for (const path of changed) this.note(path);
      return result;
    } catch (error) {
      this.nodes = before;
      throw error;
    } finally {
      this.changed = undefined;
    }
  }

  private note(path: string): void {
    if (this.changed !== undefined) this.changed.push(path);
    else for (const watch of this.watches) if (isBelow(path, watch.path)) this.fire(watch, path);
  }

  private fire(watch: Watch, path: string): void {
    this.post(() => {
      if (watch.open) watch.callback(path);
    });
  }
}
