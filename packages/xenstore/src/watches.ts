import type { StoreEvent } from "./draft.ts";
import { levelsBelow, selfAndAncestors } from "./path.ts";
import type { Actor } from "./permissions.ts";
import { accessOf, PERM_READ } from "./permissions.ts";

/** Somebody who watches. */
export interface Watcher extends Actor {
  /** Queues the event; delivery comes later. */
  queueEvent(path: string, token: string): void;
}

export interface Watch {
  readonly watcher: Watcher;
  /** Absolute or special path. */
  readonly path: string;
  readonly token: string;
  /** Levels below the path that count; -1: all. */
  readonly depth: number;
  /** Characters to cut off reported paths, for a watch that was set on a relative path. */
  readonly prefixLength: number;
}

/** A change of the tree, or a domain's coming and going: watches on "@x" without depth, or on "@x/<domid>" or with depth. */
export interface WatchedEvent extends Omit<StoreEvent, "match"> {
  readonly match: StoreEvent["match"] | "special" | "specialDomain";
}

/** All watches of all connections, by path, so that an event costs the depth of its path and not the number of watches. */
export class WatchIndex {
  readonly #byPath = new Map<string, Set<Watch>>();
  readonly #order = new Map<Watch, number>();
  #registered = 0;

  add(watch: Watch): void {
    this.#order.set(watch, this.#registered++);
    const there = this.#byPath.get(watch.path);
    if (there) there.add(watch);
    else this.#byPath.set(watch.path, new Set([watch]));
  }

  remove(watch: Watch): void {
    this.#order.delete(watch);
    const there = this.#byPath.get(watch.path);
    there?.delete(watch);
    if (there?.size === 0) this.#byPath.delete(watch.path);
  }

  /** Queues the event with every watcher that it matches and that may know of it, oldest watch first. */
  fire(event: WatchedEvent): void {
    const paths = event.match === "exact" || event.match === "special" ? [event.path] : selfAndAncestors(event.path);
    const matching: Watch[] = [];
    for (const path of paths) {
      for (const watch of this.#byPath.get(path) ?? []) if (reaches(watch, event)) matching.push(watch);
    }
    matching.sort((a, b) => (this.#order.get(a) ?? 0) - (this.#order.get(b) ?? 0));
    for (const { watcher, token, prefixLength } of matching) {
      if (event.readableBy.some((list) => list.length > 0 && accessOf(watcher, list) & PERM_READ))
        watcher.queueEvent(event.path.slice(prefixLength), token);
    }
  }
}

function reaches(watch: Watch, event: WatchedEvent): boolean {
  if (event.match === "special") return watch.depth < 0;
  if (watch.path === event.path) return true;
  const levels = levelsBelow(event.path, watch.path);
  if (event.match === "specialDomain") return watch.depth >= levels;
  return watch.depth < 0 || watch.depth >= levels;
}
