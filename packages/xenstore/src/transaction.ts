import { EAGAIN, ENOMEM, ENOSPC } from "@xen-node/xen-abi";
import type { DraftHost } from "./draft.ts";
import { Draft } from "./draft.ts";
import type { StoreNode } from "./node.ts";
import { Touches } from "./touches.ts";

/** One request's effect on a draft: 0 or more, or a negative errno. */
export type Change = (draft: Draft) => number;

/** An open transaction: a snapshot with private changes, what it depends on, and the changes once more for the commit. */
export class Transaction {
  readonly draft: Draft;
  /** Bytes that its changes hold, for the memory quota. */
  bytes = 0;
  readonly #host: DraftHost;
  readonly #touches: Touches;
  readonly #changes: Change[] = [];
  readonly #doomed: boolean;

  /** `doomed`: a transaction that was open when the store was saved. It can be read and written, and ends with EAGAIN. */
  constructor(host: DraftHost, top: StoreNode, doomed = false) {
    this.#host = host;
    this.#touches = new Touches(top);
    this.draft = new Draft(host, top, this.#touches);
    this.#doomed = doomed;
  }

  /** Applies `change` to the private tree; `bytes` is what keeping it costs. */
  run(change: Change, bytes: number): number {
    const before = this.draft.top;
    const result = change(this.draft);
    if (result >= 0 && this.draft.top !== before) {
      this.#changes.push(change);
      this.bytes += bytes;
    }
    return result;
  }

  /**
   * The draft that makes the changes on `top`, for the store to apply, or a negative errno: -EAGAIN if something that
   * this transaction looked at has changed, -ENOSPC or -ENOMEM if the changes no longer fit the quotas.
   */
  replayOn(top: StoreNode): Draft | number {
    if (this.#touches.failed) return -ENOMEM; // xenstored's answer when a request in it failed for its quota
    if (this.#doomed || !this.#touches.holdIn(top)) return -EAGAIN;
    const draft = new Draft(this.#host, top);
    for (const change of this.#changes) {
      const result = change(draft);
      if (result === -ENOSPC || result === -ENOMEM) return result;
      // All it depends on is unchanged, so it did what it did before; anything else must not be half applied.
      if (result < 0) return -EAGAIN;
    }
    return draft;
  }
}
