import type { DeviceLab, LabGuest } from "./device-lab.ts";
import type { HonestDisk, HonestPair } from "./honest-guests.ts";
import { Random } from "./random.ts";

/** What a run has done, to be printed and looked at. */
export interface FuzzReport {
  /** Ring entries shown to the backend. */
  requests: number;
  /** Answers by status, or another kind. */
  answers: Record<string, number>;
  domains: number;
  connections: number;
  /** Connections that the backend gave up, and requests that it refused, by what it logged. */
  complaints: Record<string, number>;
  /** Rounds of the honest guests beside it, in which all their data were right. */
  honestRounds: number;
  audits: number;
}

export interface FuzzOptions {
  lab: DeviceLab;
  honest: HonestDisk | HonestPair;
  requests: number;
  seed: number;
  /** Moves the machine's time on. */
  advance: (ms: number) => void;
  onProgress?: (report: FuzzReport) => void;
}

/** Domains between two looks at everything. */
const DOMAINS_PER_AUDIT = 64;
/** A round of honest work costs as much as many hostile requests. */
const HONEST_PAUSE = 64;
const REQUESTS_PER_PROGRESS = 250_000;

/** What runs of hostile block and network frontends have in common: time, the honest guests, the accounts. */
export class FuzzRun {
  readonly lab: DeviceLab;
  readonly random: Random;
  readonly report: FuzzReport = {
    requests: 0,
    answers: {},
    domains: 0,
    connections: 0,
    complaints: {},
    honestRounds: 0,
    audits: 0,
  };
  private readonly options: FuzzOptions;
  private readonly honestGuests: readonly LabGuest[];
  private readonly framesOfAll: number;
  private honestIsBusy = false;
  private fault: unknown;
  private turns = 0;
  private told = 0;

  constructor(options: FuzzOptions) {
    const { lab, honest } = options;
    this.options = options;
    this.lab = lab;
    this.random = new Random(options.seed);
    this.honestGuests = "guests" in honest ? honest.guests : [honest.guest];
    this.framesOfAll = this.framesFreeOrHonest();
  }

  get done(): boolean {
    return this.report.requests >= this.options.requests;
  }

  /** Lets the machine do what is due, and the honest guests go on. */
  async turn(): Promise<void> {
    this.keepHonestBusy();
    for (let i = 0; i < 4; i++) await null;
    this.lab.machine.stepFor(1000);
    if (this.fault !== undefined) throw this.fault;
    // The test runner wants to hear from this process now and then.
    if (++this.turns % 4096 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  async settle(turns = 16): Promise<void> {
    for (let i = 0; i < turns; i++) await this.turn();
  }

  /** Honest guests are given the time to take what is theirs first: who takes nothing for long loses it. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    this.options.advance(ms);
    await this.turn();
  }

  count(status: string | number): void {
    const { answers } = this.report;
    answers[status] = (answers[status] ?? 0) + 1;
  }

  /** The hostile domain has ended: looks whether anything of it is left. */
  async domainEnded(guest: LabGuest): Promise<void> {
    const { lab, report } = this;
    for (let i = 0; !guest.gone; i++) {
      if (i > 2000) throw new Error(`domain ${guest.domid} is not destroyed: ${guest.guest.domain.state}`);
      await this.turn();
    }
    report.domains++;
    for (const { level, message } of lab.log) {
      if (level === "error") throw new Error(message);
      const what = message.replace(/^\/local\S+ /, "").replaceAll(/\d+/g, "N");
      report.complaints[what] = (report.complaints[what] ?? 0) + 1;
    }
    lab.log.length = 0;
    const frames = this.framesFreeOrHonest();
    if (frames !== this.framesOfAll) throw new Error(`${this.framesOfAll - frames} frames are lost`);
    if (report.domains % DOMAINS_PER_AUDIT === 0) this.audit();
    if (report.requests - this.told >= REQUESTS_PER_PROGRESS) {
      this.told = report.requests;
      this.options.onProgress?.(report);
    }
  }

  /** Looks at every frame, grant and node. Throws at the first thing that is wrong. */
  audit(): void {
    this.report.audits++;
    const wrong = this.lab.violations();
    if (wrong.length > 0) throw new Error(wrong.slice(0, 5).join("; "));
  }

  /** The honest guests finish what they are at. */
  async finish(): Promise<void> {
    for (let i = 0; this.honestIsBusy; i++) {
      if (i > 10_000) throw new Error("the honest guests get no further");
      await this.turn();
    }
    this.audit();
  }

  private keepHonestBusy(): void {
    if (this.honestIsBusy || this.done || this.turns % HONEST_PAUSE !== 0) return;
    this.honestIsBusy = true;
    this.options.honest.round().then(
      () => {
        this.honestIsBusy = false;
        this.report.honestRounds++;
      },
      (error) => {
        this.fault = error;
      },
    );
  }

  /** All frames but the hostile guest's. */
  private framesFreeOrHonest(): number {
    const { frames } = this.lab.machine.hypervisor.mmu;
    return this.honestGuests.reduce((sum, { domid }) => sum + frames.ownedBy(domid), frames.freeFrames);
  }
}
