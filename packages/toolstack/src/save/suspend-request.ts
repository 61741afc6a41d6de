import { SHUTDOWN_suspend } from "@xen-node/xen-abi";
import type { XenStoreClient } from "@xen-node/xenstore";
import { ConfigError } from "../config/config-error.ts";

/** How long a guest may take to take the request, and then to stand still, as libxl waits. */
const PATIENCE_MS = 60_000;

/** Asks a guest to suspend itself, through its control/shutdown node, which it empties when it has read it. */
export class SuspendRequest {
  /** Resolves when it is suspended. Rejects with a ConfigError, one sentence, if it will not be. */
  readonly done: Promise<void>;
  private resolve: () => void = () => {};
  private reject: (error: ConfigError) => void = () => {};
  private timer: NodeJS.Timeout | undefined;
  private readonly watch: { close(): void };
  private readonly node: string;
  private acknowledged = false;

  /** @param guest its name, for messages */
  constructor(
    private readonly store: XenStoreClient,
    domid: number,
    private readonly guest: string,
  ) {
    this.node = `/local/domain/${domid}/control/shutdown`;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    store.write(this.node, "suspend");
    this.watch = store.watch(this.node, () => this.onChange());
    this.wait("did not answer the request to suspend itself: it may have no driver for that, or not have booted yet");
  }

  /** Its domain has shut down, for that or for another reason. */
  domainEnded(reason: number): void {
    if (reason === SHUTDOWN_suspend) this.settle(() => this.resolve());
    else this.fail("ended before it was suspended");
  }

  fail(reason: string): void {
    this.settle(() => this.reject(new ConfigError(`${this.guest} ${reason}.`)));
  }

  private onChange(): void {
    if (this.acknowledged || this.store.read(this.node) !== "") return;
    this.acknowledged = true;
    this.wait("took the request to suspend itself, but did not do it");
  }

  private wait(complaint: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // It must not find the request later, when nobody waits for it any more.
      if (this.store.read(this.node) === "suspend") this.store.write(this.node, "");
      this.fail(complaint);
    }, PATIENCE_MS);
  }

  private settle(then: () => void): void {
    clearTimeout(this.timer);
    this.watch.close();
    then();
  }
}
