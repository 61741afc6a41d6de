import { MemoryStore, type StoreTree } from "@xen-node/xenbus";

/** A store that remembers what was written together. */
export class HistoryStore extends MemoryStore {
  /** Every write, in order, as "path=value"; those of one transaction are one entry. */
  readonly history: string[][] = [];
  private together: string[] | undefined;

  override write(path: string, value: string): void {
    super.write(path, value);
    if (this.together !== undefined) this.together.push(`${path}=${value}`);
    else this.history.push([`${path}=${value}`]);
  }

  override transaction<T>(body: (tree: StoreTree) => T): T {
    this.together = [];
    try {
      const result = super.transaction(body);
      this.history.push(this.together);
      return result;
    } finally {
      this.together = undefined;
    }
  }
}
