import type { Round } from "./kernel-machine.ts";

const LESS_THAN = 0x3c;
const GREATER_THAN = 0x3e;
const NEWLINE = 0x0a;

/** What is read at the marks of a round. */
export interface RoundMeters {
  /** Processor time of the guest's process in milliseconds. */
  milliseconds(): number;
  /** Guest instructions so far, a 32-bit count that wraps. */
  instructions?(): number;
}

/** Follows the serial port of guest/bare.c: takes the time between its marks and collects the results. */
export class SerialRounds {
  private readonly rounds: Round[] = [];
  private start = 0;
  private startCount = 0;
  private milliseconds = 0;
  private instructions: number | undefined;
  private digits = "";

  /** `onDone` is called with the last byte of the last round. */
  constructor(
    private readonly job: { times: number; rounds: number },
    private readonly meters: RoundMeters,
    private readonly onDone: (rounds: Round[]) => void,
  ) {}

  push(byte: number): void {
    const { meters, job } = this;
    if (byte === LESS_THAN) {
      this.digits = "";
      this.startCount = meters.instructions?.() ?? 0;
      this.start = meters.milliseconds();
    } else if (byte === GREATER_THAN) {
      this.milliseconds = (meters.milliseconds() - this.start) / job.times;
      if (meters.instructions) this.instructions = ((meters.instructions() - this.startCount) >>> 0) / job.times;
    } else if (byte === NEWLINE) {
      this.rounds.push({ result: this.digits, milliseconds: this.milliseconds, instructions: this.instructions });
      if (this.rounds.length === job.rounds) this.onDone(this.rounds);
    } else {
      this.digits += String.fromCharCode(byte);
    }
  }
}
