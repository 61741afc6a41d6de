import type { StoreNode } from "./node.ts";
import { lookup } from "./node.ts";
import { exceeds } from "./quota.ts";

const ABSENT = -1;

interface Touch {
  /** Generation of value and permissions seen, ABSENT if there was no node, undefined if nobody asked. */
  self?: number;
  /** Generation of the list of children seen. */
  children?: number;
}

/**
 * The paths on which a transaction's results depend, with what it saw there. Value and permissions are one thing, the
 * list of children another: two transactions that add different children to one node don't conflict.
 */
export class Touches {
  /** Whether a quota was exceeded; then the transaction can't be committed. */
  failed = false;
  readonly #base: StoreNode;
  readonly #seen = new Map<string, Touch>();

  /** `base`: the tree as it was when the transaction began. */
  constructor(base: StoreNode) {
    this.#base = base;
  }

  /** Paths touched so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** Notes a dependence on existence, value and permissions; false if `limit` paths are touched already. */
  self(path: string, limit: number): boolean {
    const touch = this.#touch(path, limit);
    if (touch) touch.self ??= lookup(this.#base, path)?.selfGeneration ?? ABSENT;
    return touch !== undefined;
  }

  /** Notes a dependence on the list of children; false if `limit` paths are touched already. */
  children(path: string, limit: number): boolean {
    const touch = this.#touch(path, limit);
    if (touch) touch.children ??= lookup(this.#base, path)?.childrenGeneration ?? ABSENT;
    return touch !== undefined;
  }

  /** Whether all that was seen still holds in `top`. */
  holdIn(top: StoreNode): boolean {
    if (top === this.#base) return true;
    for (const [path, touch] of this.#seen) {
      const node = lookup(top, path);
      if (touch.self !== undefined && touch.self !== (node?.selfGeneration ?? ABSENT)) return false;
      if (touch.children !== undefined && touch.children !== (node?.childrenGeneration ?? ABSENT)) return false;
    }
    return true;
  }

  #touch(path: string, limit: number): Touch | undefined {
    let touch = this.#seen.get(path);
    if (touch === undefined) {
      if (exceeds(this.#seen.size + 1, limit)) {
        this.failed = true;
        return undefined;
      }
      touch = {};
      this.#seen.set(path, touch);
    }
    return touch;
  }
}
