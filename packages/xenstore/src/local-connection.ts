import { exceeds } from "./quota.ts";
import { Session } from "./session.ts";
import type { StoreCore } from "./store-core.ts";

/** Receives a watch event: the changed path, as the watch's path was written (relative or absolute). */
export type WatchCallback = (path: string) => void;

/** A connection of a program in this process. Events come by callback in a microtask, so never inside another call. */
export class LocalConnection extends Session {
  readonly #callbacks = new Map<string, WatchCallback>();
  readonly #onError: (error: unknown) => void;
  #events: { path: string; token: string }[] = [];
  readonly #waiting = new Set<string>();
  #bytes = 0;
  #scheduled = false;
  #nextToken = 0;

  constructor(core: StoreCore, domid: number, onError: (error: unknown) => void) {
    super(core, domid);
    this.#onError = onError;
  }

  protected override get queuedBytes(): number {
    return this.#bytes;
  }

  /** The token under which `callback` will be called. */
  addCallback(callback: WatchCallback): string {
    const token = `${this.#nextToken++}`;
    this.#callbacks.set(token, callback);
    return token;
  }

  removeCallback(token: string): void {
    this.#callbacks.delete(token);
  }

  override queueEvent(path: string, token: string): void {
    const key = `${path}\0${token}`;
    if (this.#waiting.has(key) && !path.startsWith("@")) return;
    const held = this.core.memory(this.domid) + key.length;
    if (!this.privileged && exceeds(held, this.core.quota(this.domid, "memory"))) return;
    this.#waiting.add(key);
    this.#events.push({ path, token });
    this.#bytes += key.length;
    this.core.markDirty(this);
  }

  override flush(): void {
    if (this.#scheduled || this.#events.length === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#deliver());
  }

  /** Ends the connection with all its watches and transactions. */
  release(): void {
    this.reset();
    this.#callbacks.clear();
    this.#events = [];
    this.#waiting.clear();
    this.#bytes = 0;
    this.core.leave(this);
  }

  #deliver(): void {
    this.#scheduled = false;
    const events = this.#events;
    this.#events = [];
    this.#waiting.clear();
    this.#bytes = 0;
    for (const { path, token } of events) {
      try {
        this.#callbacks.get(token)?.(path); // an event of a watch that has been closed meanwhile goes nowhere
      } catch (error) {
        this.#onError(error); // one program's mistake must not take the others' events
      }
    }
  }
}
