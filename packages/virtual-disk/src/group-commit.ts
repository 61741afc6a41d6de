/**
 * Shares one commit among all flushes that arrive while another runs: each caller's commit begins after its call, so
 * it covers all that was done before.
 */
export class GroupCommit {
  #commit: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(commit: () => Promise<void>) {
    this.#commit = commit;
  }

  flush(): Promise<void> {
    this.#next ??= this.#runNext();
    return this.#next;
  }

  async #runNext(): Promise<void> {
    await this.#running.catch(() => {});
    this.#next = undefined;
    this.#running = this.#commit();
    await this.#running;
  }
}
