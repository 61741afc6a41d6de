import { DONE_LINE, FAILURE_SIGN } from "./suite-script.ts";

/** One round of a program, measured from outside at the marks that the guest prints. */
export interface SuiteRound {
  /** By the host's clock on the wall. */
  readonly wallMs: number;
  /** Processor time of the peer's process in that time; NaN where it has none of its own. */
  readonly processorMs: number;
  /** By the guest's own clock. */
  readonly guestMs: number;
  /** 16 hexadecimal digits. */
  readonly result: string;
}

/** Clocks of the host in milliseconds. */
export interface HostClocks {
  wall(): number;
  processor(): number;
}

export interface MarkEvents {
  onRound(program: string, round: number, result: SuiteRound): void;
  onFailure(program: string, status: number): void;
  onDone(): void;
  /** A line that is no mark: what the kernel or a program says. */
  onOther(line: string): void;
}

const START = /^<(\S+) (\d+)$/;
const END = /^>(\S+) (\d+) (\d+) ([0-9a-f]{16})$/;
const FAILURE = new RegExp(`^${FAILURE_SIGN}(\\S+) (\\d+)$`);
const END_SIGN = 0x3e;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Follows a guest's console and takes the time at the marks of guest/suite/main.c. */
export class SuiteMarks {
  private line = "";
  private started: { program: string; round: number; wall: number; processor: number } | undefined;
  private ended = { wall: 0, processor: 0 };

  constructor(
    private readonly clocks: HostClocks,
    private readonly events: MarkEvents,
    /** What lines begin with that may be marks: the name of a guest that shares its console with others. */
    private readonly prefix = "",
  ) {}

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === NEWLINE) {
        this.endLine(this.line);
        this.line = "";
      } else if (byte !== RETURN) {
        // The end of a round is the first byte of its mark, the start the last: the time between is the program's.
        if (byte === END_SIGN && this.line === this.prefix) this.ended = this.now();
        this.line += String.fromCharCode(byte);
      }
    }
  }

  private now(): { wall: number; processor: number } {
    // The clock on the wall first: the other one takes a while to read.
    return { wall: this.clocks.wall(), processor: this.clocks.processor() };
  }

  private endLine(wholeLine: string): void {
    const { events, started, prefix } = this;
    const line = wholeLine.startsWith(prefix) ? wholeLine.slice(prefix.length) : wholeLine;
    const start = START.exec(line);
    if (start) {
      const processor = this.clocks.processor();
      this.started = { program: start[1], round: Number(start[2]), processor, wall: this.clocks.wall() };
      return;
    }
    const end = END.exec(line);
    if (end && started && started.program === end[1] && started.round === Number(end[2])) {
      this.started = undefined;
      events.onRound(started.program, started.round, {
        wallMs: this.ended.wall - started.wall,
        processorMs: this.ended.processor - started.processor,
        guestMs: Number(end[3]) / 1e6,
        result: end[4],
      });
      return;
    }
    const failure = FAILURE.exec(line);
    if (failure) events.onFailure(failure[1], Number(failure[2]));
    else if (line === DONE_LINE) events.onDone();
    else if (line !== "") events.onOther(line);
  }
}
