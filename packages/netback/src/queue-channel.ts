import type { BackRing } from "@xen-node/io-rings";
import type { EventChannel, GrantedPage } from "@xen-node/xenbus";

/** A mapped ring with its way of telling the frontend about responses. */
export class QueueChannel {
  readonly ring: BackRing;
  private readonly page: GrantedPage;
  private readonly channel: EventChannel;
  private answered = false;

  constructor(ring: BackRing, page: GrantedPage, channel: EventChannel) {
    this.ring = ring;
    this.page = page;
    this.channel = channel;
  }

  /** Puts the ring's `response` into it; the frontend sees it after `push`. */
  respond(): void {
    this.ring.respond();
    this.answered = true;
  }

  /** Shows the responses to the frontend, and sends an event if it asked for one. */
  push(): void {
    if (!this.answered) return;
    this.answered = false;
    const notify = this.ring.push();
    this.page.noteWritten(0, this.page.bytes.length);
    if (notify) this.channel.notify();
  }
}
