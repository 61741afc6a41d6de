/** Z0 and Z1 packets. */
export type BreakpointKind = "software" | "hardware";

/** Why a target that ran stands still. */
export type StopReason =
  | { kind: "breakpoint"; thread: number; breakpoint: BreakpointKind }
  /** It ran one instruction, or the debugger has just come. */
  | { kind: "trap"; thread: number }
  /** Someone asked: the debugger, by Ctrl-C. */
  | { kind: "interrupt"; thread: number }
  /** The guest crashed; its memory and registers are still there to look at. */
  | { kind: "crash"; thread: number }
  /** The guest powered off, or rebooted: what comes after that is another one. */
  | { kind: "exited"; status: number }
  /** The guest is gone: it crashed, or was destroyed. */
  | { kind: "killed"; crashed: boolean };

/**
 * What the protocol needs of a thing to debug. Threads are numbered from 1. Addresses are virtual, as signed canonical
 * numbers; each thread sees memory through its own page tables. Everything but `stop` and `detach` is asked of a stopped
 * target only.
 */
export interface DebugTarget {
  /** Threads there are now, ascending; none after the guest is gone. */
  readonly threads: readonly number[];
  /** One line about a thread, for people. */
  describeThread(thread: number): string;
  /** Registers in the layout of RegisterFile. */
  readRegisters(thread: number): Uint8Array;
  /** Sets what of them can be set. */
  writeRegisters(thread: number, bytes: Uint8Array): void;
  /** Up to `length` bytes, fewer if they reach into memory that is not mapped. */
  readMemory(thread: number, va: number, length: number): Uint8Array;
  /** False if part of it cannot be written. */
  writeMemory(thread: number, va: number, bytes: Uint8Array): boolean;
  /** False if there is no memory to break in. Setting one twice is as good as once. */
  insertBreakpoint(kind: BreakpointKind, thread: number, va: number): boolean;
  removeBreakpoint(kind: BreakpointKind, va: number): void;
  /** Told once for each `resume` why it ended; perhaps from inside the run, so it must not resume. */
  onStop: ((reason: StopReason) => void) | undefined;
  /** Begins to debug: the target stops. Why it stands still. */
  attach(): StopReason;
  /** Lets these threads run; the others stand still. */
  resume(threads: readonly number[]): void;
  /** Runs one instruction of one thread. */
  step(thread: number): StopReason;
  /** Stops a target that runs; `onStop` is told. */
  stop(): void;
  /** Takes all breakpoints out and lets the target run free. */
  detach(): void;
  /** Ends the guest. */
  kill(): void;
  /** Answers `monitor COMMAND`, in lines. */
  monitor(command: string): string;
}
