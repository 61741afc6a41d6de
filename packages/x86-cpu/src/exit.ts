/** Why `Cpu.run` came back. */
export const ExitReason = {
  /** The instruction budget is spent. */
  BUDGET: 1,
  /** A fault or trap: vector, error code and CR2 are in the state; RIP is at the faulting instruction, or after it for traps. */
  EXCEPTION: 2,
  /** INT n, INT3, INTO or INT1: RIP is at the instruction. */
  SOFT_INT: 3,
  /** SYSCALL: RIP is at the instruction. */
  SYSCALL: 4,
  /** SYSENTER: RIP is at the instruction. */
  SYSENTER: 5,
  /** An instruction that CPL 3 may not execute: RIP is at it, EXIT_OPERATION is its opcode-table id. */
  PRIVILEGED: 6,
  /** Internal to x86-cpu: RIP or the mode changed, look the next block up again. */
  REDISPATCH: 7,
  /** A debugger asked `Cpu.requestStop` to stop the run. */
  STOPPED: 8,
  /** Internal: the interpreter has come to where a region can be entered. */
  REGION: 9,
  /** Internal: a region has come to what only the interpreter does. */
  INTERPRET: 10,
} as const;
export type ExitReason = (typeof ExitReason)[keyof typeof ExitReason];

/** What `Cpu.exitHandler` answers if it does not answer what dealing with the exit has cost. */
export const ExitAnswer = {
  /** The exit was not dealt with: the run ends with it. */
  REFUSED: -2,
  /** It was dealt with, and the run ends with ExitReason.STOPPED. */
  LEAVE: -1,
} as const;
