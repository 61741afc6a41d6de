import { ConfigError } from "@xen-node/toolstack";
import { AcceptedDomains } from "./accepted-domains.ts";
import type { Peer } from "./peer.ts";

interface Reception {
  readonly peer: Peer;
  /** Settles when it is over. */
  readonly over: Promise<unknown>;
  /** The sender has given its permission. */
  begun: boolean;
  refused: boolean;
}

/** The guests that are on their way here, and those that were accepted: who may say whose one is. */
export class Receptions {
  private readonly underWay = new Map<string, Reception>();

  constructor(private readonly accepted: AcceptedDomains) {}

  /**
   * Runs what receives a guest.
   *
   * @param work calls `begin` when the sender has given its permission; false: the sender was told meanwhile that the
   * guest is its own, and must not be run here
   * @throws ConfigError: there is such a reception, or was; what `work` does
   */
  async during<T>(token: string, peer: Peer, work: (begin: () => boolean) => Promise<T>): Promise<T> {
    if (this.underWay.has(token) || (await this.accepted.has(token)))
      throw new ConfigError("a guest of this migration was received already.");
    let settle: () => void = () => {};
    const over = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const reception: Reception = { peer, over, begun: false, refused: false };
    this.underWay.set(token, reception);
    try {
      return await work(() => {
        reception.begun = !reception.refused;
        return reception.begun;
      });
    } finally {
      this.underWay.delete(token);
      settle();
    }
  }

  /** From when this has resolved the guest is this daemon's. */
  accept(token: string, name: string): Promise<void> {
    return this.accepted.record(token, name);
  }

  /** Whose the guest of a migration is. The sender's: this daemon will never run it, whatever is still on its way. */
  async whose(token: string): Promise<"accepted" | "refused"> {
    if (!AcceptedDomains.isToken(token)) return "refused";
    const reception = this.underWay.get(token);
    if (reception !== undefined) {
      if (!reception.begun) {
        reception.refused = true;
        reception.peer.end();
      }
      await reception.over;
    }
    return (await this.accepted.has(token)) ? "accepted" : "refused";
  }
}
