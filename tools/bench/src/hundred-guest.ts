import { readFileSync } from "node:fs";
import type { DomainConfig, DomainEnd, Guest, GuestFiles, Machine } from "@xen-node/toolstack";
import { USERSPACE_MARKER } from "xen-node";

const PROMPT = /\/root # /;
const USERSPACE = new RegExp(`^${USERSPACE_MARKER.replaceAll(".", "\\.")}`, "m");
/** Of its console: enough for an answer, and for what it said before it got stuck. */
const KEPT_CHARACTERS = 4000;

/** A guest of the hundred: its console and what it was asked. */
export class HundredGuest {
  readonly guest: Guest;
  readonly createdMs = performance.now();
  /** When its init said that it had come so far; 0: it has not. */
  bootedMs = 0;
  /** How it ended. */
  end: DomainEnd["kind"] | undefined;
  /** Resolves when its shell takes commands. */
  readonly ready: Promise<void>;
  /** Rejects if it ends unasked. */
  readonly lost: Promise<never>;
  private text = "";
  private isAsked = false;
  private readonly awaited = new Map<RegExp, () => void>();

  /**
   * @param address its own on the network between the guests
   * @param disk path of its disk's image
   */
  constructor(
    machine: Machine,
    config: DomainConfig,
    files: GuestFiles,
    readonly address: string,
    private readonly disk: string,
  ) {
    let lose: (error: Error) => void;
    this.lost = new Promise((_, reject) => {
      lose = reject;
    });
    // Whoever waits for it now hears of it; if nobody does, it is told by `end`.
    this.lost.catch(() => {});
    this.guest = machine.createGuest(config, files, {
      onEnd: (end) => {
        this.end = end.kind;
        const why = end.kind === "crash" ? (end.dump?.reason ?? "crash") : end.kind;
        if (!this.isAsked) lose(new Error(`${this.name} has ended (${why}); it said last:\n${this.text}`));
      },
    });
    this.guest.console.onOutput((bytes) => this.read(Buffer.from(bytes).toString("latin1")));
    void this.hears(USERSPACE).then(() => {
      this.bootedMs = performance.now();
    });
    this.ready = this.hears(PROMPT);
  }

  get name(): string {
    return this.guest.name;
  }

  /** The last that it said. */
  get tail(): string {
    return this.text;
  }

  /** Resolves when it has had an answer to one echo request to another guest. */
  async ping(other: HundredGuest): Promise<void> {
    await this.asks(`ping -c 1 -W 60 ${other.address}`, /^1 packets transmitted, 1 packets received/m);
  }

  /** Writes its name to the first sector of its disk. */
  async writeDisk(): Promise<void> {
    await this.asks(`echo ${this.name} >/dev/xvda && sync && echo written-$?`, /^written-0/m);
  }

  /** Asks it to power itself off, and resolves when it is gone. */
  async powerOff(): Promise<void> {
    this.isAsked = true;
    this.guest.requestShutdown("poweroff");
    await this.guest.gone;
  }

  /** Whether its name stands on its disk's image, once it has ended. */
  get hasWritten(): boolean {
    return (
      readFileSync(this.disk)
        .subarray(0, this.name.length + 1)
        .toString("latin1") === `${this.name}\n`
    );
  }

  private async asks(command: string, answer: RegExp): Promise<void> {
    this.text = "";
    const answered = this.hears(answer);
    this.guest.console.write(Buffer.from(`${command}\n`));
    await answered;
  }

  private hears(what: RegExp): Promise<void> {
    return new Promise((resolve) => this.awaited.set(what, resolve));
  }

  private read(more: string): void {
    this.text = (this.text + more).slice(-KEPT_CHARACTERS);
    for (const [what, resolve] of this.awaited) {
      if (!what.test(this.text)) continue;
      this.awaited.delete(what);
      resolve();
    }
  }
}
